#ifndef UNIT_CORE_LOOP_LOOP_PROBE_H
#define UNIT_CORE_LOOP_LOOP_PROBE_H
/*
 * What the unit tests of the event loop share: running each test on both backends, and operations
 * that remember how they ended.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/loop/loop.h"

#define MS 1000000ull

/* BOTH(name) { ... } is two tests, loop_io_uring and loop_epoll; the body has `l`. */
#define BOTH(name)                              \
    static void name(struct loop *l);           \
    Test(loop_io_uring, name)                   \
    {                                           \
        struct loop *l = loop_open(LOOP_URING); \
        name(l);                                \
        loop_destroy(l);                        \
    }                                           \
    Test(loop_epoll, name)                      \
    {                                           \
        struct loop *l = loop_open(LOOP_EPOLL); \
        name(l);                                \
        loop_destroy(l);                        \
    }                                           \
    static void name(struct loop *l)

static inline struct loop *loop_open(enum loop_backend backend)
{
    struct loop *l = NULL;
    struct err e = { 0 };

    signal(SIGPIPE, SIG_IGN);
    cr_assert_eq(loop_create(&l, backend, &e), 0, "%s", e.text);
    cr_assert_str_eq(loop_backend_name(l), backend == LOOP_URING ? "io_uring" : "epoll");
    return l;
}

/* An operation that remembers how it ended. */
struct probe {
    struct loop_op op;
    struct loop *loop;
    struct iovec iov;
    char buffer[64];
    unsigned calls;
    int res;
    void (*then)(struct probe *p);
};

static unsigned awaited; /* number of probes that end before the loop stops */
static bool submitting;  /* inside a submitting call, from which done must not be called */

static inline void probe_done(struct loop_op *op, int res)
{
    struct probe *p = (struct probe *)op;

    cr_assert_not(submitting, "done was called from inside the submitting call");
    p->calls++;
    p->res = res;
    if (awaited > 0 && --awaited == 0)
        loop_stop(p->loop);
    if (p->then)
        p->then(p);
}

static inline struct probe *probe(struct loop *l)
{
    struct probe *p = calloc(1, sizeof(*p));

    p->loop = l;
    p->op.done = probe_done;
    p->iov = (struct iovec){ .iov_base = p->buffer, .iov_len = sizeof(p->buffer) };
    return p;
}

#define SUBMIT(call)        \
    do {                    \
        submitting = true;  \
        call;               \
        submitting = false; \
    } while (0)

static inline struct probe *reads(struct loop *l, int fd)
{
    struct probe *p = probe(l);

    SUBMIT(loop_readv(l, &p->op, fd, &p->iov, 1, -1));
    return p;
}

static inline struct probe *writes(struct loop *l, int fd, const char *text)
{
    struct probe *p = probe(l);

    strcpy(p->buffer, text);
    p->iov.iov_len = strlen(text);
    SUBMIT(loop_writev(l, &p->op, fd, &p->iov, 1, -1));
    return p;
}

static inline struct probe *polls(struct loop *l, int fd, uint32_t events)
{
    struct probe *p = probe(l);

    SUBMIT(loop_poll(l, &p->op, fd, events));
    return p;
}

static inline struct probe *accepts(struct loop *l, int fd)
{
    struct probe *p = probe(l);

    SUBMIT(loop_accept(l, &p->op, fd));
    return p;
}

static inline struct probe *fires(struct loop *l, uint64_t at_ns)
{
    struct probe *p = probe(l);

    SUBMIT(loop_timer(l, &p->op, at_ns));
    return p;
}

/* Runs the loop until `count` probes have ended. */
static inline void run(struct loop *l, unsigned count)
{
    awaited = count;
    cr_assert_eq(loop_run(l), 0);
    cr_assert_eq(awaited, 0);
}

static inline void stop_too(struct probe *p)
{
    loop_stop(p->loop);
}

/* Runs long enough that whatever is submitted has reached the kernel. */
static inline void run_turns(struct loop *l)
{
    for (unsigned i = 0; i < 3; i++) {
        struct probe *p = fires(l, 0);
        p->then = stop_too;
        cr_assert_eq(loop_run(l), 0);
        cr_assert_eq(p->calls, 1);
        free(p);
    }
}

/* A file without a name. */
static inline int temporary(void)
{
    char path[] = "/tmp/test_loop.XXXXXX";
    int fd = mkstemp(path);

    cr_assert_geq(fd, 0);
    unlink(path);
    return fd;
}

static inline void nonblocking(int fd, bool on)
{
    int flags = fcntl(fd, F_GETFL);

    cr_assert_eq(fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK), 0);
}

/* A listening socket with a name the kernel picked. */
static inline int listener(void)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert_eq(bind(fd, (struct sockaddr *)&a, sizeof(sa_family_t)), 0);
    cr_assert_eq(listen(fd, 4), 0);
    return fd;
}

static inline int dial(int to)
{
    struct sockaddr_un a;
    socklen_t len = sizeof(a);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert_eq(getsockname(to, (struct sockaddr *)&a, &len), 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&a, len), 0);
    return fd;
}

#endif
