/* A host timer that wakes one processor. */
#include "emu/x86/time/host_timer.h"

#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "emu/x86/cpu/cpu.h"

#define TIMER_SIGNAL (SIGRTMIN + 1)

static void host_timer_on_signal(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    cpu_request(info->si_value.sival_ptr, CPU_REQ_TIMER);
}

int host_timer_init(timer_t *t, struct cpu *c, struct err *e)
{
    struct sigaction action = { .sa_sigaction = host_timer_on_signal,
                                .sa_flags = SA_SIGINFO | SA_ONSTACK };
    struct sigevent event = {
        .sigev_notify = SIGEV_THREAD_ID,
        .sigev_signo = TIMER_SIGNAL,
        .sigev_value.sival_ptr = c,
    };
    sigset_t set;

    event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
    (void)sigemptyset(&set);
    (void)sigaddset(&set, TIMER_SIGNAL);
    if (sigaction(TIMER_SIGNAL, &action, NULL) || pthread_sigmask(SIG_UNBLOCK, &set, NULL) ||
        timer_create(CLOCK_MONOTONIC, &event, t))
        return err_sys(e, "cannot create a host timer for vCPU %u", c->accel.id);
    return 0;
}

void host_timer_finish(timer_t t)
{
    (void)timer_delete(t);
}

void host_timer_set(timer_t t, uint64_t at_ns)
{
    struct itimerspec spec = {
        .it_value = { .tv_sec = (time_t)(at_ns / NS_PER_S), .tv_nsec = (long)(at_ns % NS_PER_S) },
    };

    (void)timer_settime(t, TIMER_ABSTIME, &spec, NULL);
}
