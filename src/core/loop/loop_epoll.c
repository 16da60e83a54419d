/*
 * The event loop on epoll, for hosts that lack io_uring or forbid it.
 *
 * An operation on a stream waits in its descriptor's row, in a table indexed by descriptor, until
 * epoll reports the descriptor. Then it is executed, and waits again if the descriptor is no longer
 * ready. All operations on a descriptor share one registration with epoll. epoll refuses files,
 * which are always ready: operations on them are executed in the next dispatch that has room for
 * them, after everything that is due. The loop thread then sleeps until the disk answers. That is
 * the price of this fallback.
 *
 * A registration fires once (EPOLLONESHOT). Before the next sleep it is renewed for the operations
 * that still wait or are new, at most once in a turn. So the kernel reports nothing for a
 * descriptor on which no operation waits. The descriptor's owner may close it, and a new one may
 * get the same number: arming a registration then finds out whether the kernel has dropped the old
 * one.
 *
 * Timers are in a list, earliest first, and a timerfd is set to the first one. Insertion searches
 * from the end, because most timers have the same period and belong there.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/nowait.h"
#include "core/loop/loop_backend.h"

#define EVENTS_MAX 64
#define FDS_MAX    (1 << 20) /* the kernel's default limit of descriptors (fs.nr_open) */

/*
 *   streams   IDLE --> WAITING --> READY --> IDLE
 *                         ^          |
 *                         +----------+          -EAGAIN: no longer ready
 *   timers    IDLE --> TIMING --> FINISHED --> IDLE
 *   files     IDLE --> FILE --> IDLE
 *
 *   WAITING --> FILE                  epoll has refused the descriptor: it is a file
 *   any --> FINISHED --> IDLE         cancelled, failed, or a poll that has its result
 */
enum epoll_state {
    EPOLL_WAITING = 1, /* in its descriptor's row */
    EPOLL_TIMING,      /* in `timers` */
    EPOLL_READY,       /* in `due`, to be executed without sleeping */
    EPOLL_FILE,        /* in `files`, to be executed */
    EPOLL_FINISHED,    /* in `due`, res is known */
};

/* What waits on one descriptor, and what epoll knows of it. */
struct fd_row {
    struct op_list waiting;
    uint32_t armed;  /* the events that epoll will report, with EPOLLONESHOT; 0: none */
    int next_stale;  /* the next descriptor in the list of stale rows; -1: none */
    bool stale;      /* in that list: to be updated before the next sleep */
    bool registered; /* epoll has an entry for it, unless the descriptor was closed since */
};

struct epoll_loop {
    struct loop loop;
    int epoll_fd;
    int timer_fd;
    uint64_t timer_ns; /* the time that timer_fd is set to; 0: none */
    struct fd_row *rows;
    int row_count;
    int first_stale; /* the first descriptor in the list of stale rows; -1: none */
    struct op_list timers;
    struct op_list due;   /* to be executed or finished by the next dispatch */
    struct op_list files; /* to be executed by dispatch, a turn's share at a time */
};

static struct epoll_loop *epoll_of(struct loop *l)
{
    return (struct epoll_loop *)l;
}

static void op_make_due(struct epoll_loop *e, struct loop_op *op, enum epoll_state state, int res)
{
    op->state = (uint8_t)state;
    op->res = res;
    op_list_append(state == EPOLL_FILE ? &e->files : &e->due, op);
}

