#ifndef VIRTIO_MMIO_BLK_BLK_H
#define VIRTIO_MMIO_BLK_BLK_H
/*
 * A disk for the guest: the block device (virtio 1.2, 5.2) on a raw file or a block device of the
 * host.
 *
 *   blk_create(&disk, &config, &e)       the file is open, locked and measured
 *   virtio_plug(&disk->virtio, ...)
 *   the guest runs; blk_resize, blk_swap, blk_limit
 *   virtio_unplug(&disk->virtio, gone)   once no processor runs
 *   blk_destroy(disk)                    in or after gone
 *
 * Host errors reach the guest as VIRTIO_BLK_S_IOERR. All but blk_create and blk_destroy belongs to
 * the loop thread.
 */
#include "core/base/metrics.h"
#include "virtio-mmio/blk/blk_job.h"
#include "virtio-mmio/rate_limit.h"
#include "virtio-mmio/virtio.h"

/* Constant; strings are copied. */
struct blk_config {
    const char *id; /* names the drive in messages and counters */
    const char *path;
    const char *serial; /* what GET_ID answers, its first 20 characters; NULL: the id */
    bool read_only;
    bool direct;    /* O_DIRECT */
    bool unlocked;  /* nobody is kept from the file (blk_file.h) */
    bool writeback; /* the guest can flush; otherwise it is told that there is nothing to flush */
    bool discard;   /* the guest may give blocks back, where the host can take them */
    struct rate bandwidth, ops;
};

struct blk_counters {
    uint64_t reads, read_bytes; /* requests of the guest's that succeeded, and their data */
    uint64_t writes, write_bytes;
    uint64_t flushes;
    uint64_t discards; /* and write-zeroes */
    uint64_t merged;   /* reads and writes that went with others in one operation */
    uint64_t failed;   /* requests answered with another status than OK */
    uint64_t limited;  /* times that the rate limiter made the queue wait */
};

struct blk {
    struct virtio_device virtio; /* first member */
    struct virtio_blk_config config;
    struct blk_rules rules;
    struct blk_io io;
    struct blk_job *jobs; /* as many as the queue has descriptors */
    struct blk_job *idle;
    unsigned in_flight;
    uint64_t moving; /* bytes that the operations of those may move now */
    uint64_t turn;   /* of the loop, and requests taken in it */
    unsigned taken;
    bool resting; /* until the next turn, or until one that is in flight is over */
    bool draining;
    bool registered; /* io.file, with the loop */

    struct loop_post next_turn; /* publishes the answers of this one together, and takes more */
    bool posted;                /* next_turn is */

    struct rate_limiter limiter;
    struct loop_op timer; /* the limiter's, while it makes the queue wait */
    bool waiting;

    struct blk_file next; /* replaces io.file once nothing is in flight; fd -1: none does */

    struct blk_counters counters;
    struct metrics_group group;
    bool writeback, discard;
    char name[80]; /* "block.<id>" */
    char group_name[84];
    char serial[VIRTIO_BLK_ID_BYTES]; /* padded with zeros */
};

/* A failure leaves nothing open; its sentence names the path. */
int blk_create(struct blk **out, const struct blk_config *config, struct err *e);

/* Never plugged, or gone. Accepts NULL. */
void blk_destroy(struct blk *b);

/* While plugged. */

/* The file's size changed: looks how large it is and tells the driver. A failure has changed
 * nothing. */
int blk_resize(struct blk *b, struct err *e);

/* Another file in the place of this one, opened the same way. Requests that the driver made
 * available from now on go to it, and the driver is told its size; those under way end at the old
 * one first. The same file means blk_resize. A failure has changed nothing: -EBUSY while the last
 * swap is not over, -EINVAL where the new file needs larger blocks than the driver was told. */
int blk_swap(struct blk *b, const char *path, struct err *e);

/* New limits, from now on. */
void blk_limit(struct blk *b, struct rate bandwidth, struct rate ops);

#endif
