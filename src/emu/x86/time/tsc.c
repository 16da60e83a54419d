/*
 * The time stamp counter.
 *
 * Its frequency is measured from two samples of the TSC and the monotonic clock, one when the
 * machine is created and one before its first instruction. The kernel is loaded between the two; if
 * that took less than BASELINE_NS, tsc_settle sleeps for the rest.
 */
#include "emu/x86/time/tsc.h"

#include <stddef.h>
#include <time.h>
#include <x86intrin.h>

#include "core/base/clock.h"
#include "emu/x86/cpu/cpu.h"
#include "emu/x86/cpu/machine.h"

#define SAMPLES 16u
/* The least time between the two samples. A sample is exact to about 50 ns, so the frequency is
 * exact to about 5 parts per million. */
#define BASELINE_NS (10 * NS_PER_MS)

uint64_t tsc_host(void)
{
    return __rdtsc();
}

struct tsc_sample tsc_sample(clockid_t clock)
{
    struct tsc_sample best = { 0 };
    uint64_t least = UINT64_MAX;

    for (unsigned i = 0; i < SAMPLES; i++) {
        uint64_t before = tsc_host(), after;
        struct timespec t;

        (void)clock_gettime(clock, &t);
        after = tsc_host();
        if (after - before >= least)
            continue;
        least = after - before;
        best.tsc = before + least / 2;
        best.ns = (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
    }
    return best;
}

void tsc_init(struct emu *m)
{
    struct tsc_sample start = tsc_sample(CLOCK_MONOTONIC);

    m->tsc_start = start.tsc;
    m->tsc_start_ns = start.ns;
}

void tsc_settle(struct emu *m)
{
    uint64_t until = m->tsc_start_ns + BASELINE_NS;
    struct timespec t = { .tv_sec = (time_t)(until / NS_PER_S),
                          .tv_nsec = (long)(until % NS_PER_S) };
    struct tsc_sample now;
    uint32_t khz, unknown = 0;

    if (tsc_khz(m))
        return;
    while (clock_now_ns() < until)
        (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
    now = tsc_sample(CLOCK_MONOTONIC);
    khz = (uint32_t)((unsigned __int128)(now.tsc - m->tsc_start) * NS_PER_MS /
                     (now.ns - m->tsc_start_ns));
    /* Each processor comes here on its own thread; the first one sets the frequency for all. */
    (void)__atomic_compare_exchange_n(&m->tsc_khz, &unknown, khz, false, __ATOMIC_ACQ_REL,
                                      __ATOMIC_ACQUIRE);
}

/* Atomic: a processor that comes late to tsc_settle may still try to write it. */
uint32_t tsc_khz(const struct emu *m)
{
    return __atomic_load_n(&m->tsc_khz, __ATOMIC_ACQUIRE);
}

uint64_t tsc_guest(const struct cpu *c)
{
    return tsc_host() + c->tsc_offset;
}

uint64_t tsc_to_ns(const struct emu *m, uint64_t ticks)
{
    unsigned __int128 ns = (unsigned __int128)ticks * NS_PER_MS / tsc_khz(m);

    return ns > UINT64_MAX / 2 ? UINT64_MAX / 2 : (uint64_t)ns;
}
