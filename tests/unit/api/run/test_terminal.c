#include "api/run/terminal.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "api/run/deadly.h"
#include "lib/pty.h"

static void raw_or_exit(const struct pty *p)
{
    struct err e;

    if (terminal_raw(p->slave, &e) < 0)
        _exit(99);
}

Test(terminal, is_raw_but_for_output)
{
    struct pty p = pty_open();
    struct termios now;
    struct err e;

    cr_assert_eq(terminal_raw(p.slave, &e), 0);
    cr_assert_eq(tcgetattr(p.slave, &now), 0);
    cr_assert_eq(now.c_lflag & (ICANON | ECHO | ISIG | IEXTEN), 0);
    cr_assert_eq(now.c_iflag & (ICRNL | IXON | ISTRIP | INLCR), 0);
    cr_assert_eq(now.c_oflag, p.before.c_oflag, "our own messages keep their line ends");
    cr_assert(now.c_oflag & OPOST);
    cr_assert_eq(now.c_cc[VMIN], 1);
    terminal_restore();
    cr_assert(is_as_before(&p));
    pty_close(&p);
}

Test(terminal, can_be_taken_again)
{
    struct pty p = pty_open();

    for (int i = 0; i < 3; i++) {
        cr_assert_eq(terminal_raw(p.slave, NULL), 0);
        cr_assert_eq(terminal_raw(p.slave, NULL), 0, "twice is once");
        cr_assert(is_raw(&p));
        terminal_restore();
        terminal_restore();
        cr_assert(is_as_before(&p));
    }
    pty_close(&p);
}

Test(terminal, leaves_other_descriptors_alone)
{
    int fds[2];

    cr_assert_eq(pipe(fds), 0);
    cr_assert_eq(terminal_raw(fds[0], NULL), 0);
    cr_assert_eq(terminal_raw(-1, NULL), 0);
    terminal_restore_mode();
    terminal_restore();
    cr_assert_eq(signal(SIGTSTP, SIG_DFL), SIG_DFL, "nothing was hooked");
    cr_assert_eq(signal(SIGCONT, SIG_DFL), SIG_DFL);
}

Test(terminal, handlers_keep_errno)
{
    struct pty p = pty_open();

    cr_assert_eq(terminal_raw(p.slave, NULL), 0);
    errno = E2BIG; /* the terminal is not this process's: asking for its foreground fails */
    cr_assert_eq(raise(SIGCONT), 0);
    cr_assert_eq(errno, E2BIG);
    terminal_restore();
    pty_close(&p);
}

Test(terminal, unhooks_what_it_hooked)
{
    static const int hooked[] = { SIGTSTP, SIGCONT };
    struct pty p = pty_open();

    for (unsigned i = 0; i < sizeof(hooked) / sizeof(hooked[0]); i++)
        (void)signal(hooked[i], SIG_IGN);
    cr_assert_eq(terminal_raw(p.slave, NULL), 0);
    terminal_restore();
    for (unsigned i = 0; i < sizeof(hooked) / sizeof(hooked[0]); i++)
        cr_assert_eq(signal(hooked[i], SIG_DFL), SIG_IGN, "signal %d", hooked[i]);
    pty_close(&p);
}

/* Job control needs a session that owns the terminal. The exit status of the session's leader is 0,
 * or one more than the number (modulo 255) of the line whose fact did not hold. */
#define HOLDS(fact)                    \
    do {                               \
        if (!(fact))                   \
            _exit(1 + __LINE__ % 255); \
    } while (0)

static bool becomes_raw(const struct pty *p)
{
    for (int i = 0; i < 5000; i++) {
        if (is_raw(p))
            return true;
        (void)nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    }
    return false;
}

static void session(void (*story)(const struct pty *p))
{
    struct pty p = pty_open();
    pid_t leader = fork();
    int status;

    if (leader == 0) {
        HOLDS(setsid() > 0);
        HOLDS(ioctl(p.slave, TIOCSCTTY, 0) == 0);
        (void)signal(SIGTTOU, SIG_IGN); /* as shells do */
        (void)signal(SIGHUP, SIG_IGN);
        story(&p);
        _exit(0);
    }
    cr_assert_eq(waitpid(leader, &status, 0), leader);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "line %d of this file modulo 255",
              WEXITSTATUS(status) - 1);
    pty_close(&p);
}

