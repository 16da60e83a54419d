/* How much a disk makes the loop thread do at a time, however large the requests are. */
#include "unit/virtio-mmio/blk/disk_rig.h"
#include "virtio-mmio/transport.h"

#define REQUESTS 12u
#define BUFFERS  10u
#define BUFFER   (UINT32_C(4) << 20) /* all of the memory above VD_HIGH, each time */
#define TURN     (UINT64_C(8) << 20)

static uint64_t most, most_of_one;
static unsigned turns;

static uint64_t bytes_of(const struct loop_op *op)
{
    uint64_t bytes = 0;

    for (int i = 0; i < op->count; i++)
        bytes += op->iov[i].iov_len;
    return bytes;
}

/* In each turn, sums up what the operations under way move. */
static void look(struct loop_post *post)
{
    uint64_t all = 0;

    for (unsigned i = 0; i < VIRTQ_SIZE_MAX; i++) {
        uint64_t bytes = disk->jobs[i].op.state ? bytes_of(&disk->jobs[i].op) : 0;
        all += bytes;
        most_of_one = bytes > most_of_one ? bytes : most_of_one;
    }
    most = all > most ? all : most;
    turns++;
    loop_post(d.loop, post);
}

static bool is_answered(void *status)
{
    return *(const volatile uint8_t *)status != 0xee;
}

static uint8_t *huge_request(uint32_t type)
{
    struct virtio_blk_outhdr header = { .type = type };
    struct vd_buf bufs[BUFFERS + 2] = { { vd_alloc(&d, sizeof(header)), sizeof(header), 0 } };
    gpa_t status = vd_alloc(&d, 1);

    memcpy(vd_at(&d, bufs[0].at, sizeof(header)), &header, sizeof(header));
    for (unsigned i = 1; i <= BUFFERS; i++)
        bufs[i] = (struct vd_buf){ VD_HIGH, BUFFER, type == VIRTIO_BLK_T_IN ? VD_WRITE : 0 };
    bufs[BUFFERS + 1] = (struct vd_buf){ status, 1, VD_WRITE };
    (void)vd_indirect(&d, 0, bufs, BUFFERS + 2);
    *(uint8_t *)vd_at(&d, status, 1) = 0xee;
    return vd_at(&d, status, 1);
}

static struct loop_post looker;

static void huge_disk_open(void)
{
    image_make(image, SECTORS * BLK_SECTOR);
    cr_assert_eq(truncate(image, (off_t)BUFFERS * BUFFER), 0);
    disk_open(plain(), 0);
    d.hostile = true;
    most = most_of_one = turns = 0;
    looker = (struct loop_post){ .call = look };
}

BOTH(huge_requests_are_moved_a_little_at_a_time)
{
    uint8_t *status[REQUESTS];

    huge_disk_open();
    for (unsigned i = 0; i < REQUESTS; i++)
        status[i] = huge_request(VIRTIO_BLK_T_IN);
    vd_kick_hard(&d, 0);
    loop_post(d.loop, &looker);
    for (unsigned i = 0; i < REQUESTS; i++) {
        vd_run_until(&d, is_answered, status[i]);
        cr_assert_eq(*status[i], VIRTIO_BLK_S_OK);
    }
    cr_assert_gt(most, 0);
    cr_assert_leq(most, TURN);
    cr_assert_leq(most_of_one, BLK_PIECE);
    cr_assert_geq(turns, (uint64_t)REQUESTS * BUFFERS * BUFFER / TURN);
    cr_assert_eq(disk->moving, 0);
    disk_close();
}

/* The reset does not wait for a whole request, let alone for all of them. */
BOTH(a_reset_waits_for_what_is_under_way_alone)
{
    huge_disk_open();
    for (unsigned i = 0; i < REQUESTS; i++)
        (void)huge_request(VIRTIO_BLK_T_IN);
    vd_kick_hard(&d, 0);
    vd_settle(&d);
    vd_reset(&d);
    cr_assert_eq(disk->moving, 0);
    cr_assert_lt(disk->counters.reads, REQUESTS);
    vd_start(&d, 0);
    d.hostile = false;
    cr_assert(sector_is(1, sector_byte(1)), "and the next driver finds it well");
    disk_close();
}

#define QUICK 160u

static struct loop_post together;

static void kick_call(struct loop_post *post)
{
    (void)post;
    virtio_kick(&disk->virtio, 0);
}

static unsigned answered_of(const struct ask *asks, unsigned count)
{
    unsigned n = 0;

    for (unsigned i = 0; i < count; i++)
        n += *asks[i].status != 0xee;
    return n;
}

static unsigned in_first_turn;
static struct ask quick[QUICK];

static void count_call(struct loop_post *post)
{
    (void)post;
    in_first_turn = answered_of(quick, QUICK);
}

/* next_turn ends the rest, but in a turn in which the disk has had its share it rests on. */
BOTH(a_turn_has_one_share_whoever_asks_for_it)
{
    struct loop_post count = { .call = count_call };

    disk_open(plain(), 0);
    d.hostile = true;
    indirect = true;
    for (unsigned i = 0; i < QUICK; i++)
        quick[i] = ask(VIRTIO_BLK_T_GET_ID, 0, NULL, 20);
    together = (struct loop_post){ .call = kick_call };
    loop_post(d.loop, &together);
    loop_post(d.loop, &disk->next_turn);
    loop_post(d.loop, &count);
    vd_settle(&d);
    cr_assert_eq(in_first_turn, 64);
    while (answered_of(quick, QUICK) < QUICK)
        vd_settle(&d);
    d.hostile = indirect = false;
    disk_close();
}
