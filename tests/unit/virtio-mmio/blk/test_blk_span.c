/* Which requests become one operation, and that each is still answered by itself. */
#include "virtio-mmio/blk/blk_span.h"

#include "unit/virtio-mmio/blk/disk_rig.h"

/* Pure. */

#define ROOM 16u

static uint8_t memory[4096];

struct vector {
    struct blk_request request;
    struct iovec iov[ROOM];
};

/* A request of so many buffers, of a sector each. */
static struct blk_request *request(struct vector *v, enum blk_action action, uint64_t sector,
                                   unsigned count)
{
    v->request = (struct blk_request){ .action = action,
                                       .offset = sector * BLK_SECTOR,
                                       .len = (uint64_t)count * BLK_SECTOR,
                                       .data = v->iov,
                                       .count = count };
    for (unsigned i = 0; i < count; i++)
        v->iov[i] = (struct iovec){ memory + (sector + i) % sizeof(memory), BLK_SECTOR };
    return &v->request;
}

Test(blk_span, takes_what_goes_on)
{
    struct vector first, second, third;
    struct blk_span s;

    blk_span_begin(&s, request(&first, BLK_READ, 10, 2), ROOM);
    cr_assert(blk_span_add(&s, request(&second, BLK_READ, 12, 1)));
    cr_assert(blk_span_add(&s, request(&third, BLK_READ, 13, 3)));
    cr_assert_eq(s.len, 6 * BLK_SECTOR);
    cr_assert_eq(s.count, 6);
    cr_assert_eq(first.request.count, 2);
    cr_assert_eq(first.request.len, 2 * BLK_SECTOR);
    for (unsigned i = 0; i < 6; i++)
        cr_assert_eq(first.iov[i].iov_base, memory + 10 + i);
}

Test(blk_span, leaves_what_does_not)
{
    struct vector first, other;
    struct blk_span s;

    blk_span_begin(&s, request(&first, BLK_READ, 10, 2), ROOM);
    cr_assert_not(blk_span_add(&s, request(&other, BLK_READ, 13, 1)), "a gap");
    cr_assert_not(blk_span_add(&s, request(&other, BLK_READ, 9, 1)), "before it");
    cr_assert_not(blk_span_add(&s, request(&other, BLK_READ, 10, 2)), "the same");
    cr_assert_not(blk_span_add(&s, request(&other, BLK_WRITE, 12, 1)), "a write");
    cr_assert_eq(s.len, 2 * BLK_SECTOR);
    cr_assert_eq(s.count, 2);
}

Test(blk_span, is_bounded_by_the_vector)
{
    struct vector first, other;
    struct blk_span s;

    blk_span_begin(&s, request(&first, BLK_WRITE, 0, ROOM - 4), ROOM);
    cr_assert(blk_span_add(&s, request(&other, BLK_WRITE, ROOM - 4, 4)));
    cr_assert_not(blk_span_add(&s, request(&other, BLK_WRITE, ROOM, 1)));
    cr_assert_eq(s.count, ROOM);
}

Test(blk_span, is_bounded_in_bytes)
{
    const uint64_t most = UINT64_C(1) << 22;
    struct vector first, other;
    struct blk_span s;

    blk_span_begin(&s, request(&first, BLK_WRITE, 0, 1), ROOM);
    request(&other, BLK_WRITE, 1, 1)->len = most - BLK_SECTOR;
    cr_assert(blk_span_add(&s, &other.request));
    cr_assert_not(blk_span_add(&s, request(&other, BLK_WRITE, most / BLK_SECTOR, 1)));

    /* A single request may be longer. */
    request(&first, BLK_WRITE, 0, 1)->len = most + BLK_SECTOR;
    blk_span_begin(&s, &first.request, ROOM);
    cr_assert_not(blk_span_add(&s, request(&other, BLK_WRITE, most / BLK_SECTOR + 1, 1)));
}

/* In the device. */

