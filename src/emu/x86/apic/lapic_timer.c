/*
 * The local APIC's timer: one-shot, periodic and TSC-deadline mode (SDM 3A, 11.5.4), built on a
 * host timer.
 *
 * It counts at LAPIC_TIMER_HZ divided by the divide register. A period begins when the last one
 * ended, not when the host noticed the end. If the host misses the ends of several periods it owes
 * the guest their ticks, since a guest that counts ticks would lose time. One tick fires at once
 * and each of the others at the EOI of the one before. At most a second's worth is owed, because
 * the machine may have been paused for an hour.
 *
 * If the host timer comes very late, the host had stopped the machine or given it no processor
 * time. Linux's watchdog sets a timer every four seconds on each processor and reports a lockup if
 * none came for twenty seconds. The guest is therefore told of the pause (kvmclock_stopped).
 */
#include <stddef.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "emu/x86/apic/lapic.h"
#include "emu/x86/apic/lapic_internal.h"
#include "emu/x86/cpu/cpu.h"
#include "emu/x86/time/host_timer.h"
#include "emu/x86/time/kvmclock.h"
#include "emu/x86/time/tsc.h"

#define NS_PER_COUNT (NS_PER_S / LAPIC_TIMER_HZ)

#define MODE(lvt)     ((lvt) >> 17 & 3u)
#define MODE_ONE_SHOT 0u
#define MODE_PERIODIC 1u
#define MODE_DEADLINE 2u

#define OWED_MAX_NS  NS_PER_S
#define VERY_LATE_NS (5 * NS_PER_S)

int lapic_start(struct lapic *l, struct err *e)
{
    int ret;

    if (l->has_timer)
        return 0;
    ret = host_timer_init(&l->timer, l->cpu, e);
    l->has_timer = ret == 0;
    return ret;
}

void lapic_finish(struct lapic *l)
{
    if (l->has_timer)
        host_timer_finish(l->timer);
    l->has_timer = false;
}

static void lapic_timer_wake_at(struct lapic *l, uint64_t at_ns)
{
    l->timer_wake_ns = at_ns;
    if (l->has_timer)
        host_timer_set(l->timer, at_ns);
}

static void lapic_timer_stop(struct lapic *l)
{
    l->timer_period_ns = 0;
    l->timer_owed = 0;
    l->tsc_deadline = 0;
    lapic_timer_wake_at(l, 0);
}

void lapic_timer_reset(struct lapic *l)
{
    lapic_timer_stop(l);
    l->timer_initial = 0;
    l->timer_divide = 0;
}

/* Bits 0, 1 and 3 of the register are a code 0 to 7, for divisors 2, 4, ... 128, 1. */
static unsigned lapic_timer_divisor(const struct lapic *l)
{
    unsigned code = (l->timer_divide & 3u) | (l->timer_divide >> 1 & 4u);

    return 1u << ((code + 1) & 7u);
}

static void lapic_timer_count_from(struct lapic *l, uint64_t now_ns)
{
    uint64_t period = (uint64_t)l->timer_initial * NS_PER_COUNT * lapic_timer_divisor(l);

    if (MODE(l->lvt[LVT_TIMER]) == MODE_PERIODIC && period && period < HOST_TIMER_MIN_NS)
        period = HOST_TIMER_MIN_NS;
    l->timer_period_ns = period;
    l->timer_started_ns = now_ns;
    l->timer_owed = 0;
    lapic_timer_wake_at(l, period ? now_ns + period : 0);
}

void lapic_timer_start(struct lapic *l, uint32_t initial)
{
    if (MODE(l->lvt[LVT_TIMER]) == MODE_DEADLINE)
        return;
    l->timer_initial = initial;
    lapic_timer_count_from(l, clock_now_ns());
}

void lapic_timer_divide(struct lapic *l, uint32_t divide)
{
    l->timer_divide = divide;
    if (l->timer_period_ns)
        lapic_timer_count_from(l, clock_now_ns());
}

void lapic_timer_mode(struct lapic *l, uint32_t lvt)
{
    bool was_deadline = MODE(l->lvt[LVT_TIMER]) == MODE_DEADLINE;

    if (was_deadline != (MODE(lvt) == MODE_DEADLINE))
        lapic_timer_stop(l); /* SDM 3A, 11.5.4.1; as on KVM, other mode changes do not stop it */
}

