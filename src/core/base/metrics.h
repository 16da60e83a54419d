#ifndef CORE_BASE_METRICS_H
#define CORE_BASE_METRICS_H
/*
 * Counters for the operator: each has a name, each owner has a group, and the groups are in a list
 * for printing. So far only tests read them.
 *
 * A counter is a plain uint64_t in its owner's own struct. One thread at a time adds to it (the
 * owner's, or the one that holds the owner's lock); any thread may read it. So counting costs a
 * load and a store. A reader sees each counter whole, but not all counters at the same moment.
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

#define METRIC(type, member)                              \
    {                                                     \
        .name = #member, .offset = offsetof(type, member) \
    }

/* One owner's counters. The owner fills in all but `next` and keeps the group until
 * metrics_remove. */
struct metrics_group {
    const char *name; /* the device's name, or that and a part: "block.rootfs", "block.rootfs.io" */
    const struct metric *metrics; /* a table of `count` entries */
    unsigned count;
    const void *counters; /* the owner's struct, which holds the counters at their offsets */
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

/* Call only on the thread that may add to the counter at that moment (see above). */
static inline void metric_add(uint64_t *counter, uint64_t n)
{
    __atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

#endif