#define ASKS 12u

static struct ask asks[ASKS];

/* Two sectors each, one behind the other, all offered before one kick. */
static void ask_all(uint32_t type, const void *data)
{
    for (unsigned i = 0; i < ASKS; i++)
        asks[i] = ask(type, 2 * i, data, 2 * BLK_SECTOR);
    (void)vd_kick(&d, 0);
    for (unsigned i = 0; i < ASKS; i++)
        (void)vd_await(&d, 0);
}

static void sequence(void)
{
    uint8_t data[2 * BLK_SECTOR];

    disk_open(plain(), 0);
    ask_all(VIRTIO_BLK_T_IN, NULL);
    for (unsigned i = 0; i < ASKS; i++) {
        cr_assert_eq(*asks[i].status, VIRTIO_BLK_S_OK);
        for (unsigned k = 0; k < 2; k++)
            cr_assert(all_are(asks[i].data + k * BLK_SECTOR, BLK_SECTOR, sector_byte(2 * i + k)));
    }
    cr_assert_eq(disk->counters.merged, ASKS);
    cr_assert_eq(disk->counters.reads, ASKS);
    cr_assert_eq(disk->counters.read_bytes, ASKS * sizeof(data));

    memset(data, 0xa5, sizeof(data));
    ask_all(VIRTIO_BLK_T_OUT, data);
    for (unsigned i = 0; i < ASKS; i++)
        cr_assert_eq(*asks[i].status, VIRTIO_BLK_S_OK);
    cr_assert_eq(disk->counters.merged, 2 * ASKS);
    cr_assert_eq(disk->counters.write_bytes, ASKS * sizeof(data));
    for (unsigned i = 0; i < SECTORS; i++)
        cr_assert_eq(image_byte(i * BLK_SECTOR), i < 2 * ASKS ? 0xa5 : sector_byte(i));
    disk_close();
}

BOTH(a_sequence_is_one_operation)
{
    sequence();
    indirect = true;
    sequence();
    indirect = false;
}

/* The file has lost its end: what is still there is read, and only the other requests fail. */
BOTH(those_that_fail_fail_alone)
{
    disk_open(plain(), 0);
    cr_assert_eq(truncate(image, 7 * BLK_SECTOR), 0);
    ask_all(VIRTIO_BLK_T_IN, NULL);
    for (unsigned i = 0; i < ASKS; i++)
        cr_assert_eq(*asks[i].status, i < 3 ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR, "%u", i);
    cr_assert(all_are(asks[2].data, BLK_SECTOR, sector_byte(4)));
    cr_assert_eq(disk->counters.merged, 0);
    cr_assert_eq(disk->counters.failed, ASKS - 3);
    disk_close();
}

BOTH(merged_writes_are_durable_where_the_driver_cannot_flush)
{
    uint8_t data[2 * BLK_SECTOR] = { 1 };

    disk_open(plain(), UINT64_C(1) << VIRTIO_BLK_F_FLUSH);
    cr_assert(disk->io.through);
    ask_all(VIRTIO_BLK_T_OUT, data);
    for (unsigned i = 0; i < ASKS; i++)
        cr_assert_eq(*asks[i].status, VIRTIO_BLK_S_OK);
    cr_assert_eq(image_byte(2 * BLK_SECTOR), 1);
    disk_close();
}

/* Whatever became of the group, the next driver finds all jobs idle. */
BOTH(a_reset_takes_a_group_apart)
{
    disk_open(plain(), 0);
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 0; i < ASKS; i++)
            (void)ask(VIRTIO_BLK_T_IN, 2 * i, NULL, 2 * BLK_SECTOR);
        vd_kick_hard(&d, 0);
        vd_reset(&d);
        cr_assert_eq(disk->in_flight, 0);
        d.free = VD_BUFFERS;
        vd_start(&d, 0);
    }
    cr_assert(sector_is(3, sector_byte(3)));
    disk_close();
}