void lapic_timer_deadline(struct lapic *l, uint64_t tsc)
{
    uint64_t now;

    if (MODE(l->lvt[LVT_TIMER]) != MODE_DEADLINE)
        return;
    l->tsc_deadline = tsc;
    if (tsc == 0) {
        lapic_timer_wake_at(l, 0);
        return;
    }
    now = tsc_guest(l->cpu);
    if (tsc <= now)
        cpu_request(l->cpu, CPU_REQ_TIMER);
    else
        lapic_timer_wake_at(l, clock_now_ns() + tsc_to_ns(l->cpu->emu, tsc - now));
}

void lapic_tsc_moved(struct lapic *l)
{
    if (l->tsc_deadline)
        lapic_timer_deadline(l, l->tsc_deadline);
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
    return (uint32_t)((l->timer_period_ns - gone) / (NS_PER_COUNT * lapic_timer_divisor(l)));
}

static void lapic_timer_fire(struct lapic *l)
{
    uint32_t lvt = l->lvt[LVT_TIMER];

    if (!(lvt & LVT_MASKED))
        lapic_raise(l, (uint8_t)lvt, false);
}

static void lapic_timer_deadline_reached(struct lapic *l)
{
    uint64_t now = tsc_guest(l->cpu);

    if (l->tsc_deadline == 0)
        return;
    if (l->tsc_deadline > now) { /* the host timer came a little early */
        lapic_timer_wake_at(l, clock_now_ns() + tsc_to_ns(l->cpu->emu, l->tsc_deadline - now));
        return;
    }
    l->tsc_deadline = 0;
    lapic_timer_fire(l);
}

/* Whether a tick is still pending, so that another one would merge with it and be lost. */
static bool lapic_timer_tick_waits(const struct lapic *l)
{
    return lapic_bit_test(l->irr, (uint8_t)l->lvt[LVT_TIMER]);
}

static void lapic_timer_owed_fire(struct lapic *l)
{
    if (l->timer_owed == 0 || lapic_timer_tick_waits(l))
        return;
    l->timer_owed--;
    lapic_timer_fire(l);
}

/* Handles the ends of all periods since the last call: one tick fires now, unless one is pending
 * already, and the others are owed. A masked timer owes none. */
static void lapic_timer_periods_end(struct lapic *l, uint64_t gone_ns)
{
    uint64_t periods = gone_ns / l->timer_period_ns;
    uint64_t owed = l->timer_owed + periods;
    uint64_t most = OWED_MAX_NS / l->timer_period_ns + 1;

    l->timer_owed = (uint32_t)(owed < most ? owed : most);
    if (l->lvt[LVT_TIMER] & LVT_MASKED)
        l->timer_owed = 0;
    l->timer_started_ns += periods * l->timer_period_ns;
    lapic_timer_wake_at(l, l->timer_started_ns + l->timer_period_ns);
    lapic_timer_owed_fire(l);
}

void lapic_timer_served(struct lapic *l, uint8_t vector)
{
    if (vector == (uint8_t)l->lvt[LVT_TIMER])
        lapic_timer_owed_fire(l);
}

static void lapic_timer_check_late(struct lapic *l, uint64_t now_ns)
{
    if (l->timer_wake_ns == 0 || now_ns < l->timer_wake_ns)
        return;
    if (now_ns - l->timer_wake_ns >= VERY_LATE_NS)
        kvmclock_stopped(l->cpu);
    l->timer_wake_ns = 0;
}

void lapic_timer_ran_out(struct lapic *l)
{
    uint64_t now_ns = clock_now_ns();
    uint64_t gone = now_ns - l->timer_started_ns;

    lapic_timer_check_late(l, now_ns);
    if (MODE(l->lvt[LVT_TIMER]) == MODE_DEADLINE) {
        lapic_timer_deadline_reached(l);
        return;
    }
    if (l->timer_period_ns == 0 || gone < l->timer_period_ns)
        return;
    if (MODE(l->lvt[LVT_TIMER]) == MODE_PERIODIC) {
        lapic_timer_periods_end(l, gone);
        return;
    }
    l->timer_period_ns = 0;
    lapic_timer_fire(l);
}
