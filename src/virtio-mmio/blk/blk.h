#ifndef VIRTIO_MMIO_BLK_BLK_H
#define VIRTIO_MMIO_BLK_BLK_H
/*
 * A disk for the guest: the block device (virtio 1.2, 5.2) on a raw file or a block device of the
 * host.
 *
 * This room is the disk: requests, the jobs that carry them out, and the host's file. It knows the
 * transport, the event loop and files; it must not know guest addresses (a chain's buffers have
 * host addresses), other devices, the machine or the command line.
 *
 *   blk_create(&disk, &config, &e)       the file is open, locked and measured
 *   virtio_plug(&disk->virtio, ...)
 *   the guest runs; blk_resize, blk_swap, blk_limit
 *   virtio_unplug(&disk->virtio, gone)   once no vCPU runs
 *   blk_destroy(disk)                    in or after gone
 *
 * Host errors reach the guest as VIRTIO_BLK_S_IOERR. All functions but blk_create and blk_destroy
 * are called on the loop thread.
 */
#include "core/base/metrics.h"
#include "virtio-mmio/blk/blk_job.h"
#include "virtio-mmio/rate_limit.h"
#include "virtio-mmio/virtio.h"

/* Constant; strings are copied. */
struct blk_config {
    const char *id; /* names the drive in messages and counters */
    const char *path;
    const char *serial; /* GET_ID answers with its first 20 characters; NULL: with the id */
    bool read_only;
    bool direct;    /* O_DIRECT */
    bool unlocked;  /* opens the file without a lock (blk_file.h) */
    bool writeback; /* the guest can flush; if not, nothing is ever flushed (cache=unsafe) */
    bool discard;   /* the guest may give blocks back, if the host can take them */
    struct rate bandwidth, ops;
};

struct blk_counters {
    /* Requests that succeeded, and the bytes of their data. */
    uint64_t reads, read_bytes;
    uint64_t writes, write_bytes;
    uint64_t flushes;
    uint64_t discards; /* and write-zeroes */
    uint64_t merged;   /* reads and writes that shared one operation with others */

    uint64_t failed;  /* requests answered with a status other than OK */
    uint64_t limited; /* times that the rate limiter made the queue wait */
};

struct blk {
    struct virtio_device virtio; /* first member */
    struct virtio_blk_config config;
    struct blk_rules rules;
    struct blk_io io;
    struct blk_job *jobs; /* as many as the queue has descriptors */
    struct blk_job *idle;
    unsigned in_flight; /* jobs at work */
    uint64_t moving;    /* bytes that their present operations may move */
    uint64_t turn;      /* the turn of the loop that `taken` counts for */
    unsigned taken;     /* requests taken in that turn */
    bool resting;       /* takes no more until the next turn or until a job in flight is answered */
    bool draining;      /* being reset */
    bool registered;    /* io.file is registered with the loop */

    /* Publishes this turn's answers together, then takes more requests. */
    struct loop_post next_turn;
    bool posted; /* next_turn is posted */

    struct rate_limiter limiter;
    struct loop_op timer; /* until the limiter lets the queue go on */
    bool waiting;         /* that timer runs */

    struct blk_file next; /* replaces io.file once nothing is in flight; fd -1: there is none */

    struct blk_counters counters;
    struct metrics_group group;
    bool writeback, discard;
    char name[80]; /* "block.<id>" */
    char group_name[84];
    char serial[VIRTIO_BLK_ID_BYTES]; /* padded with zeros */
};

/* A failure leaves nothing open, and its sentence names the path. */
int blk_create(struct blk **out, const struct blk_config *config, struct err *e);

/* For a disk that was never plugged or is gone. Accepts NULL. */
void blk_destroy(struct blk *b);

/* While plugged. */

/* The file's size has changed: measures it again and tells the driver. A failure has changed
 * nothing. */
int blk_resize(struct blk *b, struct err *e);

/* Replaces the file by another one, opened the same way. Jobs in flight end on the old file first.
 * Then the driver is told the new size, and all further requests go to the new file. If `path` is
 * the same file, this is blk_resize. A failure has changed nothing: -EBUSY while the last swap is
 * not over, -EINVAL if the new file needs larger blocks than the driver was told. */
int blk_swap(struct blk *b, const char *path, struct err *e);

/* Sets new limits, which hold from now on. */
void blk_limit(struct blk *b, struct rate bandwidth, struct rate ops);

#endif
