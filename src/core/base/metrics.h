#ifndef CORE_BASE_METRICS_H
#define CORE_BASE_METRICS_H
/*
 * Counters that an operator can read: named, in one group for each owner, listed for printing.
 *
 * A counter is a plain uint64_t in its owner's own struct. One thread at a time adds to it (the
 * owner's, or whoever holds the owner's lock), any thread may read it; so counting costs a load and
 * a store, and a reader sees each counter whole, if not all of them of one moment.
 *
 *   struct blk_counters { uint64_t reads, writes; };
 *   static const struct metric blk_metrics[] = {
 *       METRIC(struct blk_counters, reads),
 *       METRIC(struct blk_counters, writes),
 *   };
 */
#include <stddef.h>
#include <stdint.h>

struct metric {
    const char *name; /* "reads" */
    size_t offset;    /* of the uint64_t in the owner's struct */
};

#define METRIC(type, member)            \
    {                                   \
#member, offsetof(type, member) \
    }

/* One owner's counters. The owner fills the upper part and keeps it until metrics_remove. */
struct metrics_group {
    const char *name;             /* "block.rootfs": kind and, where there are several, which */
    const struct metric *metrics; /* a table of `count` */
    unsigned count;
    const void *counters; /* what the offsets are into */
    struct metrics_group *next;
};

/* Zeroed is empty. */
struct metrics {
    struct metrics_group *first; /* in the order they were added */
};

/* Loop thread. */

void metrics_add(struct metrics *m, struct metrics_group *g);

/* A group that is not listed is ignored. */
void metrics_remove(struct metrics *m, struct metrics_group *g);

/* Any thread: counter number `index` of a group that exists. */
uint64_t metrics_read(const struct metrics_group *g, unsigned index);

/* The counter's one thread. */
static inline void metric_add(uint64_t *counter, uint64_t n)
{
    __atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

#endif
