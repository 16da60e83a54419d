#ifndef CORE_LOOP_LOOP_H
#define CORE_LOOP_LOOP_H
/*
 * The event loop: one thread that does the I/O of all devices, and one io_uring under it.
 *
 * Everything the loop thread waits for is an operation: a struct loop_op embedded in whatever needs
 * it. Each submission completes once, by a call of `done` on the loop thread, never from inside the
 * submitting call. On io_uring nothing is allocated or looked up on the way. Operations that one
 * round of callbacks submits enter the kernel together.
 *
 * Where io_uring is missing or forbidden (container profiles, kernel.io_uring_disabled) the same
 * interface stands on epoll and plain system calls; LOOP_AUTO then logs one warning.
 *
 * This room is the event loop: one thread, one ring. It knows descriptors, times, callbacks and the
 * log; it must not know guest memory, devices or machines.
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

/* Idle -> submitted -> idle. The op is idle again before `done` is called, which may therefore
 * submit or free it. */
struct loop_op {
    /* Loop thread. res: what the system call would return, with -errno for a failure. */
    void (*done)(struct loop_op *op, int res);
    /* Set where calls on the file may sleep for long: io_uring has a kernel thread make them. */
    bool remote;

    /* The loop's own from here on; zero before the first use. */
    struct loop_op *next, *prev; /* in the backend's list that holds the op, if any */
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
        int count;       /* reads and writes: length of iov */
        int mode;        /* fallocates */
        uint32_t events; /* polls */
    };
    int res; /* the result, while `done` is still to be called */
    uint8_t kind;
    uint8_t state;  /* the backend's; 0 is idle */
    uint8_t cancel; /* the backend's; 0 is not cancelled */
};

/* A call handed to the loop thread from elsewhere. Caller-owned; reusable once `call` has begun. */
struct loop_post {
    void (*call)(struct loop_post *post);
    struct loop_post *next;
    uint32_t queued; /* atomic */
};

/* Memory that others write and the loop thread reads, such as the queue of a guest's driver. */
struct loop_watch {
    /* Loop thread; in every turn, and repeatedly while the loop spins. Does what there is to do and
     * returns whether there was anything. */
    bool (*look)(struct loop_watch *w);

    /* Loop thread, just before the loop sleeps. Arranges that whoever writes from now on wakes the
     * loop, then does what there is to do. true: there was something, so the loop stays awake. */
    bool (*rest)(struct loop_watch *w);

    /* The loop's own; zero before the first use. */
    struct loop_watch *next, *prev;
    bool watched;
};

/* Life. Call all of these on the thread that becomes the loop thread. */

/* LOOP_URING fails with -ENOSYS (io_uring is missing or too old), -EPERM (forbidden) or -ENOMEM. */
int loop_create(struct loop **out, enum loop_backend backend, struct err *e);

/* No operation may be in flight, nothing watched and no thread inside loop_post; posts still queued
 * are forgotten. Accepts NULL. */
void loop_destroy(struct loop *l);

/* "io_uring" or "epoll". */
const char *loop_backend_name(const struct loop *l);

/* Runs turns until loop_stop; can be called again. A turn calls the posts, looks at the watches,
 * submits, waits and completes what is ready. Returns 0, or -errno if the kernel cannot wait. */
int loop_run(struct loop *l);

/* Loop thread. The number of the present turn. */
uint64_t loop_turn(const struct loop *l);

/* Loop thread. loop_run returns after the present callback, or at once when it is called next.
 * Whatever else was due stays for the loop_run after that. */
void loop_stop(struct loop *l);

/* Loop thread, down to loop_unwatch. The next functions submit an operation whose `done` is set.
 * Until done is called, iov and what it points to must stay valid and fd open. On a stream the
 * operation waits for readiness even if fd is O_NONBLOCK. A process that writes to streams must
 * ignore SIGPIPE. One turn reads and writes 4 MiB of files at most, or one larger operation. */

/* offset -1: fd is a stream, or its own file position is used. res: bytes, as preadv2/pwritev2. */
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

/* One-shot. events and res: POLLIN, POLLOUT, ... as in poll(2). A descriptor that cannot be polled
 * (a regular file) is always ready. */
void loop_poll(struct loop *l, struct loop_op *op, int fd, uint32_t events);

/* res: 0 once the clock (core/base/clock.h) has reached at_ns. */
void loop_timer(struct loop *l, struct loop_op *op, uint64_t at_ns);

/* Ends a submitted operation early: done is still called, later, with -ECANCELED unless the
 * operation finished first. An idle op is ignored. */
void loop_cancel(struct loop *l, struct loop_op *op);

/* A hint that makes operations on fd cost less (io_uring's registered files), or does nothing. The
 * loop keeps the file open until it is unregistered, even if fd is closed: unregister first, with
 * no operation on fd in flight. Unregistering a descriptor that is not registered does nothing. */
void loop_register(struct loop *l, int fd);
void loop_unregister(struct loop *l, int fd);

/* A second loop_watch or loop_unwatch of the same watch does nothing. A busy loop looks late, so
 * nobody may rely on a prompt look. */
void loop_watch(struct loop *l, struct loop_watch *w);
void loop_unwatch(struct loop *l, struct loop_watch *w);

/* Any thread, never blocks, also in a signal handler. Calls run in the order they were posted. A
 * post that is still queued is ignored. */
void loop_post(struct loop *l, struct loop_post *post);

#endif
