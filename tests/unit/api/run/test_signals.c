#include "api/run/signals.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/run/deadly.h"
#include "api/run/terminal.h"
#include "core/loop/loop.h"
#include "core/vm/power.h"
#include "lib/pty.h"

static const int end_signals[] = { SIGTERM, SIGHUP, SIGINT, SIGQUIT };

/* Stands in for a machine: notes why it is ended, and stops the loop. */
struct ending {
    struct power power; /* first member */
    struct loop *loop;
    enum power_end why;
};

static void end(struct power *p, enum power_end why)
{
    struct ending *n = (struct ending *)p;

    n->why = why;
    loop_stop(n->loop);
}

static void ending_init(struct ending *n)
{
    *n = (struct ending){ .power = { .end = end } };
    if (loop_create(&n->loop, LOOP_AUTO, NULL) < 0)
        _exit(97);
}

static void tell(int fd)
{
    if (write(fd, "r", 1) != 1)
        _exit(98);
}

/* Runs `story` in a process of its own, which writes to `ready` once it waits for signals. */
static pid_t child_start(void (*story)(int ready))
{
    int ready[2];
    char byte;
    pid_t child;

    cr_assert_eq(pipe(ready), 0);
    child = fork();
    if (child == 0) {
        for (unsigned i = 0; i < 4; i++)
            (void)signal(end_signals[i], SIG_DFL);
        story(ready[1]);
        _exit(96);
    }
    cr_assert_eq(read(ready[0], &byte, 1), 1);
    (void)close(ready[0]);
    (void)close(ready[1]);
    return child;
}

static int child_end(pid_t child)
{
    int status;

    cr_assert_eq(waitpid(child, &status, 0), child);
    return status;
}

static void ends_in_order(int ready)
{
    struct ending n;
    int sig;

    ending_init(&n);
    signals_init(n.loop, &n.power);
    if (signals_caught() != 0)
        _exit(95);
    tell(ready);
    (void)loop_run(n.loop);
    signals_finish();
    loop_destroy(n.loop);
    sig = signals_caught();
    if (n.why != POWER_QUIT)
        _exit(94);
    deadly_die(sig);
}

Test(signals, end_the_machine_and_then_kill_mote)
{
    for (unsigned i = 0; i < 4; i++) {
        pid_t child = child_start(ends_in_order);
        int status;

        cr_assert_eq(kill(child, end_signals[i]), 0);
        status = child_end(child);
        cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == end_signals[i], "status %x", status);
    }
}

static void holds_and_ends(int ready)
{
    struct ending n;

    ending_init(&n);
    signals_hold();
    (void)raise(SIGINT);
    if (signals_caught() != 0)
        _exit(95);
    signals_init(n.loop, &n.power);
    tell(ready);
    (void)loop_run(n.loop);
    if (n.why != POWER_QUIT)
        _exit(94);
    deadly_die(signals_caught());
}

Test(signals, that_were_held_end_the_machine_once_there_is_one)
{
    int status = child_end(child_start(holds_and_ends));

    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT, "status %x", status);
}

static void holds_and_lets_go(int ready)
{
    signals_hold();
    (void)raise(SIGTERM);
    tell(ready); /* alive */
    signals_release();
}

Test(signals, that_were_held_kill_where_there_never_was_a_machine)
{
    int status = child_end(child_start(holds_and_lets_go));

    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM, "status %x", status);
}

static struct loop *to_stop;

static void stop(struct loop_post *post)
{
    (void)post;
    loop_stop(to_stop);
}

/* The loop still runs while a machine is taken apart, and then calls the first signal's post. */
static void cleans_up(int ready)
{
    struct loop_post post = { .call = stop };
    struct ending n;

    ending_init(&n);
    to_stop = n.loop;
    signals_init(n.loop, &n.power);
    (void)raise(SIGTERM);
    signals_detach();
    loop_post(n.loop, &post);
    (void)loop_run(n.loop);
    if (n.why != POWER_NONE || signals_caught() != SIGTERM)
        _exit(95);
    loop_destroy(n.loop);
    tell(ready);
    deadly_die(signals_caught());
}

Test(signals, wait_for_the_clean_up_after_the_machine)
{
    int status = child_end(child_start(cleans_up));

    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM, "status %x", status);
}

