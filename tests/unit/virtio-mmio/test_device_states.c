/*
 * Each device across a snapshot in the middle of its work: the driver goes on with another device,
 * on the same rings, and finds that nothing is lost that a device has to keep. On both loop
 * backends.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_net.h>
#include <linux/virtio_vsock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/err.h"
#include "lib/virtio/virtio_snapshot.h"
#include "virtio-mmio/balloon/balloon.h"
#include "virtio-mmio/blk/blk.h"
#include "virtio-mmio/net/net.h"
#include "virtio-mmio/rng/rng.h"
#include "virtio-mmio/transport.h"
#include "virtio-mmio/vsock/vsock.h"

static struct vd d, to;
static struct state_writer w;
static struct err e;

static void each(void (*body)(void))
{
    static const enum loop_backend backends[] = { LOOP_URING, LOOP_EPOLL };

    for (unsigned i = 0; i < 2; i++) {
        vd_init(&d, backends[i]);
        vd_init(&to, backends[i]);
        body();
        state_free(&w);
    }
}

#define ON_BOTH(name)          \
    static void name##_(void); \
    Test(device_states, name)  \
    {                          \
        each(name##_);         \
    }                          \
    static void name##_(void)

/* d's device comes to rest, and is saved. */
static void save(void)
{
    vd_quiesce(&d);
    vd_save(&d, &w);
    vd_move(&to, &d);
}

static void restore(void)
{
    cr_assert_eq(vd_restore(&to, &w, &e), 0, "%s", e.text);
    virtio_resume(to.device);
}

static void finish(void)
{
    vd_finish(&d);
    vd_finish(&to);
}

/* Disk. */

#define SECTORS 64u
#define BLOCK   4096u

static char path[2][40];
static struct blk *disk, *other_disk;

static void image_make(unsigned index, uint32_t sectors)
{
    int fd;

    strcpy(path[index], "/tmp/test_device_states.XXXXXX");
    fd = mkstemp(path[index]);
    cr_assert_geq(fd, 0);
    cr_assert_eq(ftruncate(fd, sectors * BLK_SECTOR), 0);
    (void)close(fd);
}

/* As an operator does who copies the disk along with the machine's snapshot. */
static void image_copy(void)
{
    uint8_t bytes[SECTORS * BLK_SECTOR];
    int from = open(path[0], O_RDONLY), onto = open(path[1], O_WRONLY);

    cr_assert_eq(read(from, bytes, sizeof(bytes)), sizeof(bytes));
    cr_assert_eq(write(onto, bytes, sizeof(bytes)), sizeof(bytes));
    (void)close(from);
    (void)close(onto);
}

static void disk_plug(struct vd *driver, struct blk **b, unsigned index)
{
    const struct blk_config config = { .id = "vol", .path = path[index], .writeback = true };

    cr_assert_eq(blk_create(b, &config, &e), 0, "%s", e.text);
    vd_plug(driver, &(*b)->virtio);
}

/* Plugs both disks. The other one has so many sectors. */
static void disks_plug(uint32_t sectors)
{
    image_make(0, SECTORS);
    image_make(1, sectors);
    disk_plug(&d, &disk, 0);
    disk_plug(&to, &other_disk, 1);
}

static void disks_finish(void)
{
    finish();
    blk_destroy(disk);
    blk_destroy(other_disk);
    (void)unlink(path[0]);
    (void)unlink(path[1]);
}

/* A request for one block. Returns where its data lies; its status follows the data. */
static gpa_t block_ask(struct vd *driver, uint32_t type, unsigned block, uint8_t byte)
{
    struct virtio_blk_outhdr header = { .type = type, .sector = block * (BLOCK / BLK_SECTOR) };
    gpa_t at = vd_alloc(driver, sizeof(header)), data = vd_alloc(driver, BLOCK + 1);
    struct vd_buf bufs[3] = { { at, sizeof(header), 0 },
                              { data, BLOCK, type == VIRTIO_BLK_T_OUT ? 0 : VD_WRITE },
                              { data + BLOCK, 1, VD_WRITE } };

    memcpy(vd_at(driver, at, sizeof(header)), &header, sizeof(header));
    memset(vd_at(driver, data, BLOCK + 1), byte, BLOCK + 1);
    (void)vd_chain(driver, 0, bufs, 3);
    (void)vd_kick(driver, 0);
    return data;
}

