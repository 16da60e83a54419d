#ifndef UNIT_API_RUN_CONSOLE_BENCH_H
#define UNIT_API_RUN_CONSOLE_BENCH_H
/*
 * What the unit tests of the console share: a console on a real loop and a serial port without a
 * machine. The test drives the port's registers from a thread of its own, as a vCPU would.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/run/console.h"
#include "core/base/container.h"
#include "core/vm/irq.h"
#include "core/vm/power.h"
#include "unit/api/run/uart.h"

struct bench {
    struct power power; /* first member */
    struct console console;
    struct serial serial;
    struct irq_line irq; /* never raised: the guest polls */
    struct loop *loop;
    struct loop_post close;
    enum power_end ended;
    int in[2], out[2]; /* pipes; the console has in[0] and out[1] unless a test says otherwise */
};

/* Ends the machine as vm.h does: by a post. */
static inline void bench_end(struct power *p, enum power_end why)
{
    struct bench *b = (struct bench *)p;

    b->ended = why;
    loop_post(b->loop, &b->close);
}

static inline void bench_closed(struct console *c)
{
    loop_stop(c->loop);
}

static inline void bench_close(struct loop_post *post)
{
    struct bench *b = container_of(post, struct bench, close);

    console_close(&b->console, bench_closed);
}

static inline struct bench *bench_create(enum loop_backend backend)
{
    struct bench *b = calloc(1, sizeof(*b));

    (void)signal(SIGPIPE, SIG_IGN); /* as signals_init does */
    b->power.end = bench_end;
    b->close.call = bench_close;
    cr_assert_eq(loop_create(&b->loop, backend, NULL), 0);
    cr_assert_eq(pipe(b->in), 0);
    cr_assert_eq(pipe(b->out), 0);
    return b;
}

static inline void shut(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

static inline void bench_destroy(struct bench *b)
{
    serial_finish(&b->serial);
    loop_destroy(b->loop);
    for (int i = 0; i < 2; i++) {
        shut(&b->in[i]);
        shut(&b->out[i]);
    }
    free(b);
}

static inline void bench_with(enum loop_backend backend, void (*test)(struct bench *b))
{
    struct bench *b = bench_create(backend);

    test(b);
    bench_destroy(b);
}

/* ON_BOTH(name) { ... } is two tests, console_auto and console_epoll; the body has `b`. */
#define ON_BOTH(name)                  \
    static void name(struct bench *b); \
    Test(console_auto, name)           \
    {                                  \
        bench_with(LOOP_AUTO, name);   \
    }                                  \
    Test(console_epoll, name)          \
    {                                  \
        bench_with(LOOP_EPOLL, name);  \
    }                                  \
    static void name(struct bench *b)

/* Runs the guest's part on a thread of its own, with the console on these descriptors, until the
 * console is closed. */
static inline void bench_run(struct bench *b, int in, int out, void *(*guest)(void *))
{
    pthread_t thread;

    console_init(&b->console, b->loop, in, out);
    serial_init(&b->serial, &b->irq, &b->console.sink);
    console_start(&b->console, &b->serial, &b->power);
    cr_assert_eq(pthread_create(&thread, NULL, guest, b), 0);
    cr_assert_eq(loop_run(b->loop), 0);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    cr_assert_neq(b->console.in.state, CONSOLE_BUSY);
    cr_assert_neq(b->console.out.state, CONSOLE_BUSY);
    cr_assert_not(b->console.waiting);
}

static inline void *guest_says_hello(void *arg)
{
    struct bench *b = arg;

    for (const char *at = "hello\n"; *at; at++)
        uart_send(&b->serial, (uint8_t)*at);
    loop_post(b->loop, &b->close);
    return NULL;
}

/* Reads until len bytes or the end of the stream, and returns how many it got. */
static inline size_t read_full(int fd, void *to, size_t len)
{
    size_t got = 0;
    ssize_t n;

    while (got < len && (n = read(fd, (char *)to + got, len - got)) > 0)
        got += (size_t)n;
    return got;
}

static inline void expect_hello(struct bench *b)
{
    char got[64];

    shut(&b->out[1]);
    cr_assert_eq(read_full(b->out[0], got, sizeof(got)), 6);
    cr_assert_eq(memcmp(got, "hello\n", 6), 0);
}

#endif