/* Makes sure that fd has a row. Returns 0 or -errno. */
static int fd_rows_grow(struct epoll_loop *e, int fd)
{
    struct fd_row *grown;
    int count;

    if (fd < 0 || fd >= FDS_MAX)
        return -EBADF;
    if (fd < e->row_count)
        return 0;
    count = (fd / 64 + 1) * 64;
    grown = realloc(e->rows, (size_t)count * sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    memset(grown + e->row_count, 0, (size_t)(count - e->row_count) * sizeof(*grown));
    e->rows = grown;
    e->row_count = count;
    return 0;
}

static void fd_row_mark_stale(struct epoll_loop *e, int fd)
{
    struct fd_row *row = &e->rows[fd];

    if (row->stale)
        return;
    row->stale = true;
    row->next_stale = e->first_stale;
    e->first_stale = fd;
}

static void fd_row_wait(struct epoll_loop *e, struct loop_op *op)
{
    int ret = fd_rows_grow(e, op->fd);

    if (ret < 0) {
        op_make_due(e, op, EPOLL_FINISHED, ret);
        return;
    }
    op->state = EPOLL_WAITING;
    op_list_append(&e->rows[op->fd].waiting, op);
    fd_row_mark_stale(e, op->fd);
}

static int fd_row_arm(struct epoll_loop *e, int fd, uint32_t events)
{
    struct fd_row *row = &e->rows[fd];
    struct epoll_event event = { .events = events, .data.fd = fd };
    int ret = -1;

    if (row->registered)
        ret = epoll_ctl(e->epoll_fd, EPOLL_CTL_MOD, fd, &event);
    if (ret < 0) /* epoll has no entry: never had one, or the number belongs to a new descriptor */
        ret = epoll_ctl(e->epoll_fd, EPOLL_CTL_ADD, fd, &event);
    if (ret < 0)
        return -errno;
    row->registered = true;
    row->armed = events;
    return 0;
}

/* Call when epoll has refused the descriptor, with -errno as the reason. -EPERM means that it is a
 * file, which is always ready. */
static void fd_row_refused(struct epoll_loop *e, struct fd_row *row, int reason)
{
    const uint32_t always = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
    struct loop_op *op;

    row->registered = false;
    row->armed = 0;
    while ((op = op_list_take(&row->waiting))) {
        if (reason != -EPERM)
            op_make_due(e, op, EPOLL_FINISHED, reason);
        else if (op->kind == LOOP_OP_POLL)
            op_make_due(e, op, EPOLL_FINISHED, (int)(op->events & always));
        else
            op_make_due(e, op, EPOLL_FILE, 0);
    }
}

/* Makes the kernel report the events that the descriptor's operations wait for. */
static void fd_row_update(struct epoll_loop *e, int fd)
{
    struct fd_row *row = &e->rows[fd];
    uint32_t wanted = row->waiting.first ? EPOLLONESHOT : 0;
    int ret;

    for (struct loop_op *op = row->waiting.first; op; op = op->next)
        wanted |= loop_op_readiness(op);
    if (wanted == row->armed)
        return;
    if (wanted == 0) {
        (void)epoll_ctl(e->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
        row->registered = false;
        row->armed = 0;
        return;
    }
    ret = fd_row_arm(e, fd, wanted);
    if (ret < 0)
        fd_row_refused(e, row, ret);
}

static void fd_rows_update(struct epoll_loop *e)
{
    while (e->first_stale >= 0) {
        int fd = e->first_stale;
        e->first_stale = e->rows[fd].next_stale;
        e->rows[fd].stale = false;
        fd_row_update(e, fd);
    }
}

/* The registration has fired, and has thereby disarmed itself. */
static void fd_row_fired(struct epoll_loop *e, int fd, uint32_t events)
{
    struct fd_row *row = &e->rows[fd];
    struct loop_op *next;

    row->armed = 0;
    fd_row_mark_stale(e, fd);
    for (struct loop_op *op = row->waiting.first; op; op = next) {
        uint32_t mine = events & (loop_op_readiness(op) | EPOLLERR | EPOLLHUP);
        next = op->next;
        if (!mine)
            continue;
        op_list_remove(&row->waiting, op);
        op_make_due(e, op, op->kind == LOOP_OP_POLL ? EPOLL_FINISHED : EPOLL_READY, (int)mine);
    }
}

static void timer_insert(struct epoll_loop *e, struct loop_op *op)
{
    struct loop_op *before = e->timers.last;

    while (before && before->at_ns > op->at_ns)
        before = before->prev;
    op->state = EPOLL_TIMING;
    op_list_insert(&e->timers, before, op);
}

/* Sets timer_fd to the first timer's time. */
static int timers_arm(struct epoll_loop *e)
{
    struct itimerspec at = { 0 };
    uint64_t at_ns = 0;

    if (e->timers.first)
        at_ns = e->timers.first->at_ns ? e->timers.first->at_ns : 1; /* 0 would mean never */
    if (at_ns == e->timer_ns)
        return 0;
    at.it_value.tv_sec = (time_t)(at_ns / NS_PER_S);
    at.it_value.tv_nsec = (long)(at_ns % NS_PER_S);
    if (timerfd_settime(e->timer_fd, TFD_TIMER_ABSTIME, &at, NULL) < 0)
        return -errno;
    e->timer_ns = at_ns;
    return 0;
}

static void timers_expire(struct epoll_loop *e)
{
    uint64_t now_ns = clock_now_ns();

    e->timer_ns = 0;
    while (e->timers.first && e->timers.first->at_ns <= now_ns)
        op_make_due(e, op_list_take(&e->timers), EPOLL_FINISHED, 0);
}

static void epoll_submit(struct loop *l, struct loop_op *op)
{
    struct epoll_loop *e = epoll_of(l);

    switch ((enum loop_op_kind)op->kind) {
    case LOOP_OP_TIMER:
        timer_insert(e, op);
        break;
    case LOOP_OP_READV:
    case LOOP_OP_WRITEV:
        if (op->offset >= 0)
            op_make_due(e, op, EPOLL_FILE, 0);
        else
            fd_row_wait(e, op);
        break;
    case LOOP_OP_FDATASYNC:
    case LOOP_OP_FALLOCATE:
        op_make_due(e, op, EPOLL_FILE, 0);
        break;
    case LOOP_OP_ACCEPT:
    case LOOP_OP_POLL:
        fd_row_wait(e, op);
        break;
    }
}

static void epoll_cancel(struct loop *l, struct loop_op *op)
{
    struct epoll_loop *e = epoll_of(l);

    switch ((enum epoll_state)op->state) {
    case EPOLL_WAITING:
        op_list_remove(&e->rows[op->fd].waiting, op);
        fd_row_mark_stale(e, op->fd);
        op_make_due(e, op, EPOLL_FINISHED, -ECANCELED);
        break;
    case EPOLL_TIMING:
        op_list_remove(&e->timers, op);
        op_make_due(e, op, EPOLL_FINISHED, -ECANCELED);
        break;
    case EPOLL_FILE:
        op_list_remove(&e->files, op);
        op_make_due(e, op, EPOLL_FINISHED, -ECANCELED);
        break;
    case EPOLL_READY:
        op->state = EPOLL_FINISHED;
        op->res = -ECANCELED;
        break;
    case EPOLL_FINISHED:
        break;
    }
}

static int epoll_sleep(struct loop *l, bool block)
{
    struct epoll_loop *e = epoll_of(l);
    struct epoll_event events[EVENTS_MAX];
    int count, ret;

    fd_rows_update(e);
    ret = timers_arm(e);
    if (ret < 0)
        return ret;
    block = block && !e->due.first && !e->files.first;
    count = epoll_wait(e->epoll_fd, events, EVENTS_MAX, block ? -1 : 0);
    if (count < 0)
        return errno == EINTR ? 0 : -errno;
    for (int i = 0; i < count; i++) {
        if (events[i].data.fd == e->timer_fd)
            timers_expire(e);
        else
            fd_row_fired(e, events[i].data.fd, events[i].events);
    }
    return 0;
}

static int file_execute(const struct loop_op *op)
{
    ssize_t n;

    switch ((enum loop_op_kind)op->kind) {
    case LOOP_OP_READV:
        n = op->offset < 0 ? readv(op->fd, op->iov, op->count)
                           : preadv(op->fd, op->iov, op->count, op->offset);
        break;
    case LOOP_OP_WRITEV:
        n = op->offset < 0 ? writev(op->fd, op->iov, op->count)
                           : pwritev(op->fd, op->iov, op->count, op->offset);
        break;
    case LOOP_OP_FDATASYNC:
        n = fdatasync(op->fd);
        break;
    case LOOP_OP_FALLOCATE:
        n = fallocate(op->fd, op->mode, op->offset, op->len);
        break;
    default: /* an accept on a file */
        return -ENOTSOCK;
    }
    return n < 0 ? -errno : (int)n;
}

static int stream_execute(const struct loop_op *op)
{
    if (op->kind == LOOP_OP_ACCEPT)
        return nowait_accept(op->fd);
    if (op->kind == LOOP_OP_WRITEV)
        return nowait_writev(op->fd, op->iov, op->count);
    return nowait_readv(op->fd, op->iov, op->count);
}

static void op_execute(struct epoll_loop *e, struct loop_op *op)
{
    int res = op->res;

    if (op->state == EPOLL_FILE)
        res = file_execute(op);
    if (op->state == EPOLL_READY)
        res = stream_execute(op);
    if (op->state == EPOLL_READY && res == -EAGAIN)
        fd_row_wait(e, op);
    else
        loop_op_finish(&e->loop, op, res);
}

/* Executes the operations of a list up to `last`, and of `files` only as many as fit into the turn.
 * A callback may cancel any of the rest. If it cancels `last`, those after it are executed too. */
static void op_list_execute(struct epoll_loop *e, struct op_list *list, const struct loop_op *last)
{
    uint64_t done = 0;
    bool more = last;

    while (more && list->first && !e->loop.stopped) {
        if (list == &e->files && !loop_op_fits(list->first, &done))
            return;
        more = list->first != last;
        op_execute(e, op_list_take(list));
    }
}

static void epoll_dispatch(struct loop *l)
{
    struct epoll_loop *e = epoll_of(l);
    const struct loop_op *last_file = e->files.last;

    op_list_execute(e, &e->due, e->due.last);
    op_list_execute(e, &e->files, last_file);
}

static void epoll_destroy(struct loop *l)
{
    struct epoll_loop *e = epoll_of(l);

    if (e->timer_fd >= 0)
        (void)close(e->timer_fd);
    if (e->epoll_fd >= 0)
        (void)close(e->epoll_fd);
    free(e->rows);
    free(e);
}

static const struct loop_impl epoll_impl = {
    .name = "epoll",
    .destroy = epoll_destroy,
    .submit = epoll_submit,
    .cancel = epoll_cancel,
    .wait = epoll_sleep,
    .dispatch = epoll_dispatch,
};

int loop_epoll_create(struct loop **out, struct err *err)
{
    struct epoll_loop *e = calloc(1, sizeof(*e));
    struct epoll_event event = { .events = EPOLLIN | EPOLLET };
    int ret;

    if (!e)
        return err_set(err, ENOMEM, "no memory for the event loop");
    e->loop.impl = &epoll_impl;
    e->first_stale = -1;
    e->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    e->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    event.data.fd = e->timer_fd;
    /* Edge-triggered, so that the timerfd need not be read. */
    if (e->epoll_fd < 0 || e->timer_fd < 0 ||
        epoll_ctl(e->epoll_fd, EPOLL_CTL_ADD, e->timer_fd, &event) < 0) {
        ret = err_sys(err, "cannot create an epoll instance and a timer for the event loop");
        epoll_destroy(&e->loop);
        return ret;
    }
    *out = &e->loop;
    return 0;
}
