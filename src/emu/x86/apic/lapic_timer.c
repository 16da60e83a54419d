/*
 * The local APIC's timer: one-shot, periodic and TSC-deadline (SDM 3A, 11.5.4), over a timer of the
 * host's.
 *
 * It counts at LAPIC_TIMER_HZ divided by the divide register. A period begins where the last one
 * ended, whenever that came to be noticed. A host that was late for several ends owes the guest
 * their ticks: the next one comes with the end of interrupt of the last, as a guest that counts
 * them would lose time. A second's worth is owed at most: the machine may have been paused for an
 * hour.
 *
 * A host that comes very late had stopped the machine, or gave it no processor. A guest with Linux
 * has a timer due within four seconds on each of its processors, and takes twenty without it for
 * its own standing still; so it is told (kvmclock.h).
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

/* Periods below this are stretched: a guest must not keep its host busy with signals alone. */
#define PERIOD_MIN_NS 20000u

/* What may be owed at most. */
#define OWED_MAX_NS NS_PER_S

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

static void wake_at(struct lapic *l, uint64_t at_ns)
{
    l->timer_wake_ns = at_ns;
    if (l->has_timer)
        host_timer_set(l->timer, at_ns);
}

static void stop(struct lapic *l)
{
    l->timer_period_ns = 0;
    l->timer_owed = 0;
    l->tsc_deadline = 0;
    wake_at(l, 0);
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
    l->timer_owed = 0;
    wake_at(l, period ? now_ns + period : 0);
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
        wake_at(l, 0);
        return;
    }
    now = tsc_guest(l->cpu);
    if (tsc <= now)
        cpu_request(l->cpu, CPU_REQ_TIMER);
    else
        wake_at(l, clock_now_ns() + tsc_to_ns(l->cpu->emu, tsc - now));
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
    uint64_t now = tsc_guest(l->cpu);

    if (l->tsc_deadline == 0)
        return;
    if (l->tsc_deadline > now) { /* the host's clock was a little ahead */
        wake_at(l, clock_now_ns() + tsc_to_ns(l->cpu->emu, l->tsc_deadline - now));
        return;
    }
    l->tsc_deadline = 0;
    fire(l);
}

/* Whether a tick waits for the processor, which another one would fold into. */
static bool tick_waits(const struct lapic *l)
{
    unsigned vector = l->lvt[LVT_TIMER] & 0xffu;

    return __atomic_load_n(&l->irr[vector / 32], __ATOMIC_ACQUIRE) >> vector % 32 & 1u;
}

static void owed_fire(struct lapic *l)
{
    if (l->timer_owed == 0 || tick_waits(l))
        return;
    l->timer_owed--;
    fire(l);
}

/* The ends of periods that came since the last one noticed: one tick now, unless one waits already,
 * and the others are owed. Nobody counts those of a masked timer. */
static void periods_end(struct lapic *l, uint64_t gone_ns)
{
    uint64_t periods = gone_ns / l->timer_period_ns;
    uint64_t owed = l->timer_owed + periods;
    uint64_t most = OWED_MAX_NS / l->timer_period_ns + 1;

    l->timer_owed = (uint32_t)(owed < most ? owed : most);
    if (l->lvt[LVT_TIMER] & LVT_MASKED)
        l->timer_owed = 0;
    l->timer_started_ns += periods * l->timer_period_ns;
    wake_at(l, l->timer_started_ns + l->timer_period_ns);
    owed_fire(l);
}

void lapic_timer_served(struct lapic *l, uint8_t vector)
{
    if (vector == (uint8_t)l->lvt[LVT_TIMER])
        owed_fire(l);
}

static void see_how_late(struct lapic *l, uint64_t now_ns)
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

    see_how_late(l, now_ns);
    if (MODE(l->lvt[LVT_TIMER]) == MODE_DEADLINE) {
        deadline_reached(l);
        return;
    }
    if (l->timer_period_ns == 0 || gone < l->timer_period_ns)
        return;
    if (MODE(l->lvt[LVT_TIMER]) == MODE_PERIODIC) {
        periods_end(l, gone);
        return;
    }
    l->timer_period_ns = 0;
    fire(l);
}
