/* Reading, writing, flushing, discarding, zeroing: from a judged request to file operations. */
#include "virtio-mmio/blk/blk_job.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/log/log.h"
#include "virtio-mmio/queue/iov.h"

static_assert(offsetof(struct blk_job, op) == 0, "the loop's callback finds the job by it");

#define BOUNCE_SIZE  (UINT32_C(1) << 17)
#define BOUNCE_ALIGN 4096u

/* Never written. A write of zeros has this buffer in each element of the job's vector. */
static uint8_t zeros[1u << 16] __attribute__((aligned(BOUNCE_ALIGN)));

/*
 *   DISCARD, ZERO                READ, WRITE, ZERO             FLUSH
 *         |                              |                       |
 *         v          EOPNOTSUPP          v     write-through     v
 *     FALLOCATE --------------------> TRANSFER ---------------> SYNC
 *
 * The top row is where a request begins; it may end after any step. FALLOCATE and TRANSFER repeat
 * until all of the request is done. After EOPNOTSUPP a ZERO takes its next way, which may be
 * another FALLOCATE, and a DISCARD ends with UNSUPP. With write-through SYNC follows FALLOCATE,
 * too. Only the loop thread moves the step.
 */
enum step {
    STEP_TRANSFER,  /* reads, writes, writes of zeros */
    STEP_FALLOCATE, /* fallocate: deallocates or zeroes */
    STEP_SYNC,      /* fdatasync */
};

static void job_submit(struct blk_job *job);

int blk_io_prepare(struct blk_io *io, struct err *e)
{
    if (!io->file.mode.direct || io->bounce)
        return 0;
    io->bounce = aligned_alloc(BOUNCE_ALIGN, BOUNCE_SIZE);
    return io->bounce ? 0 : err_set(e, ENOMEM, "no memory for a drive's buffer");
}

void blk_io_finish(struct blk_io *io)
{
    free(io->bounce);
    io->bounce = NULL;
}

/* Direct I/O takes a buffer only if its address and length are aligned. */
static bool is_misaligned(const struct blk_job *job)
{
    const struct blk_file *f = &job->io->file;
    uintptr_t address = 0, len = 0;

    if (!f->mode.direct)
        return false;
    for (unsigned i = 0; i < job->request.count; i++) {
        address |= (uintptr_t)job->request.data[i].iov_base;
        len |= job->request.data[i].iov_len;
    }
    return (address & (f->mem_align - 1)) != 0 || (len & (f->block - 1)) != 0;
}

static void bounce_wait(struct blk_job *job)
{
    struct blk_io *io = job->io;

    job->next = NULL;
    *(io->waiting ? &io->waiting_last->next : &io->waiting) = job;
    io->waiting_last = job;
}

/* The bounce buffer is free: starts the next job that waits for it. */
static void bounce_next(struct blk_io *io)
{
    io->bouncing = NULL;
    while (io->waiting && !io->bouncing) {
        struct blk_job *job = io->waiting;
        io->waiting = job->next;
        if (io->stop) {
            io->done(job, VIRTIO_BLK_S_IOERR);
        } else {
            io->bouncing = job;
            job_submit(job);
        }
    }
}

static void job_finish(struct blk_job *job, int status)
{
    struct blk_io *io = job->io;
    bool bounced = job->bounced;

    io->done(job, status);
    if (bounced)
        bounce_next(io);
}

/* Makes a job a group of its own, with what is left of its request. */
static void group_begin(struct blk_job *job)
{
    job->behind = NULL;
    job->last = job;
    blk_span_begin(&job->whole, &job->request, (unsigned)(job->iov + BLK_IOV - job->request.data));
}

static bool group_add(struct blk_job *first, struct blk_job *job)
{
    if (!blk_span_add(&first->whole, &job->request))
        return false;
    first->last->behind = job;
    first->last = job;
    return true;
}

/* Returns how many buffers one operation moves: as many as make a piece together. If the first
 * alone is longer than a piece, *iov becomes its first piece. */
static unsigned piece_cut(struct blk_job *job, const struct iovec **iov, unsigned count)
{
    const struct iovec *all = *iov;
    uint64_t len = all->iov_len;
    unsigned first = 1;

    if (len > BLK_PIECE) {
        job->piece = (struct iovec){ .iov_base = all->iov_base, .iov_len = BLK_PIECE };
        *iov = &job->piece;
        return 1;
    }
    for (; first < count && all[first].iov_len <= BLK_PIECE - len; first++)
        len += all[first].iov_len;
    return first;
}

