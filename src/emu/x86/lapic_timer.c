/*
 * The local APIC's timer: one-shot, periodic and TSC-deadline (SDM 3A, 11.5.4).
 *
 * It counts at LAPIC_TIMER_HZ divided by the divide register. A POSIX timer on CLOCK_MONOTONIC
 * stands behind it and signals the vCPU's own thread, whose handler sets CPU_REQ_TIMER: a running
 * processor sees that at the end of its block, a halted one is woken by the signal itself.
 */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/err.h"
#include "emu/x86/clock.h"
#include "emu/x86/cpu.h"
#include "emu/x86/lapic.h"
#include "emu/x86/lapic_internal.h"

#define NS_PER_S     UINT64_C(1000000000)
#define NS_PER_COUNT (NS_PER_S / LAPIC_TIMER_HZ)

#define MODE(lvt)     ((lvt) >> 17 & 3u)
#define MODE_ONE_SHOT 0u
#define MODE_PERIODIC 1u
#define MODE_DEADLINE 2u

/* Periods below this are stretched: a guest must not keep its host busy with signals alone. */
#define PERIOD_MIN_NS 20000u

static void on_signal(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    cpu_request(info->si_value.sival_ptr, CPU_REQ_TIMER);
}

int lapic_start(struct lapic *l, struct err *e)
{
    struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    struct sigevent event = {
        .sigev_notify = SIGEV_THREAD_ID,
        .sigev_signo = LAPIC_TIMER_SIGNAL,
        .sigev_value.sival_ptr = l->cpu,
    };
    sigset_t set;

    if (l->has_timer)
        return 0;
    event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
    (void)sigemptyset(&set);
    (void)sigaddset(&set, LAPIC_TIMER_SIGNAL);
    if (sigaction(LAPIC_TIMER_SIGNAL, &action, NULL) || pthread_sigmask(SIG_UNBLOCK, &set, NULL) ||
        timer_create(CLOCK_MONOTONIC, &event, &l->timer))
        return err_sys(e, "cannot make the timer of processor %u", l->cpu->accel.id);
    l->has_timer = true;
    return 0;
}

void lapic_finish(struct lapic *l)
{
    if (l->has_timer)
        (void)timer_delete(l->timer);
    l->has_timer = false;
}

/* Asks for a signal at this CLOCK_MONOTONIC time; 0: none any more. */
static void host_timer_set(struct lapic *l, uint64_t at_ns)
{
    struct itimerspec spec = {
        .it_value = { .tv_sec = (time_t)(at_ns / NS_PER_S), .tv_nsec = (long)(at_ns % NS_PER_S) },
    };

    if (l->has_timer)
        (void)timer_settime(l->timer, TIMER_ABSTIME, &spec, NULL);
}

static void stop(struct lapic *l)
{
    l->timer_period_ns = 0;
    l->tsc_deadline = 0;
    host_timer_set(l, 0);
}

void lapic_timer_reset(struct lapic *l)
{
    stop(l);
    l->timer_initial = 0;
    l->timer_divide = 0;
}

/* 2, 4, ... 128, 1 for the register's values 0 to 7 (bits 0, 1 and 3). */
static unsigned divisor(const struct lapic *l)
{
    unsigned code = (l->timer_divide & 3u) | (l->timer_divide >> 1 & 4u);

    return 1u << ((code + 1) & 7u);
}

static void count_from(struct lapic *l, uint64_t now_ns)
{
    uint64_t period = (uint64_t)l->timer_initial * NS_PER_COUNT * divisor(l);

    if (MODE(l->lvt[LVT_TIMER]) == MODE_PERIODIC && period && period < PERIOD_MIN_NS)
        period = PERIOD_MIN_NS;
    l->timer_period_ns = period;
    l->timer_started_ns = now_ns;
    host_timer_set(l, period ? now_ns + period : 0);
}

void lapic_timer_start(struct lapic *l, uint32_t initial)
{
    if (MODE(l->lvt[LVT_TIMER]) == MODE_DEADLINE)
        return;
    l->timer_initial = initial;
    count_from(l, clock_now_ns());
}

void lapic_timer_divide(struct lapic *l, uint32_t divide)
{
    l->timer_divide = divide;
    if (l->timer_period_ns)
        count_from(l, clock_now_ns());
}

void lapic_timer_mode(struct lapic *l, uint32_t lvt)
{
    bool was_deadline = MODE(l->lvt[LVT_TIMER]) == MODE_DEADLINE;

    if (was_deadline != (MODE(lvt) == MODE_DEADLINE))
        stop(l); /* "a change into or out of TSC-deadline mode disarms the timer" */
}

void lapic_timer_deadline(struct lapic *l, uint64_t tsc)
{
    uint64_t now;

    if (MODE(l->lvt[LVT_TIMER]) != MODE_DEADLINE)
        return;
    l->tsc_deadline = tsc;
    if (tsc == 0) {
        host_timer_set(l, 0);
        return;
    }
    now = clock_guest_tsc(l->cpu);
    if (tsc <= now)
        cpu_request(l->cpu, CPU_REQ_TIMER);
    else
        host_timer_set(l, clock_now_ns() + clock_tsc_to_ns(l->cpu->emu, tsc - now));
}

uint32_t lapic_timer_current(const struct lapic *l)
{
    uint64_t gone = clock_now_ns() - l->timer_started_ns;

    if (l->timer_period_ns == 0)
        return 0;
    if (MODE(l->lvt[LVT_TIMER]) == MODE_PERIODIC)
        gone %= l->timer_period_ns;
    else if (gone >= l->timer_period_ns)
        return 0;
    return (uint32_t)((l->timer_period_ns - gone) / (NS_PER_COUNT * divisor(l)));
}

static void fire(struct lapic *l)
{
    uint32_t lvt = l->lvt[LVT_TIMER];

    if (!(lvt & LVT_MASKED))
        lapic_raise(l, (uint8_t)lvt, false);
}

static void deadline_reached(struct lapic *l)
{
    uint64_t now = clock_guest_tsc(l->cpu);

    if (l->tsc_deadline == 0)
        return;
    if (l->tsc_deadline > now) { /* the host's clock was a little ahead */
        host_timer_set(l, clock_now_ns() + clock_tsc_to_ns(l->cpu->emu, l->tsc_deadline - now));
        return;
    }
    l->tsc_deadline = 0;
    fire(l);
}

void lapic_timer_ran_out(struct lapic *l)
{
    uint64_t now = clock_now_ns();

    if (MODE(l->lvt[LVT_TIMER]) == MODE_DEADLINE) {
        deadline_reached(l);
        return;
    }
    if (l->timer_period_ns == 0 || now - l->timer_started_ns < l->timer_period_ns)
        return;
    if (MODE(l->lvt[LVT_TIMER]) == MODE_PERIODIC)
        count_from(l, now);
    else
        l->timer_period_ns = 0;
    fire(l);
}