static void is_told_while_it_cleans_up(int ready)
{
    struct ending n;

    ending_init(&n);
    signals_init(n.loop, &n.power);
    signals_detach();
    loop_destroy(n.loop);
    (void)raise(SIGINT);
    if (signals_caught() != SIGINT)
        _exit(95);
    tell(ready);
    (void)raise(SIGTERM); /* the second one does not wait */
}

Test(signals, find_no_loop_after_the_machine)
{
    int status = child_end(child_start(is_told_while_it_cleans_up));

    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM, "status %x", status);
}

static struct pty pty;

static void never_ends(int ready)
{
    struct ending n;

    ending_init(&n);
    signals_init(n.loop, &n.power);
    if (terminal_raw(pty.slave, NULL) < 0)
        _exit(95);
    tell(ready);
    while (signals_caught() == 0)
        (void)usleep(1000);
    tell(ready);
    for (;;)
        (void)pause();
}

Test(signals, kill_a_process_that_hangs_the_second_time)
{
    int ready[2];
    char byte;
    pid_t child;
    int status;

    pty = pty_open();
    cr_assert_eq(pipe(ready), 0);
    child = fork();
    if (child == 0) {
        (void)signal(SIGTERM, SIG_DFL);
        (void)signal(SIGINT, SIG_DFL);
        never_ends(ready[1]);
    }
    cr_assert_eq(read(ready[0], &byte, 1), 1);
    cr_assert_eq(kill(child, SIGINT), 0);
    cr_assert_eq(read(ready[0], &byte, 1), 1);
    cr_assert_eq(kill(child, SIGTERM), 0);
    status = child_end(child);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM, "status %x", status);
    cr_assert(is_as_before(&pty));
    pty_close(&pty);
}

Test(signals, stay_ignored_where_they_were)
{
    struct ending n;

    ending_init(&n);
    (void)signal(SIGHUP, SIG_IGN);
    signals_init(n.loop, &n.power);
    cr_assert_eq(raise(SIGHUP), 0);
    cr_assert_eq(signals_caught(), 0);
    signals_finish();
    cr_assert_eq(signal(SIGHUP, SIG_DFL), SIG_IGN);
    loop_destroy(n.loop);
}

Test(signals, have_their_defaults_afterwards)
{
    struct ending n;

    ending_init(&n);
    signals_init(n.loop, &n.power);
    signals_finish();
    for (unsigned i = 0; i < 4; i++)
        cr_assert_eq(signal(end_signals[i], SIG_DFL), SIG_DFL);
    loop_destroy(n.loop);
}

Test(signals, make_writing_beyond_the_size_limit_an_error)
{
    char path[] = "/tmp/test_signals.XXXXXX";
    struct rlimit none = { 0, 0 };
    int fd = mkstemp(path);

    (void)unlink(path);
    (void)signal(SIGXFSZ, SIG_DFL);
    signals_hold(); /* ignores SIGXFSZ from here on: a drive is opened before there is a loop */
    signals_release();
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
    cr_assert_eq(write(fd, "x", 1), -1);
    cr_assert_eq(errno, EFBIG);
}

/* The kernel sends the first process of a pid namespace no signal that it does not handle. */
static void is_the_first_process(int ready)
{
    pid_t child;
    int status;

    if (unshare(CLONE_NEWPID) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWPID) < 0)
        _exit(93);
    child = fork();
    if (child == 0) {
        struct ending n;

        ending_init(&n);
        signals_init(n.loop, &n.power);
        (void)raise(SIGTERM);
        tell(ready);
        (void)loop_run(n.loop);
        if (signals_caught() != SIGTERM)
            _exit(92);
        (void)raise(SIGINT);
        _exit(91); /* the second one does not wait */
    }
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status))
        _exit(90);
    _exit(WEXITSTATUS(status));
}

Test(signals, end_the_first_process_of_a_namespace_too)
{
    int status = child_end(child_start(is_the_first_process));

    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 128 + SIGINT, "status %x", status);
}

Test(signals, make_writing_to_a_closed_pipe_an_error)
{
    struct ending n;
    int fds[2];

    ending_init(&n);
    signals_init(n.loop, &n.power);
    cr_assert_eq(pipe(fds), 0);
    (void)close(fds[0]);
    cr_assert_eq(write(fds[1], "x", 1), -1);
    signals_finish();
    loop_destroy(n.loop);
}
