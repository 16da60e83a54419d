/*
 * How long the event loop is away while a guest, or somebody on the host, does its worst.
 *
 *   bench-absence [MILLISECONDS]    of each attack; 1000 by default
 *
 * Method: a device, its loop and a driver in this process (tests/lib), the guest's other processors
 * as threads. A timer that is due each millisecond tells how late it is; the longest delay is the
 * loop's longest absence. On a busy host the scheduler has its part in that: so the longest
 * processor time that the loop's thread used between two ticks is printed beside it.
 *
 * bench/absence attacks a whole machine too.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_vsock.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "lib/virtio/virtio_driver.h"
#include "virtio-mmio/balloon/balloon.h"
#include "virtio-mmio/blk/blk.h"
#include "virtio-mmio/net/net.h"

#define TICK_NS   1000000u
#define THREADS   3u
#define DISK_SIZE (UINT64_C(1) << 30)
#define HUGE      126u /* buffers of 4 MiB in a request */
#define AHEAD     128u /* chains that refill offers beyond what the device has taken */

static struct vd d;
static volatile bool stop;

static void check(int ret, const struct err *e)
{
    if (ret < 0) {
        (void)fprintf(stderr, "absence: %s\n", e->text);
        exit(1);
    }
}

/* The clock. */

static uint64_t cpu_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static struct ticker {
    struct loop_op op;
    uint64_t due_ns, end_ns, cpu_ns;
    uint64_t late_ns, busy_ns; /* the longest */
    void (*each)(void);        /* or NULL */
} ticker;

static void tick(struct loop_op *op, int res)
{
    uint64_t now_ns = clock_now_ns(), cpu = cpu_ns();

    (void)res;
    if (now_ns - ticker.due_ns > ticker.late_ns)
        ticker.late_ns = now_ns - ticker.due_ns;
    if (cpu - ticker.cpu_ns > ticker.busy_ns)
        ticker.busy_ns = cpu - ticker.cpu_ns;
    if (ticker.each)
        ticker.each();
    if (now_ns >= ticker.end_ns) {
        loop_stop(d.loop);
        return;
    }
    ticker.cpu_ns = cpu_ns();
    ticker.due_ns = clock_now_ns() + TICK_NS;
    loop_timer(d.loop, op, ticker.due_ns);
}

/* The disk. */

static struct blk *disk;
static char path[] = "/tmp/absence.XXXXXX";

static void disk_open(bool direct)
{
    const struct blk_config config = {
        .id = "a", .path = path, .writeback = true, .discard = true, .direct = direct
    };
    struct err e;

    check(blk_create(&disk, &config, &e), &e);
    vd_plug(&d, &disk->virtio);
    vd_start(&d, 0);
}

static void disk_close(void)
{
    blk_destroy(disk);
}

/* Makes a request with `count` data buffers, all of them the same len bytes at VD_HIGH. */
static void request_make(uint32_t type, uint32_t len, unsigned count)
{
    struct virtio_blk_outhdr header = { .type = type };
    struct vd_buf bufs[HUGE + 2] = { { vd_alloc(&d, sizeof(header)), sizeof(header), 0 } };

    memcpy(vd_at(&d, bufs[0].at, sizeof(header)), &header, sizeof(header));
    for (unsigned i = 1; i <= count; i++)
        bufs[i] = (struct vd_buf){ VD_HIGH, len, type == VIRTIO_BLK_T_OUT ? 0 : VD_WRITE };
    bufs[count + 1] = (struct vd_buf){ vd_alloc(&d, 1), 1, VD_WRITE };
    (void)vd_indirect(&d, 0, bufs, count + 2);
}

