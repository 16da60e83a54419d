#ifndef CORE_LOOP_LOOP_H
#define CORE_LOOP_LOOP_H
/*
 * The event loop: one thread on which all device state lives, and one io_uring under it.
 *
 * Everything the loop thread waits for is an operation: a struct loop_op embedded in whatever needs
 * it, submitted once, completed once by a call of its `done` on the loop thread, never from inside
 * the submitting call. Nothing is allocated and nothing is looked up on the way. Submissions
 * gathered during one round of callbacks enter the kernel together.
 *
 * Where io_uring is forbidden (container profiles, kernel.io_uring_disabled) the same interface
 * stands on epoll and plain system calls; LOOP_AUTO says so once in the log.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

struct err;
struct loop;

enum loop_backend {
    LOOP_AUTO, /* io_uring, else epoll */
    LOOP_URING,
    LOOP_EPOLL,
};

/*
 *  idle -> submitted -> idle      the loop moves it; `done` is called after the last arrow, so it
 *                                 may submit again or free
 */
struct loop_op {
    /* Loop thread. res: what the system call would return, with -errno for a failure. */
    void (*done)(struct loop_op *op, int res);
    bool remote; /* a file's call may sleep for long: on io_uring not on the loop thread */

    /* The loop's own from here on; zero before the first use. */
    struct loop_op *next; /* in the one list of the backend that holds it, if any */
    struct loop_op *prev;
    union {
        const struct iovec *iov; /* reads and writes */
        int64_t len;             /* fallocates */
    };
    union {
        int64_t offset; /* reads, writes, fallocates */
        uint64_t at_ns; /* timers */
    };
    int fd;
    union {
        int count;       /* reads and writes: of iov */
        int mode;        /* fallocates */
        uint32_t events; /* polls */
    };
    int res; /* once it is known but not yet delivered */
    uint8_t kind;
    uint8_t state; /* the backend's; 0 is idle */
    uint8_t cancel;
};

/* A call handed to the loop thread from elsewhere. Caller-owned; free to reuse once `call` has
 * begun. */
struct loop_post {
    void (*call)(struct loop_post *post);
    struct loop_post *next;
    uint32_t queued; /* atomic */
};

/* Memory that others write and the loop thread reads: a queue with a guest's driver. */
struct loop_watch {
    /* Loop thread, in every turn and while the loop waits for a moment before it sleeps: is there
     * something to do? Does it then. */
    bool (*look)(struct loop_watch *w);

    /* Loop thread. The loop is about to sleep: whoever writes from now on has to wake it. True:
     * somebody wrote before that; it is dealt with, and the loop does not sleep. */
    bool (*rest)(struct loop_watch *w);

    /* The loop's own; zero before the first use. */
    struct loop_watch *next, *prev;
    bool watched;
};

/* Life: all on the thread that becomes the loop thread. */

/* -ENOSYS, -EPERM or -ENOMEM where LOOP_URING is asked for and the host forbids it. */
int loop_create(struct loop **out, enum loop_backend backend, struct err *e);

/* No operation may be in flight, nothing watched and no thread inside loop_post; posts still queued
 * are forgotten. Accepts NULL. */
void loop_destroy(struct loop *l);

/* "io_uring" or "epoll". */
const char *loop_backend_name(const struct loop *l);

/* Completes operations and posts until loop_stop. Returns 0, or -errno when the kernel refused to
 * wait. Can be called again. */
int loop_run(struct loop *l);

/* Loop thread. Which turn this is: one look at the timers, one call of all who are ready. */
uint64_t loop_turn(const struct loop *l);

/* Loop thread. loop_run returns once the present callback did, or at once if it is yet to be
 * called. What else was due stays for the next loop_run. */
void loop_stop(struct loop *l);

/* Loop thread: submit. op->done is set by the caller; iov and what it points to stay valid, and fd
 * stays open, until done. Streams are waited for whether or not they are O_NONBLOCK. Whoever writes
 * to streams has SIGPIPE ignored. Each turn does 4 MiB of the work on files, or one operation. */

/* offset -1: the descriptor's own position, or a stream. res: bytes, as preadv2/pwritev2. */
void loop_readv(struct loop *l, struct loop_op *op, int fd, const struct iovec *iov, int count,
                int64_t offset);
void loop_writev(struct loop *l, struct loop_op *op, int fd, const struct iovec *iov, int count,
                 int64_t offset);

/* As fdatasync(2) and fallocate(2). */
void loop_fdatasync(struct loop *l, struct loop_op *op, int fd);
void loop_fallocate(struct loop *l, struct loop_op *op, int fd, int mode, int64_t offset,
                    int64_t len);

/* res: a new descriptor with CLOEXEC set, as accept4. */
void loop_accept(struct loop *l, struct loop_op *op, int fd);

/* Once. events and res: POLLIN, POLLOUT, ... as poll(2). A descriptor that cannot be polled (a
 * regular file) is ready. */
void loop_poll(struct loop *l, struct loop_op *op, int fd, uint32_t events);

/* res: 0 once CLOCK_MONOTONIC (core/base/clock.h) reached at_ns. */
void loop_timer(struct loop *l, struct loop_op *op, uint64_t at_ns);

/* Ends a submitted operation early: done still comes, later, with -ECANCELED unless it finished
 * first. An idle op is ignored. */
void loop_cancel(struct loop *l, struct loop_op *op);

/* The loop keeps the file behind fd at hand, so that operations on fd cost less (io_uring's
 * registered files); a hint, which may do nothing. The file stays open until it is unregistered,
 * whoever closes fd: unregister first, with no operation on it in flight. A descriptor that is not
 * registered is ignored. */
void loop_register(struct loop *l, int fd);
void loop_unregister(struct loop *l, int fd);

/* Until unwatched; a watch more than one of these is ignored. Nobody counts on being looked at
 * without delay: a loop that is busy is late. */
void loop_watch(struct loop *l, struct loop_watch *w);
void loop_unwatch(struct loop *l, struct loop_watch *w);

/* Any thread, never blocks, also safe from a signal handler. Calls run in the order they were
 * posted. A post that is still queued is ignored. */
void loop_post(struct loop *l, struct loop_post *post);

#endif
