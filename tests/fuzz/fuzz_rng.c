/*
 * An entropy device with any driver: one byte that configures it, then steps of eight bytes.
 *
 * Steps make whole requests, scribble on descriptors and rings, kick and reset. Whatever they do,
 * the device comes to rest by itself, and serves a good driver afterwards.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/log/log.h"
#include "lib/virtio/virtio_driver.h"
#include "virtio-mmio/rng/rng.h"

#define NEED(fact)   \
    do {             \
        if (!(fact)) \
            abort(); \
    } while (0)

#define STEP      8u
#define STEPS_MAX 128u
#define BUFFERS   (VD_BUFFERS + 0x100000) /* where raw descriptors may point */

enum config_bits {
    NO_EVENTS = 1,
    LIMITED = 2,
    FAILING = 4, /* the host's generator fails now and then */
    URING = 8,
};

static struct vd d;
static struct rng *rng;
static unsigned calls;

static ssize_t failing(void *to, size_t len, unsigned flags)
{
    size_t n = len / 2 + 1;

    (void)flags;
    if (++calls % 4 == 0)
        return -1;
    memset(to, (int)calls, n);
    return (ssize_t)n;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    NEED(log_open(&(struct log_config){ .level = LOG_OFF }, NULL) == 0);
    return 0;
}

/* Small, or up to a quarter more than the device gives at once. */
static uint32_t length(uint8_t b)
{
    return b & 128 ? (b & 127u) * UINT32_C(640) : b;
}

static void request(const uint8_t *b)
{
    uint32_t first = length(b[1]), second = length(b[2]);
    struct vd_buf bufs[2];
    gpa_t at;

    d.free = VD_BUFFERS;
    at = vd_alloc(&d, first + second + 8) + (b[4] & 7);
    bufs[0] = (struct vd_buf){ at, first, b[3] & 1 ? 0 : VD_WRITE };
    bufs[1] = (struct vd_buf){ at + first, second, VD_WRITE };
    (void)(b[3] & 2 ? vd_indirect : vd_chain)(&d, 0, bufs, 2);
    if (b[3] & 4)
        (void)vd_kick(&d, 0);
}

/* The places include rings: the device may write over what it is about to read. */
static void descriptor(const uint8_t *b)
{
    static const gpa_t places[] = { BUFFERS,         VD_LOW_END - 16, VD_HIGH, VD_HIGH_END - 16,
                                    UINT64_MAX - 15, 0x10000,         0x12000, VD_LOW_END };
    struct vring_desc desc = { places[b[2] & 7] + b[3], length(b[4]), b[5] & 7u, b[6] };

    if (b[2] & 8)
        desc.len = UINT32_MAX - b[4];
    if (b[2] & 16)
        memcpy(vd_at(&d, BUFFERS + b[3] * 16u, 16), &desc, 16); /* into an indirect table */
    else
        vd_desc(&d, 0, b[1], desc);
}

static void offer(const uint8_t *b)
{
    vd_offer(&d, 0, b[1]);
    d.queue[0].offered = (uint16_t)(d.queue[0].offered + (b[2] & 128 ? b[2] : 0));
    vd_publish(&d, 0);
    vd_kick_hard(&d, 0);
}

static void start(uint8_t config)
{
    vd_start(&d, config & NO_EVENTS ? UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX : 0);
    NEED(!rng->waiting);
}

static void step(const uint8_t *b, uint8_t config)
{
    switch (b[0] & 7) {
    case 0:
    case 1:
    case 2:
        request(b);
        break;
    case 3:
    case 4:
        descriptor(b);
        break;
    case 5:
        offer(b);
        break;
    case 6:
        /* The driver does not look at what was used: its own rings may have been buffers. */
        vd_settle(&d);
        d.queue[0].avail->ring[d.queue[0].size] = d.queue[0].used->idx; /* used_event */
        break;
    case 7:
        start(b[1] & 1 ? config : b[2]);
        break;
    }
}

static bool is_at_rest(void *arg)
{
    (void)arg;
    return !rng->waiting;
}

static void behave(void)
{
    rng->source = getrandom;
    vd_start(&d, 0);
    (void)vd_chain(&d, 0, &(struct vd_buf){ VD_BUFFERS, 64, VD_WRITE }, 1);
    (void)vd_kick(&d, 0);
    NEED(vd_await(&d, 0).len == 64);
    NEED(!vd_failed(&d));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rng_config config = { .bandwidth = { 0 } };

    if (size < 1)
        return 0;
    if (data[0] & LIMITED)
        config.bandwidth = config.ops = (struct rate){ .per_s = 1, .burst = 100 };
    NEED(rng_create(&rng, &config, NULL) == 0);
    calls = 0;
    if (data[0] & FAILING)
        rng->source = failing;
    vd_init(&d, data[0] & URING ? LOOP_URING : LOOP_EPOLL);
    d.hostile = true;
    vd_plug(&d, &rng->virtio);
    d.device->resets = (struct rate_limiter){ 0 }; /* no limit, to save time */
    start(data[0]);
    for (size_t i = 1; i + STEP <= size && i < 1 + STEP * STEPS_MAX; i += STEP)
        step(data + i, data[0]);
    if (!(data[0] & LIMITED)) {
        vd_run_until(&d, is_at_rest, NULL);
        behave();
    }
    vd_finish(&d);
    rng_destroy(rng);
    return 0;
}
