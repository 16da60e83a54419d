#ifndef VIRTIO_MMIO_BLK_BLK_JOB_H
#define VIRTIO_MMIO_BLK_BLK_JOB_H
/*
 * A disk's request under way: the file operations that it takes, one after the other.
 *
 * Reads and writes go straight between the file and the guest's buffers, several requests in one
 * operation where each goes on where the last one ends (blk_span.h), and go on where the host did
 * only a part. With direct I/O buffers that are not aligned as it wants go through one aligned
 * buffer, one job at a time. Zeroing takes the first way that the host knows: deallocate, mark as
 * zero, write zeros.
 *
 * An operation is a piece of the request: whoever waits for it to end, or for its turn behind it,
 * does not wait for gigabytes.
 */
#include "core/loop/loop.h"
#include "virtio-mmio/blk/blk_file.h"
#include "virtio-mmio/blk/blk_request.h"
#include "virtio-mmio/blk/blk_span.h"

#define BLK_SEG_MAX 126u              /* data buffers of a request, as the driver is told */
#define BLK_IOV     (BLK_SEG_MAX + 2) /* ... and header and status */

/* What one operation moves or frees at most. Freeing goes by ranges, not bytes: what a file gives
 * back in a piece of this size takes about as long as copying the other. */
#define BLK_PIECE       (UINT64_C(4) << 20)
#define BLK_PIECE_FREED (UINT64_C(16) << 20)

struct blk_job;

/* What the jobs of one disk share. */
struct blk_io {
    const char *name; /* in the log */
    struct loop *loop;
    struct blk_file file;
    bool stop;    /* jobs end after the operation that they are at */
    bool through; /* a write is answered once it is durable */
    /* Loop thread, never from inside blk_job_start: the job is over, with VIRTIO_BLK_S_*. */
    void (*done)(struct blk_job *job, int status);
    /* Loop thread: so many more bytes are in the guest's buffers, job->request.data. */
    void (*filled)(struct blk_job *job, size_t bytes);

    struct blk_job *open; /* started, and waiting for what may be merged with it; or NULL */

    uint8_t *bounce; /* or NULL where the file takes any buffer */
    struct iovec bounce_iov;
    struct blk_job *bouncing;               /* whose turn it is */
    struct blk_job *waiting, *waiting_last; /* and whose next */
};

struct blk_job {
    struct loop_op op; /* first member */
    struct blk_io *io;
    struct blk_job *next; /* the owner's while the job is idle */
    uint64_t share;       /* the owner's while it is at work */
    struct virtq_chain chain;
    struct blk_request request; /* offset, len, data: what is left of it */
    uint64_t filled;            /* bytes of data that the guest got */
    struct iovec piece;         /* of a buffer that is longer than one */
    uint8_t step;               /* blk_job.c's: what op is */
    bool bounced;
    bool merged; /* its data went with another's, in one operation */

    /* A group of merged jobs: a list, from the one whose operation it is. */
    struct blk_job *behind;
    struct blk_job *last;  /* the first one's: the end of the list */
    struct blk_span whole; /* ... what it transfers */

    struct iovec iov[BLK_IOV];
};

/* The bounce buffer for a file that needs one; -ENOMEM. */
int blk_io_prepare(struct blk_io *io, struct err *e);
void blk_io_finish(struct blk_io *io);

/* Loop thread. The request is one that takes I/O. Cancelling job->op ends it sooner. */
void blk_job_start(struct blk_job *job);

/* Loop thread, after the last of some that were started: they need not wait for more. */
void blk_jobs_go(struct blk_io *io);

#endif
