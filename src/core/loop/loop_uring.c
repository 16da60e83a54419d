/*
 * The event loop on io_uring: usually one submission and one completion for each operation.
 *
 * Submitted operations wait in lists. They are written into the ring just before the one system
 * call that both submits and waits, so a full submission queue loses nothing: what does not fit
 * goes with the next turn. Reads and writes of files are limited in each turn, because the kernel
 * copies what lies in the page cache during that very call. When the completion queue overflows,
 * the kernel keeps what did not fit (IORING_FEAT_NODROP) and delivers it when entered again.
 *
 * The kernel itself waits for readiness, except that operations on some O_NONBLOCK descriptors
 * complete with -EAGAIN. Such an operation is polled for and then tried again.
 *
 * A cancellation names its operation by address. It cannot hit a later operation at that address:
 * the kernel executes cancellations as it takes them off the queue, in order, and the later
 * operation can only come after the cancellation there. Only the operation's own completion tells
 * whether it was cancelled.
 */
#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/loop/loop_backend.h"

#define SQ_ENTRIES 128u  /* the completion queue has twice as many */
#define FILES_MAX  1024u /* descriptors from here on are not registered */

/*
 *         submitted           issued            completed
 *   IDLE -----------> QUEUED --------> ISSUED -----------> IDLE
 *                      |  ^              |
 *                      |  |              | completed with -EAGAIN
 *                      |  |              v
 *            cancelled |  |         POLL_QUEUED -----+
 *                      |  |              |           |
 *                      |  | ready        | issued    | cancelled
 *                      |  |              v           |
 *                      |  +-------- POLL_ISSUED      |
 *                      |                             |
 *                      +---------> CANCELLED <-------+
 *                                      |
 *                                      v
 *                                     IDLE
 *
 * "Issued" means written into the ring. An operation in the ring that is cancelled stays where it
 * is until it completes. A poll that fails or is cancelled goes from POLL_ISSUED to IDLE.
 */
enum uring_state {
    URING_QUEUED = 1,  /* in `queued` or `copies` */
    URING_ISSUED,      /* in the ring or in the kernel */
    URING_POLL_QUEUED, /* in `queued`, to poll for readiness */
    URING_POLL_ISSUED, /* its poll is in the ring or in the kernel */
    URING_CANCELLED,   /* in `cancelled`; the kernel never had it */
};

enum uring_cancel {
    CANCEL_NONE,
    CANCEL_QUEUED, /* ISSUED or POLL_ISSUED, and in `cancels` */
    CANCEL_ISSUED, /* ISSUED or POLL_ISSUED, and its cancellation is in the ring or in the kernel */
};

struct uring_loop {
    struct loop loop;
    struct io_uring ring;
    struct op_list queued;    /* to be submitted */
    struct op_list copies;    /* reads and writes of files, to be submitted a few in each turn */
    struct op_list cancels;   /* to be cancelled in the kernel */
    struct op_list cancelled; /* to be finished with -ECANCELED */
    /* The times of timers, indexed like submission queue entries. The kernel reads a time when it
     * takes the entry. */
    struct __kernel_timespec times[SQ_ENTRIES];
    /* A registered file's index in the kernel's table is its descriptor. */
    enum { FILES_UNTRIED, FILES_READY, FILES_REFUSED } files;
    uint64_t registered[FILES_MAX / 64]; /* one bit for each index */
};

static struct uring_loop *uring_of(struct loop *l)
{
    return (struct uring_loop *)l;
}

/* The list in which op waits to be submitted. Flushes and allocations are not limited in each turn:
 * the kernel never carries them out within the submitting call. */
static struct op_list *uring_list_of(struct uring_loop *u, const struct loop_op *op)
{
    bool copies = op->kind == LOOP_OP_READV || op->kind == LOOP_OP_WRITEV;

    return copies && loop_op_is_of_file(op) && op->state == URING_QUEUED ? &u->copies : &u->queued;
}

static void uring_queue(struct uring_loop *u, struct loop_op *op, enum uring_state state)
{
    op->state = (uint8_t)state;
    op_list_append(uring_list_of(u, op), op);
}

