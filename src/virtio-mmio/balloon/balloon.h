#ifndef VIRTIO_MMIO_BALLOON_BALLOON_H
#define VIRTIO_MMIO_BALLOON_BALLOON_H
/*
 * A memory balloon (virtio 1.2, 5.5): the guest gives pages up, and the host gets them back, until
 * the balloon has its target size, which can change at any time. If the guest reports its free
 * pages, the host gets those back too.
 *
 * This room is the balloon: its device, page numbers and statistics. It knows the transport, guest
 * memory (core/vm/mem.h) and the accelerator, which has to be told what went back; it must not know
 * other devices, the machine or who sets the target.
 *
 *   balloon_create(&b, &config, &e)
 *   virtio_plug(&b->virtio, ...)
 *   the guest runs; balloon_set_target, balloon_set_interval, balloon_status
 *   virtio_unplug(&b->virtio, gone)    once no vCPU runs
 *   balloon_destroy(b)                 in or after gone
 *
 * A page that was given up stays RAM. If the guest touches it again, with or without deflating, it
 * finds it zeroed (mem_give_back in core/vm/mem.h has the exceptions). Page numbers that are not in
 * RAM are counted and skipped. A buffer that does not have the form that its queue requires is
 * counted, otherwise ignored, and answered like any other.
 *
 * All functions but balloon_create and balloon_destroy are called on the loop thread.
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
    uint64_t ram;        /* bytes that the machine has, the largest possible target */
    uint64_t target;     /* bytes to take from the guest, a multiple of 4 KiB */
    bool deflate_on_oom; /* a guest short of memory may take pages back before it kills a process */
    bool reporting;      /* the guest may report free pages, which go back to the host */
    uint32_t stats_interval_s; /* how often the guest is asked for statistics; 0: never */
};

struct balloon_counters {
    uint64_t inflate_count; /* buffers of pages given up */
    uint64_t inflate_freed; /* bytes of those pages that went back to the host */
    uint64_t deflate_count; /* buffers of pages taken back */
    uint64_t event_fails;   /* buffers of a wrong form, and page numbers not in RAM */
    uint64_t stats_updates_count;
    uint64_t stats_update_fails;
    uint64_t free_page_report_count; /* ranges reported */
    uint64_t free_page_report_freed; /* bytes of them that went back to the host */
    uint64_t free_page_report_fails; /* ranges of which nothing went back */
};

/* What a queue is for. A queue whose feature the driver did not accept does not exist (5.5.2), and
 * drivers number those that exist without gaps. */
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
    enum balloon_role role[BALLOON_ROLES]; /* of each queue, by number */
    unsigned roles;                        /* queues that this driver has */

    unsigned due;        /* bit 1 << queue: this queue may have chains */
    struct loop_op wait; /* timer: continues with due queues after the other devices' turn */
    bool waiting;        /* that timer runs */

    /* The report of free pages that is being given back, over one turn or several. */
    struct balloon_report {
        bool open; /* there is one */
        uint16_t head;
        unsigned next, count; /* the present buffer, and how many there are */
        uint64_t at, freed;   /* of the present one: bytes done, and bytes that went back */
        struct iovec iov[VIRTQ_SIZE_MAX];
    } report;

    /* The statistics buffer. Once the driver gets the buffer back, it sends new statistics. */
    bool holds;    /* the device has one */
    uint16_t held; /* its head; not to be confused with virtio.held */
    uint32_t interval_s;
    struct loop_op timer; /* runs while a buffer is held and the interval is not 0 */
    bool timing;          /* that timer runs */
    struct balloon_stats stats;

    struct balloon_counters counters;
    struct metrics_group group; /* "balloon.io"; the transport's is "balloon" */
    struct balloon_pages pages;
    struct iovec iov[VIRTQ_SIZE_MAX];
};

/* -EINVAL with a sentence if the target is not valid. */
int balloon_create(struct balloon **out, const struct balloon_config *config, struct err *e);

/* For a balloon that was never plugged or is gone. Accepts NULL. */
void balloon_destroy(struct balloon *b);

/* While plugged. */

/* Sets how many bytes to take from the guest: a multiple of 4 KiB, not more than its RAM. A failure
 * is -EINVAL with a sentence and has changed nothing. Whether and how fast the guest follows is its
 * own decision. */
int balloon_set_target(struct balloon *b, uint64_t target, struct err *e);

/* Sets the statistics interval and starts it anew. 0: the guest is no longer asked. */
void balloon_set_interval(struct balloon *b, uint32_t interval_s);

struct balloon_status {
    uint64_t target;            /* bytes */
    uint64_t actual;            /* bytes given up, as the guest says */
    struct balloon_stats stats; /* the last that the present driver sent */
};

void balloon_status(struct balloon *b, struct balloon_status *status);

#endif
