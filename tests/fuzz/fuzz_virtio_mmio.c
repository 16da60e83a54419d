/*
 * The whole register window of any device, which a driver and a loop use in any order: a byte that
 * picks the device, then steps of four bytes (what, where, two of value).
 *
 * After every step the device is in a state that its phase allows; in the end it serves a good
 * driver. What goes through the queues of each device has a target of its own.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/log/log.h"
#include "lib/virtio/echo.h"
#include "lib/virtio/virtio_driver.h"
#include "virtio-mmio/balloon/balloon.h"
#include "virtio-mmio/blk/blk.h"
#include "virtio-mmio/mmio.h"
#include "virtio-mmio/net/net.h"
#include "virtio-mmio/rng/rng.h"
#include "virtio-mmio/vsock/vsock.h"

#define NEED(fact)   \
    do {             \
        if (!(fact)) \
            abort(); \
    } while (0)

#define STEPS_MAX 128u

static struct vd d;
static struct virtio_device *device;

/* The devices. */

static struct echo echo;
static struct blk *disk;
static struct net *net;
static struct rng *rng;
static struct vsock *vsock;
static struct balloon *balloon;
static char disk_path[32], vsock_path[64];
static int host = -1; /* the other end of the socket that stands for the tap */

static struct virtio_device *echo_make(void)
{
    echo_init(&echo, 2, 64);
    return &echo.virtio;
}

static void echo_unmake(void) {}

static struct virtio_device *disk_make(void)
{
    const struct blk_config config = {
        .id = "fuzz", .path = disk_path, .writeback = true, .discard = true
    };

    NEED(blk_create(&disk, &config, NULL) == 0);
    return &disk->virtio;
}

static void disk_unmake(void)
{
    blk_destroy(disk);
}

static struct virtio_device *net_make(void)
{
    struct net_setup setup = { .id = "fuzz", .tap = { .name = "tap0" }, .mtu = 1500 };
    int pair[2];

    NEED(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
    setup.tap.fd = pair[0];
    host = pair[1];
    NEED(net_create(&net, &setup, NULL) == 0);
    return net_device(net);
}

static void net_unmake(void)
{
    net_destroy(net);
    (void)close(host);
}

static struct virtio_device *rng_make(void)
{
    NEED(rng_create(&rng, &(struct rng_config){ 0 }, NULL) == 0);
    return &rng->virtio;
}

static void rng_unmake(void)
{
    rng_destroy(rng);
}

static struct virtio_device *vsock_make(void)
{
    const struct vsock_config config = { .cid = 3, .uds_path = vsock_path };

    NEED(vsock_create(&vsock, &config, NULL) == 0);
    return vsock_device(vsock);
}

static void vsock_unmake(void)
{
    vsock_destroy(vsock);
}

static struct virtio_device *balloon_make(void)
{
    const struct balloon_config config = { .ram = VD_LOW_END + (VD_HIGH_END - VD_HIGH),
                                           .target = 1u << 20,
                                           .deflate_on_oom = true,
                                           .reporting = true };

    NEED(balloon_create(&balloon, &config, NULL) == 0);
    return &balloon->virtio;
}

static void balloon_unmake(void)
{
    balloon_destroy(balloon);
}

static const struct kind {
    struct virtio_device *(*make)(void);
    void (*unmake)(void); /* called once it is unplugged */
} kinds[] = {
    { echo_make, echo_unmake }, { disk_make, disk_unmake },   { net_make, net_unmake },
    { rng_make, rng_unmake },   { vsock_make, vsock_unmake }, { balloon_make, balloon_unmake },
};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    int file = memfd_create("disk", MFD_CLOEXEC);

    (void)argc, (void)argv;
    NEED(log_open(&(struct log_config){ .level = LOG_OFF }, NULL) == 0);
    NEED(file >= 0 && ftruncate(file, 1 << 20) == 0);
    (void)snprintf(disk_path, sizeof(disk_path), "/proc/self/fd/%d", file);
    (void)snprintf(vsock_path, sizeof(vsock_path), "/tmp/fuzz_virtio_mmio.%d", (int)getpid());
    (void)signal(SIGPIPE, SIG_IGN);
    return 0;
}

static bool is_echo(void)
{
    return device == &echo.virtio;
}

/* Steps. */

/* A register for most values of `at`, any offset in the window for the others. */
static uint32_t where(uint8_t at, uint16_t value)
{
    return at < 0xe0 ? at & ~3u : (at * 0x80u + (value >> 8)) % MMIO_WINDOW_SIZE;
}

static void access_window(bool write, uint8_t at, uint16_t value)
{
    uint64_t data = at & 1 ? (uint64_t)value << 32 | value : value;
    uint32_t offset = where(at, value);
    unsigned size = at < 0xe0 ? 4 : 1u << (value & 3);

    if (write)
        (void)bus_write(&d.bus, VD_WINDOW + offset, &data, size);
    else
        (void)bus_read(&d.bus, VD_WINDOW + offset, &data, size);
}

/* Writes a ring address that is often good. */
static void place_ring(uint8_t at, uint16_t value)
{
    static const uint32_t regs[] = { VIRTIO_MMIO_QUEUE_DESC_LOW, VIRTIO_MMIO_QUEUE_AVAIL_LOW,
                                     VIRTIO_MMIO_QUEUE_USED_LOW };

    vd_write(&d, regs[at % 3], 0x1000u * (at >> 2 & 7) + (value & 0x801f));
    vd_write(&d, regs[at % 3] + 4, value == 0xffff ? 1 : 0);
}