static void uring_submit(struct loop *l, struct loop_op *op)
{
    uring_queue(uring_of(l), op, URING_QUEUED);
}

static void uring_cancel(struct loop *l, struct loop_op *op)
{
    struct uring_loop *u = uring_of(l);

    switch ((enum uring_state)op->state) {
    case URING_QUEUED:
    case URING_POLL_QUEUED:
        op_list_remove(uring_list_of(u, op), op);
        op->state = URING_CANCELLED;
        op_list_append(&u->cancelled, op);
        break;
    case URING_ISSUED:
    case URING_POLL_ISSUED:
        if (op->cancel != CANCEL_NONE)
            break;
        op->cancel = CANCEL_QUEUED;
        op_list_append(&u->cancels, op);
        break;
    case URING_CANCELLED:
        break;
    }
}

static bool uring_is_registered(const struct uring_loop *u, int fd)
{
    unsigned i = (unsigned)fd;

    return i < FILES_MAX && u->registered[i / 64] >> (i % 64) & 1;
}

/* Makes the kernel's table, which is empty at first, when the first file is registered. Kernels
 * before 5.19 have no sparse tables, and a process whose limit of descriptors is below FILES_MAX
 * gets none. */
static bool uring_files_prepare(struct uring_loop *u)
{
    if (u->files == FILES_UNTRIED)
        u->files =
            io_uring_register_files_sparse(&u->ring, FILES_MAX) < 0 ? FILES_REFUSED : FILES_READY;
    return u->files == FILES_READY;
}

static void uring_register_file(struct loop *l, int fd)
{
    struct uring_loop *u = uring_of(l);
    unsigned i = (unsigned)fd;

    if (i < FILES_MAX && uring_files_prepare(u) &&
        io_uring_register_files_update(&u->ring, i, &fd, 1) == 1)
        u->registered[i / 64] |= UINT64_C(1) << (i % 64);
}

static void uring_unregister_file(struct loop *l, int fd)
{
    struct uring_loop *u = uring_of(l);
    const int none = -1;
    unsigned i = (unsigned)fd;

    if (!uring_is_registered(u, fd))
        return;
    (void)io_uring_register_files_update(&u->ring, i, &none, 1);
    u->registered[i / 64] &= ~(UINT64_C(1) << (i % 64));
}

/* For a single buffer, the common case, the kernel need not copy the vector. */
static void sqe_prep_rw(struct io_uring_sqe *sqe, const struct loop_op *op)
{
    static const uint8_t opcodes[2][2] = {
        { IORING_OP_READV, IORING_OP_READ },
        { IORING_OP_WRITEV, IORING_OP_WRITE },
    };
    bool single = op->count == 1 && op->iov->iov_len <= INT32_MAX;
    uint8_t opcode = opcodes[op->kind == LOOP_OP_WRITEV][single];

    if (single)
        io_uring_prep_rw(opcode, sqe, op->fd, op->iov->iov_base, (unsigned)op->iov->iov_len,
                         (uint64_t)op->offset);
    else
        io_uring_prep_rw(opcode, sqe, op->fd, op->iov, (unsigned)op->count, (uint64_t)op->offset);
}

/* Makes a relative timeout: the kernel takes an absolute one as a time of the host's clock, and in
 * a time namespace mote's clock may be years away from that. */
static void sqe_prep_timer(struct uring_loop *u, struct io_uring_sqe *sqe, uint64_t at_ns)
{
    struct __kernel_timespec *in = &u->times[sqe - u->ring.sq.sqes];
    uint64_t now_ns = clock_now_ns();
    uint64_t in_ns = at_ns > now_ns ? at_ns - now_ns : 0;

    in->tv_sec = (int64_t)(in_ns / NS_PER_S);
    in->tv_nsec = (int64_t)(in_ns % NS_PER_S);
    io_uring_prep_timeout(sqe, in, 0, 0);
}

