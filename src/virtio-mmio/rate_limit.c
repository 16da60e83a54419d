/*
 * Token buckets.
 *
 * A bucket counts whole tokens and a remainder, so that a bucket of a slow rate, filled at short
 * intervals, loses nothing to rounding. The product of a rate and a time can need 128 bits, hence
 * the wide type.
 */
#include "virtio-mmio/rate_limit.h"

#include "core/base/clock.h"

/* The most tokens that a bucket holds or owes: more than any use needs, and the sum of two such
 * amounts does not overflow. */
#define LEVEL_MAX (INT64_C(1) << 61)

__extension__ typedef unsigned __int128 wide;

static int64_t bucket_capacity(const struct rate_bucket *b)
{
    return b->rate.per_s < (uint64_t)LEVEL_MAX ? (int64_t)b->rate.per_s : LEVEL_MAX;
}

static void bucket_init(struct rate_bucket *b, struct rate rate, uint64_t now_ns)
{
    *b = (struct rate_bucket){ .rate = rate, .at_ns = now_ns };
    b->level = bucket_capacity(b);
}

static void bucket_fill(struct rate_bucket *b, uint64_t now_ns)
{
    uint64_t room = (uint64_t)(bucket_capacity(b) - b->level);
    wide come; /* billionths of a token */

    if (now_ns <= b->at_ns)
        return;
    come = (wide)(now_ns - b->at_ns) * b->rate.per_s + b->part;
    b->at_ns = now_ns;
    if (come / NS_PER_S >= room) {
        b->level = bucket_capacity(b);
        b->part = 0;
        return;
    }
    b->level += (int64_t)(come / NS_PER_S);
    b->part = (uint64_t)(come % NS_PER_S);
}

static bool bucket_open(const struct rate_bucket *b)
{
    return b->rate.per_s == 0 || b->rate.burst > 0 || b->level > 0;
}

static void bucket_take(struct rate_bucket *b, uint64_t tokens)
{
    uint64_t burst = tokens < b->rate.burst ? tokens : b->rate.burst;

    if (b->rate.per_s == 0)
        return;
    b->rate.burst -= burst;
    tokens -= burst;
    if (tokens > (uint64_t)(b->level + LEVEL_MAX))
        b->level = -LEVEL_MAX;
    else
        b->level -= (int64_t)tokens;
}

static uint64_t bucket_open_at(const struct rate_bucket *b)
{
    wide missing, wait_ns;

    if (bucket_open(b))
        return 0;
    missing = (wide)(1 - b->level) * NS_PER_S - b->part;
    wait_ns = (missing + b->rate.per_s - 1) / b->rate.per_s;
    return wait_ns < UINT64_MAX - b->at_ns ? b->at_ns + (uint64_t)wait_ns : UINT64_MAX;
}

void rate_limit_init(struct rate_limiter *r, struct rate bandwidth, struct rate ops,
                     uint64_t now_ns)
{
    bucket_init(&r->bandwidth, bandwidth, now_ns);
    bucket_init(&r->ops, ops, now_ns);
}

bool rate_limit_ready(struct rate_limiter *r, uint64_t now_ns)
{
    bucket_fill(&r->bandwidth, now_ns);
    bucket_fill(&r->ops, now_ns);
    return bucket_open(&r->bandwidth) && bucket_open(&r->ops);
}

void rate_limit_take(struct rate_limiter *r, uint64_t bytes, uint64_t ops)
{
    bucket_take(&r->bandwidth, bytes);
    bucket_take(&r->ops, ops);
}

uint64_t rate_limit_ready_at(const struct rate_limiter *r)
{
    uint64_t bandwidth = bucket_open_at(&r->bandwidth);
    uint64_t ops = bucket_open_at(&r->ops);

    return bandwidth > ops ? bandwidth : ops;
}