static void block_expect(struct vd *driver, unsigned block, uint8_t byte)
{
    gpa_t at = block_ask(driver, VIRTIO_BLK_T_IN, block, 0xee);
    const uint8_t *is = vd_at(driver, at, BLOCK + 1);

    cr_assert_eq(vd_await(driver, 0).len, BLOCK + 1);
    for (unsigned i = 0; i < BLOCK; i++)
        cr_assert_eq(is[i], byte);
    cr_assert_eq(is[BLOCK], VIRTIO_BLK_S_OK);
}

/* Four writes are in flight when it has to come to rest, four more wait in the queue. */
ON_BOTH(a_disk_loses_no_write)
{
    gpa_t at[8];

    disks_plug(SECTORS);
    vd_start(&d, 0);
    for (unsigned i = 0; i < 4; i++)
        at[i] = block_ask(&d, VIRTIO_BLK_T_OUT, i, (uint8_t)(i + 1));
    virtio_kick(&disk->virtio, 0);
    cr_assert_eq(disk->in_flight, 4);
    vd_quiesce(&d);
    cr_assert_eq(disk->in_flight, 0);
    for (unsigned i = 4; i < 8; i++)
        at[i] = block_ask(&d, VIRTIO_BLK_T_OUT, i, (uint8_t)(i + 1));
    vd_settle(&d);
    vd_save(&d, &w);
    vd_move(&to, &d);
    image_copy();
    restore();
    virtio_resume(d.device);
    for (unsigned i = 0; i < 8; i++) {
        (void)vd_await(&to, 0);
        (void)vd_await(&d, 0);
        cr_assert_eq(*(uint8_t *)vd_at(&to, at[i] + BLOCK, 1), VIRTIO_BLK_S_OK);
    }
    for (unsigned i = 0; i < 8; i++) {
        block_expect(&to, i, (uint8_t)(i + 1));
        block_expect(&d, i, (uint8_t)(i + 1));
    }
    disks_finish();
}

/* The request that the limiter held back is still in the queue, and the other disk has no limit. */
ON_BOTH(a_limited_disk_rests_at_once)
{
    struct vd_used used;

    disks_plug(2 * SECTORS);
    vd_start(&d, 0);
    blk_limit(disk, (struct rate){ .per_s = 1 }, (struct rate){ 0 });
    block_expect(&d, 0, 0);
    (void)block_ask(&d, VIRTIO_BLK_T_OUT, 1, 9);
    vd_settle(&d);
    cr_assert_not(vd_reap(&d, 0, &used));
    save();
    restore();
    (void)vd_await(&to, 0);
    block_expect(&to, 1, 9);
    disks_finish();
}

ON_BOTH(a_disk_of_another_size_is_told)
{
    uint32_t why, low;

    disks_plug(2 * SECTORS);
    vd_start(&d, 0);
    save();
    restore();
    cr_assert_eq(vd_interrupts(&to, &why), 1);
    cr_assert(why & VIRTIO_MMIO_INT_CONFIG);
    vd_config_read(&to, 0, &low, sizeof(low));
    cr_assert_eq(low, 2 * SECTORS);
    disks_finish();
}

ON_BOTH(a_disk_of_other_blocks_is_refused)
{
    disks_plug(SECTORS);
    other_disk->config.blk_size = 4096;
    vd_start(&d, 0);
    save();
    cr_assert_eq(vd_restore(&to, &w, &e), -EINVAL);
    cr_assert_str_eq(e.text, "section 'block.vol': its block size is not this file's");
    disks_finish();
}

/* Network. */

#define RX     0u
#define TX     1u
#define HEADER 12u

static int wire[2]; /* the taps' other ends */