static void range_make(uint32_t type)
{
    struct virtio_blk_discard_write_zeroes range = { .num_sectors = (uint32_t)(DISK_SIZE / 512) };
    struct virtio_blk_outhdr header = { .type = type };
    gpa_t at = vd_alloc(&d, sizeof(header) + sizeof(range) + 1);

    memcpy(vd_at(&d, at, sizeof(header)), &header, sizeof(header));
    memcpy(vd_at(&d, at + sizeof(header), sizeof(range)), &range, sizeof(range));
    (void)vd_indirect(&d, 0,
                      (struct vd_buf[]){ { at, sizeof(header) + sizeof(range), 0 },
                                         { at + sizeof(header) + sizeof(range), 1, VD_WRITE } },
                      2);
}

static void huge_reads(void)
{
    disk_open(false);
    for (unsigned i = 0; i < 128; i++)
        request_make(VIRTIO_BLK_T_IN, 4u << 20, HUGE);
}

static void huge_reads_direct(void)
{
    disk_open(true);
    for (unsigned i = 0; i < 128; i++)
        request_make(VIRTIO_BLK_T_IN, 4u << 20, HUGE);
}

static void huge_writes(void)
{
    disk_open(false);
    for (unsigned i = 0; i < 128; i++)
        request_make(VIRTIO_BLK_T_OUT, 4u << 20, HUGE);
}

static void discards(void)
{
    disk_open(false);
    for (unsigned i = 0; i < 128; i++)
        range_make(VIRTIO_BLK_T_DISCARD);
}

static void refused(void)
{
    disk_open(false);
    for (unsigned i = 0; i < VIRTQ_SIZE_MAX; i++)
        request_make(99, 1, 100);
}

/* The network. */

static struct net *net;
static int host;

static void net_open(void)
{
    struct net_setup setup = { .id = "a", .tap = { .name = "a" } };
    int pair[2];
    struct err e;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) < 0)
        exit(1);
    setup.tap.fd = pair[0];
    host = pair[1];
    check(net_create(&net, &setup, &e), &e);
    vd_plug(&d, net_device(net));
    vd_start(&d, 0);
}

static void net_close(void)
{
    net_destroy(net);
    (void)close(host);
}

static void buffers_offer(void)
{
    net_open();
    for (unsigned i = 0; i < VIRTQ_SIZE_MAX; i++)
        (void)vd_chain(&d, 0, &(struct vd_buf){ VD_HIGH + i * 4096, 4096, VD_WRITE }, 1);
}

/* The balloon. */

static struct balloon *balloon;

static void balloon_open(void)
{
    const struct balloon_config config = { .ram = VD_LOW_END, .reporting = true };
    struct err e;

    check(balloon_create(&balloon, &config, &e), &e);
    vd_plug(&d, &balloon->virtio);
    vd_start(&d, 0);
}

static void balloon_close(void)
{
    balloon_destroy(balloon);
}

static void balloon_change(void)
{
    struct err e;

    check(balloon_set_target(balloon, 4096, &e), &e);
}

/* Processors, and others. */

static void *do_nothing(void *arg)
{
    return arg;
}

/* Offers the same chains again, as fast as the device takes them. */
static void *refill(void *queue)
{
    struct vd_queue *q = &d.queue[*(unsigned *)queue];
    const struct virtq *ring = &d.device->queue[*(unsigned *)queue].ring;
    uint16_t index = q->offered;

    while (!stop) {
        uint16_t next = (uint16_t)(__atomic_load_n(&ring->next_avail, __ATOMIC_RELAXED) + AHEAD);
        if ((int16_t)(next - index) > 0)
            __atomic_store_n(&q->avail->idx, index = next, __ATOMIC_RELEASE);
    }
    return NULL;
}

static void *registers_read(void *arg)
{
    uint64_t value;

    while (!stop)
        (void)bus_read(&d.bus, VD_WINDOW + VIRTIO_MMIO_CONFIG, &value, sizeof(value));
    return arg;
}

static void *doorbells_ring(void *arg)
{
    while (!stop)
        for (unsigned i = 0; i < d.device->setup.queue_count; i++)
            vd_kick_hard(&d, i);
    return arg;
}

