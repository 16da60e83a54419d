#ifndef VIRTIO_MMIO_BALLOON_BALLOON_STATS_H
#define VIRTIO_MMIO_BALLOON_BALLOON_STATS_H
/*
 * What a guest says about its own memory (virtio 1.2, 5.5.6.3), for whoever sets its balloon's
 * target. Nothing checks that the numbers are true. Pure.
 */
#include <stdbool.h>
#include <stdint.h>

struct virtq_chain;

/* In the order of their tags. Those from OOM_KILL on are not in virtio 1.2: they came with Linux
 * 6.12. */
enum balloon_stat {
    BALLOON_SWAP_IN,          /* bytes read back from swap */
    BALLOON_SWAP_OUT,         /* bytes written to swap */
    BALLOON_MAJOR_FAULTS,     /* page faults that needed I/O */
    BALLOON_MINOR_FAULTS,     /* page faults that did not */
    BALLOON_FREE_MEMORY,      /* bytes not used for anything */
    BALLOON_TOTAL_MEMORY,     /* bytes */
    BALLOON_AVAILABLE_MEMORY, /* bytes that processes could get without swapping */
    BALLOON_DISK_CACHES,      /* bytes that could be dropped and read from disk again */
    BALLOON_HUGETLB_ALLOCATIONS,
    BALLOON_HUGETLB_FAILURES,
    BALLOON_OOM_KILL,
    BALLOON_ALLOC_STALL,
    BALLOON_ASYNC_SCAN,
    BALLOON_DIRECT_SCAN,
    BALLOON_ASYNC_RECLAIM,
    BALLOON_DIRECT_RECLAIM,
    BALLOON_STATS,
};

struct balloon_stats {
    uint32_t known; /* bit 1 << enum balloon_stat: the guest sent that value; others are 0 */
    uint64_t value[BALLOON_STATS];
};

/* The name as Firecracker's API spells it: "swap_in". */
const char *balloon_stat_name(enum balloon_stat stat);

/* Reads a chain of the statistics queue. Unknown tags are skipped; if a tag comes twice, the last
 * one counts. Returns false and leaves *stats as it was if the chain has device-writable buffers,
 * is not made of whole statistics or has too many. */
bool balloon_stats_read(struct balloon_stats *stats, const struct virtq_chain *chain);

#endif
