/*
 * Time for the guest.
 *
 * The TSC's frequency is measured: one pair of (TSC, monotonic clock) when the machine is created
 * and one before its first instruction. Loading a kernel lies between them; where that was too
 * quick for a good figure, the rest is slept.
 */
#include "emu/x86/clock.h"

#include <stddef.h>
#include <time.h>
#include <x86intrin.h>

#include "emu/x86/cpu.h"
#include "emu/x86/machine.h"

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)
#define BASELINE_NS                                                              \
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

void clock_init(struct emu *m)
{
    m->tsc_start = clock_host_tsc();
    m->tsc_start_ns = clock_now_ns();
}

void clock_settle(struct emu *m)
{
    uint64_t until = m->tsc_start_ns + BASELINE_NS;
    struct timespec t = { .tv_sec = (time_t)(until / NS_PER_S),
                          .tv_nsec = (long)(until % NS_PER_S) };
    uint32_t khz, unknown = 0;
    uint64_t ns;

    if (clock_tsc_khz(m))
        return;
    while (clock_now_ns() < until)
        (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
    ns = clock_now_ns() - m->tsc_start_ns;
    khz = (uint32_t)((unsigned __int128)(clock_host_tsc() - m->tsc_start) * NS_PER_MS / ns);
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