static void sqe_prep(struct uring_loop *u, struct io_uring_sqe *sqe, const struct loop_op *op)
{
    switch ((enum loop_op_kind)op->kind) {
    case LOOP_OP_READV:
    case LOOP_OP_WRITEV:
        sqe_prep_rw(sqe, op);
        break;
    case LOOP_OP_FDATASYNC:
        io_uring_prep_fsync(sqe, op->fd, IORING_FSYNC_DATASYNC);
        break;
    case LOOP_OP_FALLOCATE:
        io_uring_prep_fallocate(sqe, op->fd, op->mode, op->offset, op->len);
        break;
    case LOOP_OP_ACCEPT:
        io_uring_prep_accept(sqe, op->fd, NULL, NULL, SOCK_CLOEXEC);
        break;
    case LOOP_OP_POLL:
        io_uring_prep_poll_add(sqe, op->fd, op->events);
        break;
    case LOOP_OP_TIMER:
        sqe_prep_timer(u, sqe, op->at_ns);
        break;
    }
}

static void uring_issue_op(struct uring_loop *u, struct io_uring_sqe *sqe, struct loop_op *op)
{
    if (op->state == URING_POLL_QUEUED) {
        io_uring_prep_poll_add(sqe, op->fd, loop_op_readiness(op));
        op->state = URING_POLL_ISSUED;
    } else {
        sqe_prep(u, sqe, op);
        /* On such a file even a call that is told not to sleep sometimes does, so a kernel thread
         * makes it. */
        if (op->remote)
            sqe->flags |= IOSQE_ASYNC;
        op->state = URING_ISSUED;
    }
    if (uring_is_registered(u, op->fd))
        sqe->flags |= IOSQE_FIXED_FILE;
    io_uring_sqe_set_data(sqe, op);
}

static void uring_issue_cancel(struct io_uring_sqe *sqe, struct loop_op *op)
{
    io_uring_prep_cancel(sqe, op, 0);
    io_uring_sqe_set_data(sqe, NULL);
    op->cancel = CANCEL_ISSUED;
}

/* Writes into the ring as many of the operations as fit there and into this turn. Returns whether
 * all of them did. */
static bool uring_issue_all(struct uring_loop *u)
{
    struct io_uring_sqe *sqe;
    uint64_t done = 0;

    while (u->cancels.first || u->queued.first || u->copies.first) {
        bool file = !u->cancels.first && !u->queued.first;
        if (io_uring_sq_space_left(&u->ring) == 0 ||
            (file && !loop_op_fits(u->copies.first, &done)))
            return false;
        sqe = io_uring_get_sqe(&u->ring);
        if (u->cancels.first)
            uring_issue_cancel(sqe, op_list_take(&u->cancels));
        else
            uring_issue_op(u, sqe, op_list_take(file ? &u->copies : &u->queued));
    }
    return true;
}

static int uring_wait(struct loop *l, bool block)
{
    struct uring_loop *u = uring_of(l);
    bool sleepy = uring_issue_all(u) && block && !u->cancelled.first;
    int ret =
        sleepy ? io_uring_submit_and_wait(&u->ring, 1) : io_uring_submit_and_get_events(&u->ring);

    /* These mean: interrupted, short of memory, completions must be taken first. What was not
     * submitted is still in the ring and goes next time. */
    if (ret == -EINTR || ret == -EAGAIN || ret == -EBUSY)
        return 0;
    return ret < 0 ? ret : 0;
}

static bool uring_due(struct loop *l)
{
    const struct uring_loop *u = uring_of(l);
    unsigned flags = __atomic_load_n(u->ring.sq.kflags, __ATOMIC_RELAXED);

    return u->queued.first || u->copies.first || u->cancels.first || u->cancelled.first ||
           io_uring_sq_ready(&u->ring) > 0 || io_uring_cq_ready(&u->ring) > 0 ||
           flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW);
}

static bool op_is_io(const struct loop_op *op)
{
    return op->kind == LOOP_OP_READV || op->kind == LOOP_OP_WRITEV || op->kind == LOOP_OP_ACCEPT;
}

static int uring_result(const struct loop_op *op, int res)
{
    if (op->kind == LOOP_OP_TIMER && res == -ETIME)
        return 0;
    /* A cancelled operation is not tried again if it was polling or would have to poll (-EAGAIN).
     * -EINTR comes from one that a kernel thread was executing when it was cancelled. */
    if (op->cancel != CANCEL_NONE &&
        (op->state == URING_POLL_ISSUED || res == -EAGAIN || res == -EINTR))
        return -ECANCELED;
    return res;
}