static void net_plug(struct vd *driver, struct net **n, unsigned index, uint8_t last)
{
    struct net_setup setup = {
        .id = "eth0", .has_mac = true, .mac = { 2, 0, 0, 0, 0, last }, .tap = { .name = "tap0" }
    };
    int pair[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
    setup.tap.fd = pair[0];
    wire[index] = pair[1];
    cr_assert_eq(net_create(n, &setup, &e), 0, "%s", e.text);
    vd_plug(driver, net_device(*n));
}

static void frame_receive(struct vd *driver, unsigned index, uint8_t byte)
{
    uint8_t frame[HEADER + 100];
    struct vd_used used;

    memset(frame, byte, sizeof(frame));
    cr_assert_eq(write(wire[index], frame, sizeof(frame)), sizeof(frame));
    used = vd_await(driver, RX);
    cr_assert_eq(used.len, sizeof(frame));
    cr_assert_eq(*(uint8_t *)vd_at(driver, driver->queue[RX].desc[used.head].addr + HEADER, 1),
                 byte);
}

static void frame_send(struct vd *driver, unsigned index, uint8_t byte)
{
    uint8_t frame[200];
    gpa_t at = vd_alloc(driver, 150);

    memset(vd_at(driver, at, 150), byte, 150);
    (void)vd_chain(driver, TX, &(struct vd_buf){ at, 150, 0 }, 1);
    (void)vd_kick(driver, TX);
    (void)vd_await(driver, TX);
    cr_assert_eq(read(wire[index], frame, sizeof(frame)), 150);
    cr_assert_eq(frame[HEADER], byte);
}

/* Both take the buffers again that the first one had taken and given back. The other one uses the
 * MAC address that the driver knows. */
ON_BOTH(a_network_device_goes_on)
{
    struct net *n, *other;
    uint8_t mac[6];

    net_plug(&d, &n, 0, 9);
    net_plug(&to, &other, 1, 7);
    vd_start(&d, 0);
    for (unsigned i = 0; i < 20; i++)
        (void)vd_chain(&d, RX, &(struct vd_buf){ vd_alloc(&d, 2048), 2048, VD_WRITE }, 1);
    (void)vd_kick(&d, RX);
    vd_settle(&d);
    cr_assert_gt(d.device->queue[RX].ring.in_flight, 0);
    for (uint8_t i = 0; i < 5; i++)
        frame_receive(&d, 0, i);
    frame_send(&d, 0, 0x31);
    save();
    cr_assert_eq(d.device->queue[RX].ring.in_flight, 0);
    restore();
    virtio_resume(d.device);
    for (uint8_t i = 0; i < 5; i++) {
        frame_receive(&d, 0, i);
        frame_receive(&to, 1, (uint8_t)(i + 100));
        frame_send(&to, 1, i);
        frame_send(&d, 0, i);
    }
    vd_config_read(&to, 0, mac, sizeof(mac));
    cr_assert_eq(mac[5], 9);
    finish();
    net_destroy(n);
    net_destroy(other);
    (void)close(wire[0]);
    (void)close(wire[1]);
}

/* Entropy. */

static void randomness_ask(struct vd *driver)
{
    (void)vd_chain(driver, 0, &(struct vd_buf){ vd_alloc(driver, 64), 64, VD_WRITE }, 1);
    (void)vd_kick(driver, 0);
}

/* The snapshot is taken while the limiter makes it wait. */
ON_BOTH(an_entropy_device_goes_on)
{
    const struct rng_config slow = { .ops = { .per_s = 1 } };
    struct rng *rng, *other;
    struct vd_used used;

    cr_assert_eq(rng_create(&rng, &slow, &e), 0);
    cr_assert_eq(rng_create(&other, &(struct rng_config){ .ops = { 0 } }, &e), 0);
    vd_plug(&d, &rng->virtio);
    vd_plug(&to, &other->virtio);
    vd_start(&d, 0);
    rate_limit_take(&rng->limiter, 0, 100000);
    for (unsigned i = 0; i < 3; i++)
        randomness_ask(&d);
    vd_settle(&d);
    cr_assert_not(vd_reap(&d, 0, &used));
    cr_assert(rng->waiting);
    save();
    cr_assert_not(rng->waiting);
    restore();
    for (unsigned i = 0; i < 3; i++)
        cr_assert_eq(vd_await(&to, 0).len, 64);
    randomness_ask(&to);
    cr_assert_eq(vd_await(&to, 0).len, 64);
    virtio_resume(d.device);
    vd_settle(&d);
    cr_assert(rng->waiting);
    finish();
    rng_destroy(rng);
    rng_destroy(other);
}

/* Balloon. */

static void balloon_plug(struct vd *driver, struct balloon **b, uint64_t target)
{
    const struct balloon_config config = {
        .ram = UINT64_C(8) << 20, .target = target, .reporting = true, .stats_interval_s = 100000
    };

    cr_assert_eq(balloon_create(b, &config, &e), 0, "%s", e.text);
    vd_plug(driver, &(*b)->virtio);
}

/* Both hold the statistics buffer. `actual` stays what the guest said, and it is told the new
 * target. */
ON_BOTH(a_balloon_goes_on)
{
    uint8_t stat[10] = { BALLOON_FREE_MEMORY, 0, 42 };
    uint32_t given = 77, number = VD_HIGH / BALLOON_PAGE, why;
    struct balloon *b, *other;
    struct balloon_status status;
    gpa_t at;

    balloon_plug(&d, &b, 1 << 20);
    balloon_plug(&to, &other, 2 << 20);
    vd_start(&d, 0);
    at = vd_alloc(&d, sizeof(stat));
    memcpy(vd_at(&d, at, sizeof(stat)), stat, sizeof(stat));
    (void)vd_chain(&d, 2, &(struct vd_buf){ at, sizeof(stat), 0 }, 1);
    (void)vd_kick(&d, 2);
    cr_assert(bus_write(&d.bus, VD_WINDOW + VIRTIO_MMIO_CONFIG + 4, &given, sizeof(given)));
    vd_settle(&d);
    cr_assert(b->holds && b->timing);
    save();
    cr_assert(!b->holds && !b->timing);
    restore();
    virtio_resume(d.device);
    vd_settle(&d);
    vd_settle(&to);
    cr_assert(b->holds && b->timing);
    cr_assert(other->holds && other->timing);
    balloon_status(other, &status);
    cr_assert_eq(status.actual, 77 * BALLOON_PAGE);
    cr_assert_eq(status.target, 2 << 20);
    cr_assert_eq(status.stats.value[BALLOON_FREE_MEMORY], 42);
    (void)vd_interrupts(&to, &why);
    cr_assert(why & VIRTIO_MMIO_INT_CONFIG);
    at = vd_alloc(&to, 4);
    memcpy(vd_at(&to, at, 4), &number, 4);
    (void)vd_chain(&to, 0, &(struct vd_buf){ at, 4, 0 }, 1);
    (void)vd_kick(&to, 0);
    (void)vd_await(&to, 0);
    cr_assert_eq(other->counters.inflate_freed, BALLOON_PAGE);
    finish();
    balloon_destroy(b);
    balloon_destroy(other);
}

/* Vsock: the driver hears that its connections are gone. */

ON_BOTH(a_vsock_device_tells_of_the_loss)
{
    char uds[2][64];
    struct vsock *s[2];
    struct virtio_vsock_event event;
    gpa_t at;

    for (unsigned i = 0; i < 2; i++) {
        struct vsock_config config = { .cid = 3 + i, .uds_path = uds[i] };
        (void)snprintf(uds[i], sizeof(uds[i]), "/tmp/test_device_states.%d.%u", getpid(), i);
        cr_assert_eq(vsock_create(&s[i], &config, &e), 0, "%s", e.text);
        vd_plug(i == 0 ? &d : &to, vsock_device(s[i]));
    }
    vd_start(&d, 0);
    at = vd_alloc(&d, sizeof(event));
    (void)vd_chain(&d, 2, &(struct vd_buf){ at, sizeof(event), VD_WRITE }, 1);
    (void)vd_kick(&d, 2);
    (void)vd_chain(&d, 0, &(struct vd_buf){ vd_alloc(&d, 4096), 4096, VD_WRITE }, 1);
    (void)vd_kick(&d, 0);
    vd_settle(&d);
    save();
    restore();
    cr_assert_eq(vd_await(&to, 2).len, sizeof(event));
    memcpy(&event, vd_at(&to, at, sizeof(event)), sizeof(event));
    cr_assert_eq(event.id, VIRTIO_VSOCK_EVENT_TRANSPORT_RESET);
    cr_assert_not(vd_failed(&to));
    finish();
    vsock_destroy(s[0]);
    vsock_destroy(s[1]);
}
