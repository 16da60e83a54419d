/*
 * A balloon with any driver: one byte that configures it, then steps of eight bytes.
 *
 * Steps give pages up, take them back, report them, answer with statistics, scribble on
 * descriptors, buffers and rings, write the configuration space, kick, reset and change the target.
 * Whatever they do, all of RAM can still be read and written, a page that no step can have named
 * keeps its contents, and a good driver is served afterwards.
 */
#include <linux/virtio_mmio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log/log.h"
#include "lib/virtio/virtio_driver.h"
#include "virtio-mmio/balloon/balloon.h"

#define NEED(fact)   \
    do {             \
        if (!(fact)) \
            abort(); \
    } while (0)

#define STEP      8u
#define STEPS_MAX 128u
#define QUEUES    4u
#define BUFFERS   (VD_BUFFERS + 0x100000) /* where raw descriptors may point */
#define RAM       (VD_LOW_END + VD_HIGH_END - VD_HIGH)
#define KEPT      (VD_LOW_END - 0x10000) /* a page that no step names */
#define KEPT_PAGE ((uint32_t)(KEPT / BALLOON_PAGE))

enum config_bits {
    NO_EVENTS = 1,
    NO_STATS = 2, /* the driver takes no statistics queue, so the queues' numbers change */
    NO_REPORTING = 4,
    POLLED = 8,
    URING = 16,
    SHARED = 32,
};

static struct vd d;
static struct balloon *balloon;
static bool raw; /* there were raw descriptors, so any bytes may have been taken for page numbers */

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    NEED(log_open(&(struct log_config){ .level = LOG_OFF }, NULL) == 0);
    return 0;
}

static uint32_t page_number(uint8_t a, uint8_t b)
{
    static const uint32_t from[] = { VD_HIGH / BALLOON_PAGE,
                                     VD_LOW_END / BALLOON_PAGE - 8,
                                     VD_HIGH_END / BALLOON_PAGE - 8,
                                     VD_HIGH / BALLOON_PAGE - 8,
                                     0x10 /* the rings */,
                                     UINT32_MAX - 300,
                                     0xc0000,
                                     BUFFERS / BALLOON_PAGE };

    return from[a & 7] + b;
}

/* Page numbers that go up or down, are apart or the same, in a buffer that may end within one. */
static void pages(const uint8_t *b)
{
    static const int steps[] = { 1, -1, 2, 0 };
    uint32_t count = 1 + b[3] * (b[1] & 64 ? 5u : 1u), first = page_number(b[1], b[2]);
    uint32_t len = count * 4 + (b[4] & 128 ? b[4] & 3u : 0);
    unsigned queue = b[1] >> 7;
    struct vd_buf bufs[2];
    uint32_t *numbers;
    gpa_t at;

    d.free = VD_BUFFERS;
    at = vd_alloc(&d, len + 8);
    numbers = vd_at(&d, at, len);
    for (uint32_t i = 0; i < count; i++) {
        numbers[i] = first + i * (uint32_t)steps[b[4] & 3];
        if (numbers[i] == KEPT_PAGE)
            numbers[i] = 0;
    }
    bufs[0] = (struct vd_buf){ at, b[5] & 63, 0 };
    bufs[1] = (struct vd_buf){ at + bufs[0].len, len - (len < bufs[0].len ? len : bufs[0].len),
                               b[5] & 64 ? VD_WRITE : 0 };
    (void)(b[5] & 128 ? vd_indirect : vd_chain)(&d, queue, bufs, 2);
    if (b[6] & 1)
        (void)vd_kick(&d, queue);
}

static void report(const uint8_t *b)
{
    struct vd_buf bufs[3];
    unsigned queue = b[5] & 1 ? 2 : 3;

    for (unsigned i = 0; i < 3; i++)
        bufs[i] = (struct vd_buf){ VD_HIGH + b[1 + i] * UINT64_C(0x3fff) + (b[4] & 64 ? b[5] : 0),
                                   (b[4] & 7u) * 4096u, b[4] & 32 ? 0 : VD_WRITE };
    d.free = VD_BUFFERS;
    (void)(b[4] & 128 ? vd_indirect : vd_chain)(&d, queue, bufs, 3);
    (void)vd_kick(&d, queue);
}

static void statistics(const uint8_t *b)
{
    uint32_t len = b[1] * UINT32_C(5);
    uint8_t *to;
    gpa_t at;

    d.free = VD_BUFFERS;
    at = vd_alloc(&d, len + 1);
    to = vd_at(&d, at, len + 1);
    for (uint32_t i = 0; i < len; i++)
        to[i] = i % 10 == 0 ? (uint8_t)(b[2] + i / 10) : i % 10 == 1 ? b[3] & 1 : b[4];
    (void)vd_chain(&d, 2, &(struct vd_buf){ at, len + (b[3] >> 7), b[3] & 2 ? VD_WRITE : 0 }, 1);
    if (b[5] & 1)
        (void)vd_kick(&d, 2);
}

/* The places include rings. */
static void descriptor(const uint8_t *b)
{
    static const gpa_t places[] = { BUFFERS,         VD_LOW_END - 16, VD_HIGH, VD_HIGH_END - 16,
                                    UINT64_MAX - 15, 0x10000,         0x12000, VD_LOW_END };
    struct vring_desc desc = { places[b[2] & 7] + b[3] * 16u, b[4] * UINT32_C(64), b[5] & 7u,
                               b[6] };

    if (b[2] & 8)
        desc.len = UINT32_MAX - b[4];
    if (b[2] & 16)
        memcpy(vd_at(&d, BUFFERS + b[3] * 16u, 16), &desc, 16); /* into an indirect table */
    else
        vd_desc(&d, b[2] >> 5 & 3, b[1], desc);
}

