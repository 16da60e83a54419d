/*
 * Signals that kill.
 *
 * The handler puts the previous action back and lets the signal strike again, as if it had not been
 * caught: a processor fault repeats when the handler returns, at the same address; any other signal
 * is raised again. Where the previous action is the default, only the first process of a pid
 * namespace survives that, because the kernel sends it no signal that it does not handle. It then
 * goes on after a signal that somebody sent, as it would have without this handler. But it exits
 * after a signal that it brought on itself, by abort or by a system call that a filter forbids.
 */
#include "api/run/deadly.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

#include "api/run/terminal.h"
#include "core/log/log.h"

#define SIGNALS 65

static const int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS, SIGTRAP };

#define FAULTS (sizeof(faults) / sizeof(faults[0]))

/* Indexed by signal. Written before the handler is installed; the handler reads it. */
static struct {
    bool hooked;
    struct sigaction before;
} deadly[SIGNALS];

static bool signal_is_fault(int sig)
{
    for (size_t i = 0; i < FAULTS; i++)
        if (faults[i] == sig)
            return true;
    return false;
}

static bool signal_kills_by_default(int sig)
{
    switch (sig) {
    case SIGKILL: /* kills, but cannot be caught */
    case SIGSTOP:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
    case SIGCONT:
    case SIGCHLD:
    case SIGURG:
    case SIGWINCH:
        return false;
    default:
        return true;
    }
}

static void signal_unblock(int sig)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, sig);
    (void)sigprocmask(SIG_UNBLOCK, &set, NULL);
}

_Noreturn void deadly_die(int sig)
{
    (void)signal(sig, SIG_DFL);
    (void)raise(sig);
    signal_unblock(sig);
    _exit(128 + sig); /* the status by which shells report such a death */
}

/* Whether this process brought the signal on itself: a fault, or a signal that it sent. */
static bool signal_is_own(int sig, const siginfo_t *info)
{
    return info->si_code > 0 ? signal_is_fault(sig) : info->si_pid == getpid();
}

/* Whether it is a processor fault, which repeats when the handler returns. */
static bool signal_happens_again(int sig, const siginfo_t *info)
{
    return info->si_code > 0 && (sig == SIGSEGV || sig == SIGBUS || sig == SIGILL || sig == SIGFPE);
}

static void deadly_handle(int sig, siginfo_t *info, void *context);

static void deadly_hook_signal(int sig, struct sigaction *before)
{
    const struct sigaction action = { .sa_sigaction = deadly_handle,
                                      .sa_flags = SA_SIGINFO | SA_RESTART };

    (void)sigaction(sig, &action, before);
}

static void deadly_handle(int sig, siginfo_t *info, void *context)
{
    const struct sigaction *before = &deadly[sig].before;
    int errno_before = errno;

    (void)context;
    if (before->sa_handler == SIG_IGN && !signal_happens_again(sig, info))
        return;
    terminal_restore_mode();
    log_flush(0);
    (void)sigaction(sig, before, NULL);
    if (signal_happens_again(sig, info))
        return;
    (void)raise(sig);
    signal_unblock(sig);
    /* Still alive: the first process of a pid namespace, or `before` was a handler. */
    if (before->sa_handler == SIG_DFL && signal_is_own(sig, info))
        _exit(128 + sig);
    deadly_hook_signal(sig, NULL);
    terminal_raw_mode();
    errno = errno_before;
}

void deadly_hook(void)
{
    for (int sig = 1; sig < SIGNALS; sig++) {
        struct sigaction before;

        if (!signal_kills_by_default(sig) || deadly[sig].hooked ||
            sigaction(sig, NULL, &before) < 0)
            continue;
        if (before.sa_handler != SIG_DFL && !signal_is_fault(sig))
            continue;
        deadly[sig].before = before;
        deadly[sig].hooked = true;
        deadly_hook_signal(sig, NULL);
    }
}

void deadly_unhook(void)
{
    for (int sig = 1; sig < SIGNALS; sig++) {
        struct sigaction now;

        if (!deadly[sig].hooked)
            continue;
        if (sigaction(sig, NULL, &now) == 0 && now.sa_sigaction == deadly_handle)
            (void)sigaction(sig, &deadly[sig].before, NULL);
        deadly[sig].hooked = false;
    }
}
