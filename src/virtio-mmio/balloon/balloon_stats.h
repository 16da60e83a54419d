#ifndef VIRTIO_MMIO_BALLOON_BALLOON_STATS_H
#define VIRTIO_MMIO_BALLOON_BALLOON_STATS_H
/*
 * What a guest says of its own memory (virtio 1.2, 5.5.6.3), told to whoever sizes its balloon.
 * Pure. The numbers are the guest's word.
 */
#include <stdbool.h>
#include <stdint.h>

struct virtq_chain;

/* In the order of the tags. Those from OOM_KILL on came with Linux 6.12 and later revisions of the
 * specification. */
enum balloon_stat {
    BALLOON_SWAP_IN,          /* bytes read back from swap */
    BALLOON_SWAP_OUT,         /* bytes written there */
    BALLOON_MAJOR_FAULTS,     /* page faults that took I/O */
    BALLOON_MINOR_FAULTS,     /* and that did not */
    BALLOON_FREE_MEMORY,      /* bytes nobody uses at all */
    BALLOON_TOTAL_MEMORY,     /* bytes */
    BALLOON_AVAILABLE_MEMORY, /* bytes that could be had without swapping */
    BALLOON_DISK_CACHES,      /* bytes that could be read again */
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
    uint32_t known; /* 1 << enum balloon_stat: what the guest told; the others are zero */
    uint64_t value[BALLOON_STATS];
};

/* As Firecracker's API spells it: "swap_in". */
const char *balloon_stat_name(enum balloon_stat stat);

/* Reads a buffer of the statistics queue. Tags that are not known are left out; of one that comes
 * twice the last counts. False: it is not made of whole statistics, of too many, or not to be read;
 * *stats is as before. */
bool balloon_stats_read(struct balloon_stats *stats, const struct virtq_chain *chain);

#endif