static void job_transfer(struct blk_job *job, const struct iovec *iov, unsigned count)
{
    struct blk_io *io = job->io;
    int64_t offset = (int64_t)job->request.offset;

    job->step = STEP_TRANSFER;
    count = piece_cut(job, &iov, count);
    if (job->request.action == BLK_READ)
        loop_readv(io->loop, &job->op, io->file.fd, iov, (int)count, offset);
    else
        loop_writev(io->loop, &job->op, io->file.fd, iov, (int)count, offset);
}

static void job_transfer_bounced(struct blk_job *job)
{
    struct blk_request *r = &job->request;
    struct blk_io *io = job->io;

    io->bounce_iov.iov_base = io->bounce;
    io->bounce_iov.iov_len = r->len < BOUNCE_SIZE ? r->len : BOUNCE_SIZE;
    if (r->action == BLK_WRITE)
        (void)iov_read(r->data, r->count, 0, io->bounce, io->bounce_iov.iov_len);
    job_transfer(job, &io->bounce_iov, 1);
}

/* Overwrites the chain's vector, which a BLK_ZERO no longer needs. */
static void job_write_zeros(struct blk_job *job)
{
    uint64_t left = job->request.len;
    unsigned count = 0;

    for (; left > 0 && count < BLK_IOV; count++) {
        size_t piece = left < sizeof(zeros) ? left : sizeof(zeros);
        job->iov[count] = (struct iovec){ .iov_base = zeros, .iov_len = piece };
        left -= piece;
    }
    job_transfer(job, job->iov, count);
}

static void job_sync(struct blk_job *job)
{
    job->step = STEP_SYNC;
    loop_fdatasync(job->io->loop, &job->op, job->io->file.fd);
}

static void job_fallocate(struct blk_job *job, int mode)
{
    const struct blk_request *r = &job->request;
    uint64_t piece = BLK_PIECE_FREED - r->offset % BLK_PIECE_FREED; /* never ends within a block */
    uint64_t len = r->len < piece ? r->len : piece;

    job->step = STEP_FALLOCATE;
    loop_fallocate(job->io->loop, &job->op, job->io->file.fd, mode | FALLOC_FL_KEEP_SIZE,
                   (int64_t)r->offset, (int64_t)len);
}

static void job_zero(struct blk_job *job)
{
    const struct blk_file *f = &job->io->file;

    if (f->can_punch && (job->request.unmap || !f->can_zero))
        job_fallocate(job, FALLOC_FL_PUNCH_HOLE);
    else if (f->can_zero)
        job_fallocate(job, FALLOC_FL_ZERO_RANGE);
    else
        job_write_zeros(job);
}

static void job_submit(struct blk_job *job)
{
    switch (job->request.action) {
    case BLK_READ:
    case BLK_WRITE:
        if (job->bounced)
            job_transfer_bounced(job);
        else
            job_transfer(job, job->request.data, job->whole.count);
        break;
    case BLK_FLUSH:
        job_sync(job);
        break;
    case BLK_DISCARD:
        job_fallocate(job, FALLOC_FL_PUNCH_HOLE);
        break;
    case BLK_ZERO:
        job_zero(job);
        break;
    case BLK_ANSWER:
    case BLK_IDENTIFY:
        assert(false); /* they take no I/O */
    }
}

/* Moves on: `bytes` bytes of the request are done. */
static void job_advance(struct blk_job *job, size_t bytes)
{
    struct blk_request *r = &job->request;

    r->offset += bytes;
    r->len -= bytes;
    if (r->action == BLK_ZERO || r->action == BLK_DISCARD)
        return;
    if (r->action == BLK_READ) {
        job->filled += bytes;
        if (job->bounced)
            (void)iov_write(r->data, r->count, 0, job->io->bounce, bytes);
        job->io->filled(job, bytes);
    }
    if (r->len > 0)
        r->data = iov_skip(r->data, &r->count, bytes);
    group_begin(job);
}

