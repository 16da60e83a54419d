#ifndef VIRTIO_MMIO_RATE_LIMIT_H
#define VIRTIO_MMIO_RATE_LIMIT_H
/*
 * A rate limiter: so many bytes and so many operations a second, each by a token bucket. Pure.
 *
 * A bucket holds at most one second's tokens and starts full. On top it has a burst, which is spent
 * first and never refilled. An operation goes if there is a token at all, may take more tokens than
 * there are, and then leaves the bucket in debt; the next operation waits until the debt is paid.
 * So a request of any size gets through, its size need not be known beforehand, and the average
 * rate holds all the same.
 *
 *   if (!rate_limit_ready(r, now_ns))
 *       set a timer for rate_limit_ready_at(r), then ask again
 *   rate_limit_take(r, bytes, 1);
 */
#include <stdbool.h>
#include <stdint.h>

struct rate {
    uint64_t per_s; /* 0: no limit */
    uint64_t burst; /* tokens on top, once */
};

struct rate_bucket {
    struct rate rate; /* rate.burst is what is left of the burst */
    int64_t level;    /* tokens; negative: a debt */
    uint64_t part;    /* billionths of the next token */
    uint64_t at_ns;   /* when level and part were last brought up to date */
};

/* A zeroed struct limits nothing. */
struct rate_limiter {
    struct rate_bucket bandwidth; /* bytes */
    struct rate_bucket ops;
};

/* Also changes the rates of a limiter in use, which then starts with full buckets and no debt. */
void rate_limit_init(struct rate_limiter *r, struct rate bandwidth, struct rate ops,
                     uint64_t now_ns);

/* Whether there is any limit. If not, rate_limit_ready is always true and the caller need not read
 * the clock. */
static inline bool rate_limit_limits(const struct rate_limiter *r)
{
    return r->bandwidth.rate.per_s > 0 || r->ops.rate.per_s > 0;
}

/* Whether the next operation may go. A clock that stands still or goes back adds no tokens. */
bool rate_limit_ready(struct rate_limiter *r, uint64_t now_ns);

/* Takes the tokens for `ops` operations that move `bytes` bytes in all. */
void rate_limit_take(struct rate_limiter *r, uint64_t bytes, uint64_t ops);

/* The time from which rate_limit_ready will be true, unless more is taken; 0 if it was true
 * already. */
uint64_t rate_limit_ready_at(const struct rate_limiter *r);

#endif