/* Brings the device up and resets it, and does so again as soon as the reset has ended. */
static void *reset_again(void *arg)
{
    while (!stop) {
        for (uint32_t status = 1; status <= 15; status = status * 2 + 1) {
            vd_write(&d, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
            vd_write(&d, VIRTIO_MMIO_DRIVER_FEATURES, 1);
            vd_write(&d, VIRTIO_MMIO_STATUS, status == 7 ? 11 : status);
        }
        vd_write(&d, VIRTIO_MMIO_STATUS, 0);
        while (!stop && vd_read(&d, VIRTIO_MMIO_STATUS) != 0)
            ;
    }
    return arg;
}

static void *flood(void *arg)
{
    static const uint8_t frame[1500];

    while (!stop)
        (void)send(host, frame, sizeof(frame), MSG_DONTWAIT | MSG_NOSIGNAL);
    return arg;
}

static const struct attack {
    const char *name;
    void (*begin)(void);
    void (*end)(void);
    void *(*other)(void *arg);
    unsigned others;
    unsigned queue; /* kicked, and refilled */
    void (*each)(void);
} attacks[] = {
    { "disk: 128 reads of 504 MiB", huge_reads, disk_close, do_nothing, 1, 0, NULL },
    { "disk: 128 direct reads of 504 MiB", huge_reads_direct, disk_close, do_nothing, 1, 0, NULL },
    { "disk: 128 writes of 504 MiB", huge_writes, disk_close, do_nothing, 1, 0, NULL },
    { "disk: 128 discards of 1 GiB", discards, disk_close, do_nothing, 1, 0, NULL },
    { "disk: refused requests, refilled", refused, disk_close, refill, 1, 0, NULL },
    { "network: a flood", buffers_offer, net_close, flood, THREADS, 0, NULL },
    { "network: a flood, no buffers", net_open, net_close, flood, THREADS, 0, NULL },
    { "network: reset without end", net_open, net_close, reset_again, 1, 0, NULL },
    { "network: every doorbell, no work", net_open, net_close, doorbells_ring, THREADS, 0, NULL },
    { "balloon: registers read by three", balloon_open, balloon_close, registers_read, THREADS, 0,
      balloon_change },
};

static void attack_run(const struct attack *a, enum loop_backend backend, uint64_t ns)
{
    pthread_t others[THREADS];
    unsigned queue = a->queue;

    stop = false;
    vd_init(&d, backend);
    d.hostile = true;
    a->begin();
    ticker = (struct ticker){ .op.done = tick, .each = a->each };
    for (unsigned i = 0; i < a->others; i++)
        (void)pthread_create(&others[i], NULL, a->other, &queue);
    vd_kick_hard(&d, queue);
    ticker.cpu_ns = cpu_ns();
    ticker.due_ns = clock_now_ns() + TICK_NS;
    ticker.end_ns = ticker.due_ns + ns;
    loop_timer(d.loop, &ticker.op, ticker.due_ns);
    (void)loop_run(d.loop);
    stop = true;
    for (unsigned i = 0; i < a->others; i++)
        (void)pthread_join(others[i], NULL);
    printf("%-36s %-8s away for %6.2f ms at most, busy for %6.2f ms\n", a->name,
           loop_backend_name(d.loop), (double)ticker.late_ns / 1e6, (double)ticker.busy_ns / 1e6);
    (void)fflush(stdout);
    vd_finish(&d);
    a->end();
}

int main(int argc, char **argv)
{
    uint64_t ns = (argc > 1 ? strtoull(argv[1], NULL, 10) : 1000) * 1000000;
    int fd = mkstemp(path);

    if (fd < 0 || ftruncate(fd, (off_t)DISK_SIZE) < 0) {
        (void)fprintf(stderr, "absence: %s: %s\n", path, strerror(errno));
        return 1;
    }
    for (unsigned i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
        attack_run(&attacks[i], LOOP_URING, ns);
        attack_run(&attacks[i], LOOP_EPOLL, ns);
    }
    (void)close(fd);
    (void)unlink(path);
    return 0;
}