/* Answers with an I/O error and logs why. res is -errno, or 0 if nothing at all was transferred. */
static void job_fail(struct blk_job *job, int res)
{
    static const char *const steps[] = {
        [STEP_TRANSFER] = "the transfer",
        [STEP_FALLOCATE] = "freeing or zeroing",
        [STEP_SYNC] = "the flush",
    };

    if (res != -ECANCELED)
        LOG_LIMITED(LOG_WARN,
                    "%s: an I/O error for the guest: %s failed at byte %llu, with %llu to go: %s",
                    job->io->name, steps[job->step], (unsigned long long)job->request.offset,
                    (unsigned long long)job->request.len,
                    res == 0 ? "the file ends there" : strerror(-res));
    job_finish(job, VIRTIO_BLK_S_IOERR);
}

static void job_go_on(struct blk_job *job)
{
    if (job->io->stop)
        job_finish(job, VIRTIO_BLK_S_IOERR);
    else
        job_submit(job);
}

/* Ends a request that has changed the file. With write-through it flushes first. */
static void job_file_changed(struct blk_job *job)
{
    if (job->io->through)
        job_sync(job);
    else
        job_finish(job, VIRTIO_BLK_S_OK);
}

static void job_transfer_over(struct blk_job *job)
{
    if (job->request.action == BLK_READ)
        job_finish(job, VIRTIO_BLK_S_OK);
    else
        job_file_changed(job);
}

/* Ends a group's operation. If all was transferred, each job has its part. If not, each starts
 * again by itself, so that only those fail whose part cannot be transferred. */
static void group_transferred(struct blk_job *first, int res)
{
    bool whole = res >= 0 && (uint64_t)res == first->whole.len;
    struct blk_job *next;

    for (struct blk_job *job = first; job; job = next) {
        next = job->behind;
        group_begin(job);
        job->merged = whole;
        if (whole) {
            job_advance(job, job->request.len);
            job_transfer_over(job);
        } else {
            job_go_on(job);
        }
    }
}

static void job_transferred(struct blk_job *job, int res)
{
    if (job->behind) {
        group_transferred(job, res);
        return;
    }
    if (res <= 0) {
        job_fail(job, res);
        return;
    }
    assert((uint64_t)res <= job->request.len);
    job_advance(job, (size_t)res);
    if (job->request.len > 0)
        job_go_on(job);
    else
        job_transfer_over(job);
}

/* If the file turns out not to support this, remembers that and does not try it again. */
static void job_fallocated(struct blk_job *job, int res)
{
    bool punched = job->op.mode & FALLOC_FL_PUNCH_HOLE;
    struct blk_file *f = &job->io->file;

    if (res == 0) {
        job_advance(job, (size_t)job->op.len);
        if (job->request.len > 0)
            job_go_on(job);
        else
            job_file_changed(job);
    } else if (res != -EOPNOTSUPP) {
        job_fail(job, res);
    } else {
        *(punched ? &f->can_punch : &f->can_zero) = false;
        if (job->request.action == BLK_DISCARD)
            job_finish(job, VIRTIO_BLK_S_UNSUPP);
        else
            job_go_on(job);
    }
}

static void job_op_done(struct loop_op *op, int res)
{
    struct blk_job *job = (struct blk_job *)op;

    switch ((enum step)job->step) {
    case STEP_TRANSFER:
        job_transferred(job, res);
        break;
    case STEP_FALLOCATE:
        job_fallocated(job, res);
        break;
    case STEP_SYNC:
        if (res < 0)
            job_fail(job, res);
        else
            job_finish(job, VIRTIO_BLK_S_OK);
        break;
    }
}

void blk_jobs_go(struct blk_io *io)
{
    struct blk_job *job = io->open;

    io->open = NULL;
    if (job)
        job_submit(job);
}

static void bounce_start(struct blk_job *job)
{
    struct blk_io *io = job->io;

    if (io->bouncing) {
        bounce_wait(job);
        return;
    }
    io->bouncing = job;
    job_submit(job);
}

void blk_job_start(struct blk_job *job)
{
    struct blk_io *io = job->io;
    bool transfers = job->request.action == BLK_READ || job->request.action == BLK_WRITE;

    job->op.done = job_op_done;
    job->op.remote = io->file.remote;
    job->filled = 0;
    job->merged = false;
    job->behind = NULL;
    job->bounced = transfers && is_misaligned(job);
    if (transfers) {
        group_begin(job);
        if (!job->bounced && io->open && group_add(io->open, job))
            return;
    }
    blk_jobs_go(io);
    if (job->bounced)
        bounce_start(job);
    else if (transfers)
        io->open = job;
    else
        job_submit(job);
}
