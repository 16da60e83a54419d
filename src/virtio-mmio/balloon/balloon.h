#ifndef VIRTIO_MMIO_BALLOON_BALLOON_H
#define VIRTIO_MMIO_BALLOON_BALLOON_H
/*
 * A memory balloon (virtio 1.2, 5.5): the guest gives pages up and the host gets them back, down to
 * a target that can change at any time; and, where it reports its free pages, those too.
 *
 *   balloon_create(&b, &config, &e)
 *   virtio_plug(&b->virtio, ...)
 *   the guest runs; balloon_set_target, balloon_set_interval, balloon_status
 *   virtio_unplug(&b->virtio, gone)    once no processor runs
 *   balloon_destroy(b)                 in or after gone
 *
 * A page that was given up stays RAM: a guest that comes back to it, with or without a word, finds
 * it zeroed (core/vm/mem.h, mem_give_back, which has the exceptions). Page numbers that are not in RAM
 * are counted and left out; a buffer without the shape of its queue's is counted and answered, and
 * nothing is done.
 *
 * All but balloon_create and balloon_destroy belongs to the loop thread.
 */
#include <linux/virtio_balloon.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/metrics.h"
#include "virtio-mmio/balloon/balloon_pages.h"
#include "virtio-mmio/balloon/balloon_stats.h"
#include "virtio-mmio/virtio.h"

struct err;

struct balloon_config {
    uint64_t ram;        /* bytes that the machine has; more than them is no target */
    uint64_t target;     /* bytes to take from the guest, a multiple of 4 KiB */
    bool deflate_on_oom; /* a guest in need may take pages back before it kills a process */
    bool reporting;      /* of free pages, which go back to the host until they are used again */
    uint32_t stats_interval_s; /* how often the guest is asked for statistics; 0: never */
};

struct balloon_counters {
    uint64_t inflate_count; /* buffers of pages given up */
    uint64_t inflate_freed; /* bytes of them that went back to the host */
    uint64_t deflate_count; /* buffers of pages taken back */
    uint64_t event_fails;   /* buffers without the right shape, and pages not in RAM */
    uint64_t stats_updates_count;
    uint64_t stats_update_fails;
    uint64_t free_page_report_count; /* ranges */
    uint64_t free_page_report_freed; /* bytes */
    uint64_t free_page_report_fails; /* ranges of which nothing went back */
};

/* What a queue of the device is for. Which number it has depends on the features that the driver
 * accepted: those of features it did not are not there (5.5.2). */
enum balloon_role {
    BALLOON_INFLATE,
    BALLOON_DEFLATE,
    BALLOON_STATISTICS,
    BALLOON_REPORTING,
    BALLOON_ROLES,
};

struct balloon {
    struct virtio_device virtio; /* first member */
    struct virtio_balloon_config config;
    uint64_t ram;
    enum balloon_role role[BALLOON_ROLES]; /* of each queue, up to... */
    unsigned roles;                        /* ...so many */

    unsigned due;        /* 1 << queue: it may have chains */
    struct loop_op wait; /* for the others' turns, while some queue is due */
    bool waiting;

    /* The report whose pages are given back, some in each turn. */
    struct balloon_report {
        bool open;
        uint16_t head;
        unsigned next, count; /* buffers */
        uint64_t at, freed;   /* of the next one: bytes that are dealt with, and went back */
        struct iovec iov[VIRTQ_SIZE_MAX];
    } report;

    /* The statistics buffer that the driver fills again once it gets it back. */
    bool holds;
    uint16_t held;
    uint32_t interval_s;
    struct loop_op timer; /* runs while a buffer is held and the interval is not 0 */
    bool timing;
    struct balloon_stats stats;

    struct balloon_counters counters;
    struct metrics_group group; /* "balloon.io"; the transport's is "balloon" */
    struct balloon_pages pages;
    struct iovec iov[VIRTQ_SIZE_MAX];
};

/* -EINVAL with a sentence for a target that is none. */
int balloon_create(struct balloon **out, const struct balloon_config *config, struct err *e);

/* Never plugged, or gone. Accepts NULL. */
void balloon_destroy(struct balloon *b);

/* While plugged. */

/* Bytes to have from the guest from now on, a multiple of 4 KiB, no more than its RAM. -EINVAL with
 * a sentence; nothing has changed then. How fast the guest follows, and whether, is its decision.
 */
int balloon_set_target(struct balloon *b, uint64_t target, struct err *e);

/* Counts from now; 0 asks for no more. */
void balloon_set_interval(struct balloon *b, uint32_t interval_s);

struct balloon_status {
    uint64_t target;            /* bytes */
    uint64_t actual;            /* bytes given up, by the guest's own account */
    struct balloon_stats stats; /* the last ones of this driver's */
};

void balloon_status(struct balloon *b, struct balloon_status *status);

#endif