/* Starts a process group of its own in the session, and returns once it has called terminal_raw. */
static pid_t job(const struct pty *p, bool foreground)
{
    int go[2], done[2];
    char byte;
    pid_t child;

    HOLDS(pipe(go) == 0 && pipe(done) == 0);
    child = fork();
    if (child == 0) {
        (void)signal(SIGTTOU, SIG_DFL);
        (void)signal(SIGABRT, SIG_DFL);
        HOLDS(read(go[0], &byte, 1) == 1);
        deadly_hook();
        raw_or_exit(p);
        HOLDS(write(done[1], "d", 1) == 1);
        for (;;)
            (void)pause();
    }
    HOLDS(child > 0 && setpgid(child, child) == 0);
    if (foreground)
        HOLDS(tcsetpgrp(p->slave, child) == 0);
    HOLDS(write(go[1], "g", 1) == 1);
    HOLDS(poll(&(struct pollfd){ .fd = done[0], .events = POLLIN }, 1, 10000) == 1);
    return child;
}

static void stopped_and_continued(const struct pty *p)
{
    pid_t child = job(p, true);
    int status;

    for (int i = 0; i < 3; i++) {
        HOLDS(becomes_raw(p));
        HOLDS(kill(child, SIGTSTP) == 0);
        HOLDS(waitpid(child, &status, WUNTRACED) == child);
        HOLDS(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTSTP);
        HOLDS(is_as_before(p));
        HOLDS(kill(child, SIGCONT) == 0);
    }
    HOLDS(becomes_raw(p));
    HOLDS(kill(child, SIGABRT) == 0);
    HOLDS(waitpid(child, &status, 0) == child);
    HOLDS(is_as_before(p));
}

Test(terminal, is_lent_to_the_shell_while_stopped)
{
    session(stopped_and_continued);
}

static void hard_stopped(const struct pty *p)
{
    pid_t child = job(p, true);
    int status;

    HOLDS(becomes_raw(p));
    HOLDS(kill(child, SIGSTOP) == 0);
    HOLDS(waitpid(child, &status, WUNTRACED) == child);
    HOLDS(tcsetattr(p->slave, TCSANOW, &p->before) == 0); /* as shells do */
    HOLDS(kill(child, SIGCONT) == 0);
    HOLDS(becomes_raw(p));
    HOLDS(kill(child, SIGKILL) == 0);
    HOLDS(waitpid(child, &status, 0) == child);
}

Test(terminal, is_raw_again_after_a_stop_nobody_can_catch)
{
    session(hard_stopped);
}

static void in_the_background(const struct pty *p)
{
    pid_t child = job(p, false);
    int status;

    HOLDS(is_as_before(p));
    HOLDS(tcsetpgrp(p->slave, child) == 0);
    HOLDS(kill(child, SIGCONT) == 0);
    HOLDS(becomes_raw(p));
    /* In the background again: the mode now belongs to the shell. */
    HOLDS(tcsetpgrp(p->slave, getpgrp()) == 0);
    HOLDS(kill(child, SIGABRT) == 0);
    HOLDS(waitpid(child, &status, WUNTRACED) == child);
    HOLDS(WIFSIGNALED(status)); /* and not stopped by SIGTTOU */
    HOLDS(is_raw(p));
}

Test(terminal, is_left_to_the_foreground_process)
{
    session(in_the_background);
}

static void waited_for(const struct pty *p)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        HOLDS(setpgid(0, 0) == 0);
        HOLDS(terminal_await(p->slave));
        _exit(0);
    }
    (void)setpgid(child, child);
    HOLDS(waitpid(child, &status, WUNTRACED) == child);
    HOLDS(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTTIN);
    HOLDS(tcsetpgrp(p->slave, child) == 0);
    HOLDS(kill(child, SIGCONT) == 0);
    HOLDS(waitpid(child, &status, 0) == child);
    HOLDS(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void failed_in_front(const struct pty *p)
{
    HOLDS(!terminal_await(p->slave));
}

Test(terminal, is_waited_for_only_in_the_background)
{
    session(waited_for);
    session(failed_in_front);
}
