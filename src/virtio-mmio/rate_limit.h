#ifndef VIRTIO_MMIO_RATE_LIMIT_H
#define VIRTIO_MMIO_RATE_LIMIT_H
/*
 * A rate limiter: so many bytes and so many operations a second, each by a token bucket. Pure.
 *
 * A bucket holds at most one second's tokens, starts full, and has a burst besides that is spent
 * first and never comes back. Whoever finds a token may take more than there are and leave the
 * bucket in debt, which the next one waits for: so a request of any size gets through, its size
 * need not be known beforehand, and the average holds all the same.
 *
 *   if (!rate_limit_ready(r, now_ns))
 *       a timer for rate_limit_ready_at(r), then once more
 *   rate_limit_take(r, bytes, 1);
 */
#include <stdbool.h>
#include <stdint.h>

struct rate {
    uint64_t per_s; /* 0: no limit */
    uint64_t burst; /* once, on top */
};

struct rate_bucket {
    struct rate rate; /* burst: what is left of it */
    int64_t level;    /* tokens; below 0 they are owed */
    uint64_t part;    /* of the next token, in 10^-9 */
    uint64_t at_ns;   /* the moment of all that */
};

/* Zeroed limits nothing. */
struct rate_limiter {
    struct rate_bucket bandwidth; /* bytes */
    struct rate_bucket ops;
};

/* Also to change the rates of a limiter in use: it starts anew. */
void rate_limit_init(struct rate_limiter *r, struct rate bandwidth, struct rate ops,
                     uint64_t now_ns);

/* False: nobody ever waits here, and no clock need be read. */
static inline bool rate_limit_limits(const struct rate_limiter *r)
{
    return r->bandwidth.rate.per_s > 0 || r->ops.rate.per_s > 0;
}

/* Whether the next operation may go. A clock that stands or goes back gives nothing. */
bool rate_limit_ready(struct rate_limiter *r, uint64_t now_ns);

/* One that went. */
void rate_limit_take(struct rate_limiter *r, uint64_t bytes, uint64_t ops);

/* When rate_limit_ready will say yes, unless somebody takes more; 0 where it did. */
uint64_t rate_limit_ready_at(const struct rate_limiter *r);

#endif