static void uring_completed(struct uring_loop *u, struct loop_op *op, int res)
{
    bool ready = op->state == URING_POLL_ISSUED && res > 0;
    bool not_ready = op_is_io(op) && res == -EAGAIN;

    if (op->cancel == CANCEL_QUEUED)
        op_list_remove(&u->cancels, op);
    if (op->cancel == CANCEL_NONE && (ready || not_ready)) {
        uring_queue(u, op, ready ? URING_QUEUED : URING_POLL_QUEUED);
        return;
    }
    loop_op_finish(&u->loop, op, uring_result(op, res));
}

static void uring_dispatch(struct loop *l)
{
    struct uring_loop *u = uring_of(l);
    struct loop_op *last = u->cancelled.last;
    struct io_uring_cqe *cqe;

    for (unsigned due = io_uring_cq_ready(&u->ring); due > 0 && !l->stopped; due--) {
        struct loop_op *op;
        int res;
        if (io_uring_peek_cqe(&u->ring, &cqe) < 0)
            break;
        op = io_uring_cqe_get_data(cqe);
        res = cqe->res;
        io_uring_cqe_seen(&u->ring, cqe);
        if (op) /* NULL: the cqe is a cancellation's */
            uring_completed(u, op, res);
    }
    while (last && !l->stopped) {
        struct loop_op *op = op_list_take(&u->cancelled);
        if (op == last)
            last = NULL;
        loop_op_finish(l, op, -ECANCELED);
    }
}

static void uring_destroy(struct loop *l)
{
    io_uring_queue_exit(&uring_of(l)->ring);
    free(l);
}

static const struct loop_impl uring_impl = {
    .name = "io_uring",
    .destroy = uring_destroy,
    .submit = uring_submit,
    .cancel = uring_cancel,
    .wait = uring_wait,
    .due = uring_due,
    .register_file = uring_register_file,
    .unregister_file = uring_unregister_file,
    .dispatch = uring_dispatch,
};

/* Enters the ring once: a filter may allow making a ring but not entering it. */
static int ring_try(struct io_uring *ring)
{
    struct io_uring_cqe *cqe;
    int ret;

    io_uring_prep_nop(io_uring_get_sqe(ring));
    do
        ret = io_uring_submit_and_wait(ring, 1);
    while (ret == -EINTR);
    if (ret < 0)
        return ret;
    ret = io_uring_wait_cqe(ring, &cqe);
    if (ret == 0)
        io_uring_cqe_seen(ring, cqe);
    return ret;
}

/* Tries the best flags first. With DEFER_TASKRUN (Linux 6.1) completions run only when this thread
 * asks for them; with COOP_TASKRUN (5.19) they do not interrupt it. With TASKRUN_FLAG the kernel
 * sets IORING_SQ_TASKRUN while there are completions to run. */
static int ring_init(struct io_uring *ring)
{
    static const unsigned flags[] = {
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
            IORING_SETUP_SUBMIT_ALL,
        IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL,
        0,
    };
    const unsigned needed = IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE |
                            IORING_FEAT_RW_CUR_POS | IORING_FEAT_FAST_POLL;
    int ret = -EINVAL;

    for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]) && ret == -EINVAL; i++) {
        struct io_uring_params p = { .flags = flags[i] };
        ret = io_uring_queue_init_params(SQ_ENTRIES, ring, &p);
    }
    if (ret < 0)
        return ret == -EINVAL ? -ENOSYS : ret;
    ret = (ring->features & needed) == needed ? ring_try(ring) : -ENOSYS;
    if (ret < 0)
        io_uring_queue_exit(ring);
    return ret;
}

int loop_uring_create(struct loop **out, struct err *e)
{
    struct uring_loop *u = calloc(1, sizeof(*u));
    int ret;

    if (!u)
        return err_set(e, ENOMEM, "no memory for the event loop");
    ret = ring_init(&u->ring);
    if (ret < 0) {
        free(u);
        return err_set(e, -ret, "io_uring cannot be used on this host: %s", strerror(-ret));
    }
    u->loop.impl = &uring_impl;
    *out = &u->loop;
    return 0;
}