static void scribble(uint8_t at, uint16_t value)
{
    uint8_t *byte = vd_at(&d, 0x1000u * (at >> 5) + (at & 31) * 2u, 2);

    memcpy(byte, &value, sizeof(value));
}

static void progress(uint8_t at, uint16_t value)
{
    switch (at & 3) {
    case 0:
        vd_settle(&d);
        break;
    case 1:
        if (is_echo())
            echo.hold = value & 1;
        break;
    case 2:
        if (is_echo())
            echo_release(&echo);
        break;
    case 3:
        if (is_echo())
            virtio_config_update(&echo.virtio, value & 7, &value, 1);
        break;
    }
}

static void bring_up(uint8_t at, uint16_t value)
{
    if (is_echo() && device->status.resetting && echo.held_count > 0)
        return; /* vd_reset would wait for what the device holds */
    vd_settle(&d);
    if (is_echo())
        echo_release(&echo);
    NEED(vd_negotiate(&d, value));
    for (unsigned i = 0; i < (is_echo() ? 1 : device->setup.queue_count); i++)
        vd_queue_set_up(&d, i, (uint16_t)(1u << (at & 5)));
    vd_write(&d, VIRTIO_MMIO_STATUS, 15);
}

static void offer(uint8_t at, uint16_t value)
{
    const struct vd_buf bufs[] = { { VD_BUFFERS, value, 0 }, { VD_BUFFERS, at, VD_WRITE } };
    unsigned queue = is_echo() ? 0 : at % device->setup.queue_count;

    if (d.queue[queue].size < 2)
        return;
    (void)vd_chain(&d, queue, bufs + (value & 1), 2u - (value & 1));
    vd_kick_hard(&d, queue);
}

static void check(void)
{
    const struct virtio_device *v = device;

    NEED(v->phase != VIRTIO_LIVE || v->status.bits & VIRTIO_CONFIG_S_DRIVER_OK);
    NEED(v->phase != VIRTIO_DRAINING || v->status.resetting);
    NEED(!(v->status.bits & VIRTIO_CONFIG_S_DRIVER_OK) ||
         v->status.bits & VIRTIO_CONFIG_S_FEATURES_OK);
    NEED(!(v->status.bits & VIRTIO_CONFIG_S_FEATURES_OK) ||
         (v->status.accepted & ~v->status.offered) == 0);
    for (unsigned i = 0; i < v->setup.queue_count; i++) {
        const struct virtq *q = &v->queue[i].ring;
        NEED(q->size_max == v->setup.queue_size);
        NEED(!q->ready || (q->size <= q->size_max && q->desc && q->avail && q->used));
        NEED(q->in_flight <= q->size);
    }
}

static void step(const uint8_t *b)
{
    uint16_t value = (uint16_t)(b[2] | b[3] << 8);

    switch (b[0] & 7) {
    case 0:
    case 1:
        access_window(b[0] & 1, b[1], value);
        break;
    case 2:
        place_ring(b[1], value);
        break;
    case 3:
        scribble(b[1], value);
        break;
    case 4:
        progress(b[1], value);
        break;
    case 5:
        vd_write(&d, VIRTIO_MMIO_STATUS, b[1]);
        break;
    case 6:
        bring_up(b[1], value);
        break;
    case 7:
        offer(b[1], value);
        break;
    }
    check();
}

/* After all of that. */

static void echo_behave(void)
{
    const struct vd_buf bufs[] = { { VD_BUFFERS, 4, 0 }, { VD_BUFFERS + 64, 4, VD_WRITE } };

    memcpy(vd_at(&d, VD_BUFFERS, 4), "good", 4);
    (void)vd_chain(&d, 1, bufs, 2);
    (void)vd_kick(&d, 1);
    NEED(vd_await(&d, 1).len == 4);
    NEED(memcmp(vd_at(&d, VD_BUFFERS + 64, 4), "good", 4) == 0);
    NEED(vd_interrupts(&d, NULL) >= 1);
}

static void behave(void)
{
    echo.hold = false;
    vd_settle(&d);
    if (is_echo())
        echo_release(&echo);
    vd_start(&d, 0);
    for (unsigned i = 0; i < device->setup.queue_count; i++) {
        NEED(device->queue[i].ring.ready && device->queue[i].ring.in_flight == 0);
        vd_kick_hard(&d, i);
    }
    vd_settle(&d);
    if (is_echo())
        echo_behave();
    NEED(device->phase == VIRTIO_LIVE && !vd_failed(&d));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct kind *kind;

    if (size < 1)
        return 0;
    kind = &kinds[data[0] % (sizeof(kinds) / sizeof(kinds[0]))];
    device = kind->make();
    vd_init(&d, LOOP_EPOLL);
    d.hostile = true;
    vd_plug(&d, device);
    d.device->resets = (struct rate_limiter){ 0 }; /* no limit, to save time */
    for (size_t i = 1; i + 4 <= size && i < 1 + 4 * STEPS_MAX; i += 4)
        step(data + i);
    behave();
    vd_finish(&d);
    kind->unmake();
    return 0;
}
