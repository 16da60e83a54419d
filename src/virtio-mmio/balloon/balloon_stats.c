/* Statistics: each is a tag and a value, ten bytes, packed without gaps. */
#include "virtio-mmio/balloon/balloon_stats.h"

#include <assert.h>
#include <linux/virtio_balloon.h>

#include "virtio-mmio/queue/iov.h"
#include "virtio-mmio/queue/queue.h"

#define STATS_MAX 64u /* in one buffer; several times the number of tags */

static const char *const names[] = {
    [BALLOON_SWAP_IN] = "swap_in",
    [BALLOON_SWAP_OUT] = "swap_out",
    [BALLOON_MAJOR_FAULTS] = "major_faults",
    [BALLOON_MINOR_FAULTS] = "minor_faults",
    [BALLOON_FREE_MEMORY] = "free_memory",
    [BALLOON_TOTAL_MEMORY] = "total_memory",
    [BALLOON_AVAILABLE_MEMORY] = "available_memory",
    [BALLOON_DISK_CACHES] = "disk_caches",
    [BALLOON_HUGETLB_ALLOCATIONS] = "hugetlb_allocations",
    [BALLOON_HUGETLB_FAILURES] = "hugetlb_failures",
    [BALLOON_OOM_KILL] = "oom_kill",
    [BALLOON_ALLOC_STALL] = "alloc_stall",
    [BALLOON_ASYNC_SCAN] = "async_scan",
    [BALLOON_DIRECT_SCAN] = "direct_scan",
    [BALLOON_ASYNC_RECLAIM] = "async_reclaim",
    [BALLOON_DIRECT_RECLAIM] = "direct_reclaim",
};
static_assert(sizeof(names) / sizeof(names[0]) == BALLOON_STATS, "one name a statistic");
static_assert((int)BALLOON_HUGETLB_FAILURES == VIRTIO_BALLOON_S_HTLB_PGFAIL, "virtio 1.2, 5.5.6.4");
static_assert(BALLOON_STATS <= 32, "a bit each");

/* A statistic as it lies in the buffer. */
struct wire_stat {
    uint16_t tag;
    uint64_t value;
} __attribute__((packed));
static_assert(sizeof(struct wire_stat) == 10, "virtio 1.2, 5.5.6.3");

const char *balloon_stat_name(enum balloon_stat stat)
{
    return names[stat];
}

bool balloon_stats_read(struct balloon_stats *stats, const struct virtq_chain *chain)
{
    struct balloon_stats read = { .known = 0 };
    struct wire_stat wire[STATS_MAX];

    if (chain->writable > 0 || chain->readable_len > sizeof(wire) ||
        chain->readable_len % sizeof(wire[0]) != 0)
        return false;
    (void)iov_read(chain->iov, chain->readable, 0, wire, sizeof(wire));
    for (unsigned i = 0; i < chain->readable_len / sizeof(wire[0]); i++) {
        if (wire[i].tag >= BALLOON_STATS)
            continue;
        read.known |= 1u << wire[i].tag;
        read.value[wire[i].tag] = wire[i].value;
    }
    *stats = read;
    return true;
}