static void offer(const uint8_t *b)
{
    unsigned queue = b[2] & 3;
    struct vd_queue *q = &d.queue[queue];

    vd_offer(&d, queue, b[1]);
    q->offered = (uint16_t)(q->offered + (b[2] & 128 ? b[3] : 0));
    vd_publish(&d, queue);
    vd_kick_hard(&d, queue);
}

static void operate(const uint8_t *b)
{
    struct balloon_status status;
    uint32_t word = b[3] | (uint32_t)b[4] << 24;

    switch (b[1] & 3) {
    case 0:
        (void)balloon_set_target(balloon, b[2] * UINT64_C(0x8001) << (b[3] & 31), NULL);
        break;
    case 1:
        balloon_set_interval(balloon, b[2] & 1 ? 100000 : 0);
        break;
    case 2:
        (void)bus_write(&d.bus, VD_WINDOW + VIRTIO_MMIO_CONFIG + (b[2] & 15), &word,
                        1u << (b[2] >> 4 & 1));
        break;
    case 3:
        balloon_status(balloon, &status);
        NEED(status.target <= RAM && status.target == balloon->config.num_pages * 4096ull);
        break;
    }
}

static void start(uint8_t config)
{
    uint64_t without = 0;

    if (config & NO_EVENTS)
        without |= UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX;
    if (config & NO_STATS)
        without |= UINT64_C(1) << VIRTIO_BALLOON_F_STATS_VQ;
    if (config & NO_REPORTING)
        without |= UINT64_C(1) << VIRTIO_BALLOON_F_REPORTING;
    vd_start(&d, without);
    NEED(!balloon->waiting && !balloon->timing && !balloon->holds);
}

/* The driver does not look at what was used, since it may have given up its own rings. */
static void settle(void)
{
    vd_settle(&d);
    for (unsigned i = 0; i < QUEUES; i++)
        d.queue[i].avail->ring[d.queue[i].size] = d.queue[i].used->idx; /* used_event */
}

static void step(const uint8_t *b, uint8_t config)
{
    switch (b[0] & 7) {
    case 0:
        pages(b);
        break;
    case 1:
        report(b);
        break;
    case 2:
        statistics(b);
        break;
    case 3:
        raw = true;
        descriptor(b);
        break;
    case 4:
        raw = true;
        offer(b);
        break;
    case 5:
        settle();
        break;
    case 6:
        operate(b);
        break;
    case 7:
        start(b[1] & 1 ? config : b[2]);
        break;
    }
}

static bool is_at_rest(void *arg)
{
    (void)arg;
    return !balloon->waiting;
}

static void behave(void)
{
    uint32_t number = VD_HIGH / BALLOON_PAGE;

    for (unsigned i = 0; i < d.mem.count; i++) /* all of RAM is there; a sample, for speed */
        for (uint64_t at = 0; at < d.mem.regions[i].size; at += 61 * BALLOON_PAGE)
            ((volatile uint8_t *)d.mem.regions[i].host)[at] ^= 0;
    vd_start(&d, 0);
    memset(vd_at(&d, VD_HIGH, 2 * BALLOON_PAGE), 0xa5, 2 * BALLOON_PAGE);
    d.free = VD_BUFFERS;
    memcpy(vd_at(&d, vd_alloc(&d, 4), 4), &number, 4);
    (void)vd_chain(&d, 0, &(struct vd_buf){ VD_BUFFERS, 4, 0 }, 1);
    (void)vd_kick(&d, 0);
    NEED(vd_await(&d, 0).len == 0);
    NEED(*(uint8_t *)vd_at(&d, VD_HIGH, 1) == 0);
    NEED(*(uint8_t *)vd_at(&d, VD_HIGH + BALLOON_PAGE, 1) == 0xa5);
    NEED(!vd_failed(&d));
}

static void memory_share(void)
{
    const struct mem_config shared = {
        .size = RAM, .gap_start = VD_LOW_END, .gap_end = VD_HIGH, .shared = true
    };

    mem_finish(&d.mem);
    NEED(mem_init(&d.mem, &shared, NULL) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct balloon_config config = { .ram = RAM, .reporting = true };
    uint64_t *kept;

    if (size < 1)
        return 0;
    if (data[0] & POLLED)
        config.stats_interval_s = 100000;
    NEED(balloon_create(&balloon, &config, NULL) == 0);
    vd_init(&d, data[0] & URING ? LOOP_URING : LOOP_EPOLL);
    d.hostile = true;
    if (data[0] & SHARED)
        memory_share();
    kept = vd_at(&d, KEPT, sizeof(*kept));
    *kept = UINT64_C(0x123456789abcdef0);
    vd_plug(&d, &balloon->virtio);
    d.device->resets = (struct rate_limiter){ 0 }; /* no limit, to save time */
    start(data[0]);
    raw = false;
    for (size_t i = 1; i + STEP <= size && i < 1 + STEP * STEPS_MAX; i += STEP)
        step(data + i, data[0]);
    vd_run_until(&d, is_at_rest, NULL);
    NEED(raw || *kept == UINT64_C(0x123456789abcdef0));
    behave();
    vd_finish(&d);
    balloon_destroy(balloon);
    return 0;
}
