#ifndef VIRTIO_MMIO_BLK_BLK_JOB_H
#define VIRTIO_MMIO_BLK_BLK_JOB_H
/*
 * A job carries out one request to a disk, as a series of file operations.
 *
 * Reads and writes go straight between the file and the guest's buffers. Requests that each begin
 * where the last one ends share one operation (blk_span.h). If the host did only a part of an
 * operation, the job goes on from there. With direct I/O, requests whose buffers are not aligned
 * for it go through one aligned buffer, the bounce buffer, one job at a time. Zeroing takes the
 * first of these ways that the host supports: deallocate the range, if the driver allows that; zero
 * the range; deallocate it without the driver's leave; write zeros.
 *
 * A large request takes several operations, one after the other, each of at most one piece. So
 * whatever has to wait for one operation does not wait for gigabytes.
 */
#include "core/loop/loop.h"
#include "virtio-mmio/blk/blk_file.h"
#include "virtio-mmio/blk/blk_request.h"
#include "virtio-mmio/blk/blk_span.h"

#define BLK_SEG_MAX 126u              /* data buffers of a request, as the driver is told */
#define BLK_IOV     (BLK_SEG_MAX + 2) /* with header and status */

/* The most bytes that one operation moves, and the most that one deallocates or zeroes. A byte that
 * is freed costs less: freeing the larger piece takes about as long as copying the smaller. */
#define BLK_PIECE       (UINT64_C(4) << 20)
#define BLK_PIECE_FREED (UINT64_C(16) << 20)

struct blk_job;

/* What the jobs of one disk share. */
struct blk_io {
    const char *name; /* in the log */
    struct loop *loop;
    struct blk_file file;
    bool stop;    /* each job ends after its present operation */
    bool through; /* write-through: a write is answered only once it is durable */
    /* Loop thread, never from inside blk_job_start: the job is over; status is VIRTIO_BLK_S_*. */
    void (*done)(struct blk_job *job, int status);
    /* Loop thread: the first `bytes` bytes at job->request.data have now been filled. */
    void (*filled)(struct blk_job *job, size_t bytes);

    struct blk_job *open; /* started but not submitted: others may still join it. Or NULL */

    uint8_t *bounce; /* the bounce buffer, or NULL if the file takes any buffer */
    struct iovec bounce_iov;
    struct blk_job *bouncing;               /* the job that uses it, or NULL */
    struct blk_job *waiting, *waiting_last; /* jobs that wait for it, in order */
};

struct blk_job {
    struct loop_op op; /* first member */
    struct blk_io *io;
    struct blk_job *next; /* for the owner while idle, for io->waiting while at work */
    uint64_t share;       /* for the owner while at work */
    struct virtq_chain chain;
    struct blk_request request; /* offset, len, data: what is left to do */
    uint64_t filled;            /* bytes of data that the guest got */
    struct iovec piece;         /* the first BLK_PIECE bytes of a buffer that is longer */
    uint8_t step;               /* enum step (blk_job.c): what op does */
    bool bounced;               /* goes through the bounce buffer */
    bool merged;                /* shared one operation with other jobs */

    /* A group of merged jobs is a list. The operation is the first one's. */
    struct blk_job *behind; /* the next in the group, or NULL */
    struct blk_job *last;   /* the first one's: the end of the list */
    struct blk_span whole;  /* the first one's: what the operation transfers */

    struct iovec iov[BLK_IOV];
};

/* Allocates the bounce buffer if the file needs one. -ENOMEM. */
int blk_io_prepare(struct blk_io *io, struct err *e);
void blk_io_finish(struct blk_io *io);

/* Loop thread. The request is neither BLK_ANSWER nor BLK_IDENTIFY. Cancelling job->op ends the job
 * sooner. */
void blk_job_start(struct blk_job *job);

/* Loop thread. Call after a series of blk_job_start: submits the job that is still open. */
void blk_jobs_go(struct blk_io *io);

#endif
