/*
 * Time for the guest.
 *
 * The TSC's frequency is measured: one pair of (TSC, monotonic clock) when the machine is created
 * and one before its first instruction. Loading a kernel lies between them; where that was too
 * quick for a good figure, the rest is slept.
 */
#include "emu/x86/time/clock.h"

#include <stddef.h>
#include <time.h>
#include <x86intrin.h>

#include "emu/x86/cpu/cpu.h"
#include "emu/x86/cpu/machine.h"

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)
#define SAMPLES   16u
#define BASELINE_NS \
    (10 * NS_PER_MS) /* a clock read is good to about 50 ns: 5 parts per million \
                      */

uint64_t clock_now_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

uint64_t clock_host_tsc(void)
{
    return __rdtsc();
}

struct clock_sample clock_sample(clockid_t clock)
{
    struct clock_sample best = { 0 };
    uint64_t least = UINT64_MAX;

    for (unsigned i = 0; i < SAMPLES; i++) {
        uint64_t before = clock_host_tsc(), after;
        struct timespec t;

        (void)clock_gettime(clock, &t);
        after = clock_host_tsc();
        if (after - before >= least)
            continue;
        least = after - before;
        best.tsc = before + least / 2;
        best.ns = (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
    }
    return best;
}

void clock_init(struct emu *m)
{
    struct clock_sample start = clock_sample(CLOCK_MONOTONIC);

    m->tsc_start = start.tsc;
    m->tsc_start_ns = start.ns;
}

void clock_settle(struct emu *m)
{
    uint64_t until = m->tsc_start_ns + BASELINE_NS;
    struct timespec t = { .tv_sec = (time_t)(until / NS_PER_S),
                          .tv_nsec = (long)(until % NS_PER_S) };
    struct clock_sample now;
    uint32_t khz, unknown = 0;

    if (clock_tsc_khz(m))
        return;
    while (clock_now_ns() < until)
        (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
    now = clock_sample(CLOCK_MONOTONIC);
    khz = (uint32_t)((unsigned __int128)(now.tsc - m->tsc_start) * NS_PER_MS /
                     (now.ns - m->tsc_start_ns));
    /* The processors come here each on their own thread: whoever is first says it for all. */
    (void)__atomic_compare_exchange_n(&m->tsc_khz, &unknown, khz, false, __ATOMIC_ACQ_REL,
                                      __ATOMIC_ACQUIRE);
}

/* Read as an atom: processors that come late to clock_settle still try to write it. */
uint32_t clock_tsc_khz(const struct emu *m)
{
    return __atomic_load_n(&m->tsc_khz, __ATOMIC_ACQUIRE);
}

uint64_t clock_guest_tsc(const struct cpu *c)
{
    return clock_host_tsc() + c->tsc_offset;
}

uint64_t clock_tsc_to_ns(const struct emu *m, uint64_t ticks)
{
    unsigned __int128 ns = (unsigned __int128)ticks * NS_PER_MS / clock_tsc_khz(m);

    return ns > UINT64_MAX / 2 ? UINT64_MAX / 2 : (uint64_t)ns;
}
