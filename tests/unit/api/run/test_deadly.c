/* Signals that kill: each restores the terminal and then kills. */
#include "api/run/deadly.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "api/run/terminal.h"
#include "lib/forbid.h"
#include "lib/pty.h"

/* Whether the signal, sent by another process, kills a process that does not handle it. */
static bool kills(int sig)
{
    switch (sig) {
    case SIGKILL:
    case SIGSTOP:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
    case SIGCONT:
    case SIGCHLD:
    case SIGURG:
    case SIGWINCH:
    case 32: /* the C library's own */
    case 33:
        return false;
    }
    return true;
}

static void defaults(void)
{
    for (int sig = 1; sig < 65; sig++)
        (void)signal(sig, SIG_DFL);
    (void)alarm(0);
}

/* Starts a process that makes the terminal raw and then runs `story`. Returns once it is raw. */
static pid_t child_start(const struct pty *p, void (*story)(void))
{
    int ready[2];
    char byte;
    pid_t child;

    cr_assert_eq(pipe(ready), 0);
    child = fork();
    if (child == 0) {
        defaults();
        deadly_hook();
        if (terminal_raw(p->slave, NULL) < 0 || !is_raw(p) || write(ready[1], "r", 1) != 1)
            _exit(99);
        story();
        _exit(98);
    }
    (void)close(ready[1]);
    cr_assert_eq(read(ready[0], &byte, 1), 1);
    (void)close(ready[0]);
    return child;
}

static int child_end(pid_t child)
{
    int status;

    cr_assert_eq(waitpid(child, &status, 0), child);
    return status;
}

static void wait_for_it(void)
{
    for (;;)
        (void)pause();
}

Test(deadly, each_one_restores_the_terminal_and_kills)
{
    unsigned count = 0;

    for (int sig = 1; sig < 65; sig++) {
        struct pty p;
        pid_t child;
        int status;

        if (!kills(sig))
            continue;
        p = pty_open();
        child = child_start(&p, wait_for_it);
        cr_assert_eq(kill(child, sig), 0);
        status = child_end(child);
        cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == sig, "signal %d: status %x", sig,
                  status);
        cr_assert(is_as_before(&p), "signal %d", sig);
        pty_close(&p);
        count++;
    }
    cr_assert_gt(count, 50);
}

static void fault(void)
{
    __builtin_trap();
}

static void pass_its_time(void)
{
    (void)alarm(1);
    wait_for_it();
}

Test(deadly, faults_and_what_a_process_does_to_itself)
{
    static const struct {
        void (*story)(void);
        int sig;
    } ends[] = { { fault, SIGILL }, { abort, SIGABRT }, { pass_its_time, SIGALRM } };

    for (unsigned i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        struct pty p = pty_open();
        int status = child_end(child_start(&p, ends[i].story));

        cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == ends[i].sig, "status %x", status);
        cr_assert(is_as_before(&p));
        pty_close(&p);
    }
}

Test(deadly, what_is_ignored_or_handled_stays_so)
{
    struct pty p = pty_open();

    (void)signal(SIGUSR1, SIG_IGN);
    (void)signal(SIGSYS, SIG_IGN);
    deadly_hook();
    cr_assert_eq(terminal_raw(p.slave, NULL), 0);
    cr_assert_eq(raise(SIGUSR1), 0);
    cr_assert_eq(raise(SIGSYS), 0);
    cr_assert(is_raw(&p));
    (void)signal(SIGUSR2, SIG_IGN); /* meanwhile */
    terminal_restore();
    deadly_unhook();
    cr_assert_eq(signal(SIGUSR1, SIG_DFL), SIG_IGN);
    cr_assert_eq(signal(SIGUSR2, SIG_DFL), SIG_IGN);
    cr_assert_eq(signal(SIGSYS, SIG_DFL), SIG_IGN);
    cr_assert_eq(signal(SIGQUIT, SIG_DFL), SIG_DFL);
    pty_close(&p);
}

/* Runs `story` in the first process of a pid namespace, to which the kernel sends no signal that it
 * does not handle. Its parent is a process of its own, because unshare puts all the caller's later
 * children into the namespace. Returns its exit status. */
static int first_process(const struct pty *p, void (*story)(void))
{
    pid_t parent = fork();
    int status;

    if (parent == 0) {
        pid_t child;

        if (unshare(CLONE_NEWPID) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWPID) < 0)
            _exit(97);
        child = child_start(p, story);
        status = child_end(child);
        _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 95);
    }
    status = child_end(parent);
    cr_assert(WIFEXITED(status), "status %x", status);
    return WEXITSTATUS(status);
}

static void die_politely(void)
{
    terminal_restore_mode();
    deadly_die(SIGTERM);
}

static struct pty first;

static void signal_itself(void)
{
    (void)raise(SIGUSR1);
}

/* A signal from another process does nothing, as without a handler: what it interrupted goes on. */
static void see_others_signals(void)
{
    pid_t other = fork();

    if (other == 0) {
        (void)kill(1, SIGUSR1);
        _exit(0);
    }
    errno = E2BIG;
    while (waitpid(other, NULL, WNOHANG) == 0)
        ;
    if (errno != E2BIG)
        _exit(40);
    _exit(is_raw(&first) ? 42 : 41);
}

static void read_through_others_signals(void)
{
    int ends[2];
    char byte;

    if (pipe(ends) < 0)
        _exit(39);
    if (fork() == 0) {
        for (unsigned i = 0; i < 1000; i++) {
            (void)kill(1, SIGUSR1);
            (void)sched_yield();
        }
        _exit(write(ends[1], "w", 1) != 1);
    }
    _exit(read(ends[0], &byte, 1) == 1 ? 42 : 38);
}

/* A seccomp filter's SIGSYS does not repeat when the handler returns, as a processor fault does. */
static void call_what_is_forbidden(void)
{
    forbid_by(SYS_getppid, SECCOMP_RET_TRAP);
    (void)syscall(SYS_getppid);
}

Test(deadly, the_first_process_of_a_namespace)
{
    first = pty_open();
    cr_assert_eq(first_process(&first, die_politely), 128 + SIGTERM);
    cr_assert_eq(first_process(&first, abort), 128 + SIGABRT);
    cr_assert(is_as_before(&first));
    cr_assert_eq(first_process(&first, signal_itself), 128 + SIGUSR1);
    cr_assert(is_as_before(&first));
    cr_assert_eq(first_process(&first, call_what_is_forbidden), 128 + SIGSYS);
    cr_assert(is_as_before(&first));
    cr_assert_eq(first_process(&first, see_others_signals), 42);
    cr_assert_eq(first_process(&first, read_through_others_signals), 42);
    pty_close(&first);
}
