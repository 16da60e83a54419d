/*
 * Signals that kill.
 *
 * Each of them takes its way as if it had not been caught: a fault happens again when the handler
 * returns, now with its own address and without us; what was sent is sent again. Only the first
 * process of a pid namespace lives on, since the kernel gives it no signal that it does not handle:
 * then what somebody sent did nothing, as it would have without us; but what the process did to
 * itself, by abort or by a call that a filter forbids, was meant.
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

/* Written while no handler of ours is there, read by the handler. */
static struct {
    bool hooked;
    struct sigaction before;
} deadly[SIGNALS];

static bool is_fault(int sig)
{
    for (size_t i = 0; i < FAULTS; i++)
        if (faults[i] == sig)
            return true;
    return false;
}

static bool kills_by_default(int sig)
{
    switch (sig) {
    case SIGKILL: /* nor can it be caught */
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

static void unblock(int sig)
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
    unblock(sig);
    _exit(128 + sig); /* what a shell calls such a death */
}

/* What this process did, not what somebody sent: a fault, and a signal of its own. */
static bool is_own(int sig, const siginfo_t *info)
{
    return info->si_code > 0 ? is_fault(sig) : info->si_pid == getpid();
}

/* The processor raised it and will again. */
static bool happens_again(int sig, const siginfo_t *info)
{
    return info->si_code > 0 && (sig == SIGSEGV || sig == SIGBUS || sig == SIGILL || sig == SIGFPE);
}

static void on_deadly(int sig, siginfo_t *info, void *context);

static void hook(int sig, struct sigaction *before)
{
    const struct sigaction action = { .sa_sigaction = on_deadly,
                                      .sa_flags = SA_SIGINFO | SA_RESTART };

    (void)sigaction(sig, &action, before);
}

static void on_deadly(int sig, siginfo_t *info, void *context)
{
    const struct sigaction *before = &deadly[sig].before;
    int errno_before = errno;

    (void)context;
    if (before->sa_handler == SIG_IGN && !happens_again(sig, info))
        return;
    terminal_restore_mode();
    log_flush(0);
    (void)sigaction(sig, before, NULL);
    if (happens_again(sig, info))
        return;
    (void)raise(sig);
    unblock(sig);
    /* Still here: the first process of a namespace, or one with a handler of its own. */
    if (before->sa_handler == SIG_DFL && is_own(sig, info))
        _exit(128 + sig);
    hook(sig, NULL);
    terminal_raw_mode();
    errno = errno_before;
}

void deadly_hook(void)
{
    for (int sig = 1; sig < SIGNALS; sig++) {
        struct sigaction before;

        if (!kills_by_default(sig) || deadly[sig].hooked || sigaction(sig, NULL, &before) < 0)
            continue;
        if (before.sa_handler != SIG_DFL && !is_fault(sig))
            continue;
        deadly[sig].before = before;
        deadly[sig].hooked = true;
        hook(sig, NULL);
    }
}

void deadly_unhook(void)
{
    for (int sig = 1; sig < SIGNALS; sig++) {
        struct sigaction now;

        if (!deadly[sig].hooked)
            continue;
        if (sigaction(sig, NULL, &now) == 0 && now.sa_sigaction == on_deadly)
            (void)sigaction(sig, &deadly[sig].before, NULL);
        deadly[sig].hooked = false;
    }
}
