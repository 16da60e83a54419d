/*
 * The entropy device: one queue of buffers to fill.
 *
 * The bytes go straight into the guest's buffers and are never kept, so none are left in this
 * process and none are handed out twice after a snapshot. All devices share the loop thread, so one
 * turn of the loop produces a bounded number of bytes. If there is more to do, a timer that is due
 * at once continues the work after the other devices have had their turn.
 */
#include "virtio-mmio/rng/rng.h"

#include <assert.h>
#include <errno.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <sys/random.h>

#include "core/base/clock.h"
#include "core/base/container.h"
#include "core/base/err.h"

#define QUEUE_SIZE VIRTQ_SIZE_MAX

/* How much one turn does, in bytes, and what a request costs besides its bytes. */
#define TURN         RNG_REQUEST_MAX
#define REQUEST_COST 512u

static_assert(offsetof(struct rng, virtio) == 0, "the transport finds the device by it");

static const struct metric metrics[] = {
    METRIC(struct rng_counters, entropy_event_count),
    METRIC(struct rng_counters, entropy_event_fails),
    METRIC(struct rng_counters, entropy_bytes),
    METRIC(struct rng_counters, host_rng_fails),
    METRIC(struct rng_counters, entropy_rate_limiter_throttled),
    METRIC(struct rng_counters, rate_limiter_event_count),
};
#define METRICS (sizeof(metrics) / sizeof(metrics[0]))
static_assert(METRICS == sizeof(struct rng_counters) / sizeof(uint64_t),
              "every counter has a name");

static struct rng *rng_of(struct virtio_device *v)
{
    return (struct rng *)v;
}

static struct virtq *rng_ring(struct rng *r)
{
    return &r->virtio.queue[0].ring;
}

/* Requests. */

/* Fills one buffer and returns the bytes filled: fewer than len only if the generator failed. A
 * signal may cut a large request short, so it asks again. */
static size_t buffer_fill(struct rng *r, uint8_t *to, size_t len)
{
    size_t filled = 0;

    while (filled < len) {
        ssize_t n = r->source(to + filled, len - filled, 0);
        if (n > 0) {
            filled += (size_t)n;
        } else if (n == 0 || errno != EINTR) {
            metric_add(&r->counters.host_rng_fails, 1);
            break;
        }
    }
    return filled;
}

static uint32_t chain_fill(struct rng *r, const struct virtq_chain *c)
{
    size_t left = RNG_REQUEST_MAX;

    if (c->readable > 0)
        return 0;
    for (unsigned i = 0; i < c->writable && left > 0; i++) {
        size_t len = c->iov[i].iov_len < left ? c->iov[i].iov_len : left;
        size_t filled = buffer_fill(r, c->iov[i].iov_base, len);
        left -= filled;
        if (filled < len)
            break;
    }
    return RNG_REQUEST_MAX - (uint32_t)left;
}

static void rng_count(struct rng *r, uint32_t filled)
{
    metric_add(&r->counters.entropy_event_count, 1);
    metric_add(&r->counters.entropy_bytes, filled);
    if (filled == 0)
        metric_add(&r->counters.entropy_event_fails, 1);
}

/* The queue. */

enum rng_step {
    RNG_DONE,      /* one request is answered */
    RNG_EMPTY,     /* the queue has no request */
    RNG_THROTTLED, /* the rate limiter makes the next request wait */
};

static bool rng_is_throttled(struct rng *r)
{
    return rate_limit_limits(&r->limiter) && !rate_limit_ready(&r->limiter, clock_now_ns());
}

static enum rng_step rng_take_one(struct rng *r, uint64_t *cost)
{
    struct virtq_chain c = { .iov = r->iov, .iov_max = VIRTQ_SIZE_MAX };
    uint32_t filled;

    if (!virtio_pop(&r->virtio, 0, &c))
        return RNG_EMPTY;
    if (rng_is_throttled(r)) {
        virtq_unpop(rng_ring(r), 1);
        return RNG_THROTTLED;
    }
    filled = chain_fill(r, &c);
    rng_count(r, filled);
    rate_limit_take(&r->limiter, filled, 1);
    virtio_push(&r->virtio, 0, &c, filled);
    *cost += filled + REQUEST_COST;
    return RNG_DONE;
}

static void rng_wait(struct rng *r, enum rng_step s)
{
    r->waiting = s != RNG_EMPTY;
    r->throttled = s == RNG_THROTTLED;
    if (r->throttled)
        metric_add(&r->counters.entropy_rate_limiter_throttled, 1);
    if (!r->waiting)
        virtio_await(&r->virtio, 0);
    else
        loop_timer(r->virtio.loop, &r->wait, r->throttled ? rate_limit_ready_at(&r->limiter) : 0);
}

static void rng_run(struct rng *r)
{
    uint64_t cost = 0;
    enum rng_step s;

    do
        s = rng_take_one(r, &cost);
    while (s == RNG_DONE && cost < TURN);
    virtio_publish(&r->virtio, 0);
    rng_wait(r, s);
}

static void rng_wait_done(struct loop_op *op, int res)
{
    struct rng *r = container_of(op, struct rng, wait);

    (void)res;
    r->waiting = false;
    if (r->virtio.phase != VIRTIO_LIVE) {
        virtio_reset_done(&r->virtio);
    } else if (r->virtio.held) {
        virtio_quiet(&r->virtio);
    } else {
        if (r->throttled)
            metric_add(&r->counters.rate_limiter_event_count, 1);
        rng_run(r);
    }
}

/* The device. */

static void rng_activate(struct virtio_device *v)
{
    if (v->metrics)
        metrics_add(v->metrics, &rng_of(v)->group);
}

static void rng_kick(struct virtio_device *v, unsigned queue)
{
    (void)queue;
    if (!rng_of(v)->waiting)
        rng_run(rng_of(v));
}

static void rng_reset(struct virtio_device *v)
{
    struct rng *r = rng_of(v);

    if (v->metrics)
        metrics_remove(v->metrics, &r->group);
    if (r->waiting)
        loop_cancel(v->loop, &r->wait);
    else
        virtio_reset_done(v);
}

static void rng_quiesce(struct virtio_device *v)
{
    if (rng_of(v)->waiting)
        loop_cancel(v->loop, &rng_of(v)->wait);
    else
        virtio_quiet(v);
}

static const struct virtio_ops rng_ops = {
    .id = VIRTIO_ID_RNG,
    .activate = rng_activate,
    .kick = rng_kick,
    .reset = rng_reset,
    .quiesce = rng_quiesce,
};

/* Life. */

int rng_create(struct rng **out, const struct rng_config *config, struct err *e)
{
    struct rng *r = calloc(1, sizeof(*r));

    if (!r)
        return err_set(e, ENOMEM, "no memory for an entropy device");
    virtio_init(
        &r->virtio, &rng_ops,
        &(struct virtio_setup){ .name = "entropy", .queue_count = 1, .queue_size = QUEUE_SIZE });
    r->source = getrandom;
    r->wait.done = rng_wait_done;
    r->group = (struct metrics_group){
        .name = "entropy.io", .metrics = metrics, .count = METRICS, .counters = &r->counters
    };
    rate_limit_init(&r->limiter, config->bandwidth, config->ops, clock_now_ns());
    *out = r;
    return 0;
}

void rng_destroy(struct rng *r)
{
    assert(!r || !r->waiting);
    free(r);
}
