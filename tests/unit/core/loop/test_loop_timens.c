/*
 * Timers in a time namespace, whose clock differs from the kernel's own, as in a container that was
 * restored. Needs a kernel with time namespaces, and root or user namespaces.
 */
#include <sched.h>
#include <stdio.h>
#include <sys/wait.h>

#include "unit/core/loop/loop_probe.h"

/* Makes a time namespace for the children of this process. */
static void namespace_enter(const char *offset)
{
    int fd;

    if (unshare(CLONE_NEWTIME) < 0)
        cr_assert_eq(unshare(CLONE_NEWUSER | CLONE_NEWTIME), 0, "a time namespace: %s",
                     strerror(errno));
    fd = open("/proc/self/timens_offsets", O_WRONLY);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, offset, strlen(offset)), (ssize_t)strlen(offset));
    (void)close(fd);
}

#define HOLDS(fact)                    \
    do {                               \
        if (!(fact))                   \
            _exit(1 + __LINE__ % 255); \
    } while (0)

static void never(struct loop_op *op, int res)
{
    (void)op;
    (void)res;
    _exit(2); /* its time is an hour from now */
}

static struct loop *ours;
static unsigned fired;

static void fire(struct loop_op *op, int res)
{
    (void)op;
    HOLDS(res == 0);
    fired++;
    loop_stop(ours);
}

static void story(enum loop_backend backend)
{
    struct loop_op far = { .done = never }, near = { .done = fire }, past = { .done = fire };
    uint64_t start_ns;

    (void)alarm(60); /* ends a child that hangs */
    HOLDS(loop_create(&ours, backend, NULL) == 0);
    start_ns = clock_now_ns();
    loop_timer(ours, &far, start_ns + 3600 * 1000 * MS);
    loop_timer(ours, &past, start_ns - 1);
    HOLDS(loop_run(ours) == 0 && fired == 1);
    loop_timer(ours, &near, start_ns + 30 * MS);
    HOLDS(loop_run(ours) == 0 && fired == 2);
    HOLDS(clock_now_ns() >= start_ns + 30 * MS);
    _exit(0);
}

static void expect_timers(const char *offset)
{
    static const enum loop_backend backends[] = { LOOP_URING, LOOP_EPOLL };

    namespace_enter(offset);
    for (unsigned i = 0; i < 2; i++) {
        pid_t child = fork();
        int status;

        if (child == 0)
            story(backends[i]);
        cr_assert_eq(waitpid(child, &status, 0), child);
        cr_assert_eq(status, 0, "backend %u: status %x", i, status);
    }
}

Test(loop_timens, a_clock_that_is_ahead)
{
    expect_timers("monotonic 100000 0\n");
}

Test(loop_timens, a_clock_that_is_behind)
{
    struct timespec now;
    char offset[64];

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(offset, sizeof(offset), "monotonic -%lld 0\n", (long long)now.tv_sec / 2);
    expect_timers(offset);
}
