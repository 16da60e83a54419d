/* The local APIC's timer. No host timer runs: a test ends a count by moving its start back. */
#include <criterion/criterion.h>

#include "core/base/clock.h"
#include "emu/x86/apic/lapic.h"
#include "emu/x86/apic/lapic_internal.h"
#include "emu/x86/sys/msr.h"
#include "emu/x86/time/kvmclock.h"
#include "emu/x86/time/tsc.h"
#include "lib/x86/emu_rig.h"

#define MSR_DEADLINE  0x6e0u
#define ONE_SHOT      0u
#define PERIODIC      (1u << 17)
#define DEADLINE      (2u << 17)
#define DIVIDE_BY_1   0xbu
#define DIVIDE_BY_128 0xau
#define LONG_COUNT    0xf0000000u /* about four seconds undivided */

#define CLOCK_PAGE  0x6000u /* the paravirtual clock's */
#define CLOCK_FLAGS 29u
#define STOPPED     2u

static struct emu_rig rig;
static struct lapic *l;

static void set_up(void)
{
    emu_rig_init(&rig, 1);
    l = rig.cpu->lapic;
    lapic_write(l, REG_SVR, 0x1ff);
    lapic_write(l, REG_TIMER_DIVIDE, DIVIDE_BY_128);
    (void)cpu_requests_take(rig.cpu, ~0u);
}

static void tear_down(void)
{
    emu_rig_finish(&rig);
}

TestSuite(lapic_timer, .init = set_up, .fini = tear_down);

/* A period ends, and the host timer signals. */
static void period_goes_by(void)
{
    l->timer_started_ns -= l->timer_period_ns;
    lapic_timer_ran_out(l);
}

static uint8_t *clock_flags(void)
{
    return (uint8_t *)emu_rig_at(&rig, CLOCK_PAGE + CLOCK_FLAGS);
}

static void accept(int vector)
{
    cr_assert_eq(lapic_pending(l), vector);
    lapic_accept(l, (uint8_t)vector);
    lapic_write(l, REG_EOI, 0);
}

Test(lapic_timer, one_shot_fires_once)
{
    lapic_write(l, REG_LVT_TIMER, ONE_SHOT | 0x40);
    lapic_write(l, REG_TIMER_INITIAL, LONG_COUNT);
    lapic_timer_ran_out(l);
    cr_assert_eq(lapic_pending(l), -1, "a signal that came too early");
    period_goes_by();
    accept(0x40);
    cr_assert_eq(lapic_read(l, REG_TIMER_CURRENT), 0);
    lapic_timer_ran_out(l);
    cr_assert_eq(lapic_pending(l), -1);
}

Test(lapic_timer, periodic_fires_again_and_again)
{
    lapic_write(l, REG_LVT_TIMER, PERIODIC | 0x41);
    lapic_write(l, REG_TIMER_INITIAL, LONG_COUNT);
    for (unsigned i = 0; i < 3; i++) {
        period_goes_by();
        accept(0x41);
        cr_assert_gt(lapic_read(l, REG_TIMER_CURRENT), 0);
    }
}

/* For instance after SIGSTOP: the guest's watchdogs are to know. */
Test(lapic_timer, a_very_late_host_tells_the_guest_that_it_was_stopped)
{
    static const uint32_t modes[] = { ONE_SHOT, PERIODIC };
    const uint64_t second = 1000000000;

    for (unsigned i = 0; i < 2; i++) {
        lapic_write(l, REG_LVT_TIMER, modes[i] | 0x41);
        kvmclock_system_write(rig.cpu, CLOCK_PAGE | 1u);
        lapic_write(l, REG_TIMER_INITIAL, LONG_COUNT);
        l->timer_wake_ns = clock_now_ns() - 8 * second;
        period_goes_by();
        cr_assert_eq(*clock_flags() & STOPPED, STOPPED, "eight seconds late");
        kvmclock_system_write(rig.cpu, CLOCK_PAGE | 1u);
        lapic_timer_ran_out(l);
        cr_assert_eq(*clock_flags() & STOPPED, 0, "it is said once");
        lapic_write(l, REG_TIMER_INITIAL, LONG_COUNT);
        l->timer_wake_ns = clock_now_ns() - 2 * second;
        period_goes_by();
        cr_assert_eq(*clock_flags() & STOPPED, 0, "two seconds late");
    }
    lapic_write(l, REG_LVT_TIMER, DEADLINE | 0x42);
    cr_assert(msr_write(rig.cpu, MSR_DEADLINE, 1));
    lapic_timer_ran_out(l);
    accept(0x42);
    cr_assert_eq(*clock_flags() & STOPPED, 0, "the guest set a deadline in the past");
}

/* A period begins where the last one ended, however late that was noticed. */
Test(lapic_timer, periodic_keeps_its_beat)
{
    uint64_t first;

    lapic_write(l, REG_LVT_TIMER, PERIODIC | 0x41);
    lapic_write(l, REG_TIMER_INITIAL, LONG_COUNT);
    first = l->timer_started_ns;
    l->timer_started_ns -= l->timer_period_ns + l->timer_period_ns / 3;
    lapic_timer_ran_out(l);
    cr_assert_eq(l->timer_started_ns, first - l->timer_period_ns / 3);
    accept(0x41);
    cr_assert_eq(lapic_pending(l), -1, "one period, one tick");
}

/* A late host owes the ticks it missed, and makes one at each EOI. */
Test(lapic_timer, periodic_loses_no_tick)
{
    unsigned ticks = 0;

    lapic_write(l, REG_TIMER_DIVIDE, DIVIDE_BY_1);
    lapic_write(l, REG_LVT_TIMER, PERIODIC | 0x41);
    lapic_write(l, REG_TIMER_INITIAL, 10000000); /* 10 ms */
    l->timer_started_ns -= 7 * l->timer_period_ns;
    lapic_timer_ran_out(l);
    for (; lapic_pending(l) == 0x41; ticks++)
        accept(0x41);
    cr_assert_eq(ticks, 7);
    l->timer_started_ns -= 7 * l->timer_period_ns;
    lapic_timer_ran_out(l);
    lapic_raise(l, 0x60, false);
    accept(0x60); /* the EOI of another vector brings none */
    accept(0x41);
    lapic_write(l, REG_TIMER_INITIAL, 0);
    accept(0x41); /* it was pending already */
    cr_assert_eq(lapic_pending(l), -1, "a timer that is stopped owes nothing");
}

/* The end of every period is noticed, but the processor holds interrupts back. */
Test(lapic_timer, ticks_that_are_not_taken_yet_are_owed)
{
    unsigned ticks = 0;

    lapic_write(l, REG_TIMER_DIVIDE, DIVIDE_BY_1);
    lapic_write(l, REG_LVT_TIMER, PERIODIC | 0x41);
    lapic_write(l, REG_TIMER_INITIAL, 10000000); /* 10 ms */
    for (unsigned i = 0; i < 7; i++) {
        l->timer_started_ns -= l->timer_period_ns;
        lapic_timer_ran_out(l);
    }
    for (; lapic_pending(l) == 0x41; ticks++)
        accept(0x41);
    cr_assert_eq(ticks, 7);
}

Test(lapic_timer, a_masked_timer_owes_nothing)
{
    lapic_write(l, REG_TIMER_DIVIDE, DIVIDE_BY_1);
    lapic_write(l, REG_LVT_TIMER, PERIODIC | LVT_MASKED | 0x41);
    lapic_write(l, REG_TIMER_INITIAL, 10000000);
    l->timer_started_ns -= 7 * l->timer_period_ns;
    lapic_timer_ran_out(l);
    lapic_write(l, REG_LVT_TIMER, PERIODIC | 0x41);
    cr_assert_eq(lapic_pending(l), -1);
    l->timer_started_ns -= l->timer_period_ns;
    lapic_timer_ran_out(l);
    accept(0x41);
    cr_assert_eq(lapic_pending(l), -1);
}

Test(lapic_timer, no_more_than_a_second_is_owed)
{
    unsigned ticks = 0;

    lapic_write(l, REG_TIMER_DIVIDE, DIVIDE_BY_1);
    lapic_write(l, REG_LVT_TIMER, PERIODIC | 0x41);
    lapic_write(l, REG_TIMER_INITIAL, 10000000);
    l->timer_started_ns -= 360000 * l->timer_period_ns; /* an hour */
    lapic_timer_ran_out(l);
    for (; lapic_pending(l) == 0x41; ticks++)
        accept(0x41);
    cr_assert_eq(ticks, 101);
}

Test(lapic_timer, masked_entry_counts_and_is_silent)
{
    lapic_write(l, REG_LVT_TIMER, LVT_MASKED | ONE_SHOT | 0x40);
    lapic_write(l, REG_TIMER_INITIAL, LONG_COUNT);
    cr_assert_gt(lapic_read(l, REG_TIMER_CURRENT), 0);
    period_goes_by();
    cr_assert_eq(lapic_pending(l), -1);
}

Test(lapic_timer, count_goes_down_from_the_initial_one)
{
    uint32_t first, second;

    lapic_write(l, REG_LVT_TIMER, ONE_SHOT | 0x40);
    cr_assert_eq(lapic_read(l, REG_TIMER_CURRENT), 0);
    lapic_write(l, REG_TIMER_INITIAL, LONG_COUNT);
    cr_assert_eq(lapic_read(l, REG_TIMER_INITIAL), LONG_COUNT);
    first = lapic_read(l, REG_TIMER_CURRENT);
    l->timer_started_ns -= l->timer_period_ns / 2;
    second = lapic_read(l, REG_TIMER_CURRENT);
    cr_assert_leq(first, LONG_COUNT);
    cr_assert_leq(second, LONG_COUNT / 2);
    cr_assert_lt(second, first);
}

Test(lapic_timer, zero_stops_the_count)
{
    lapic_write(l, REG_LVT_TIMER, PERIODIC | 0x40);
    lapic_write(l, REG_TIMER_INITIAL, LONG_COUNT);
    lapic_write(l, REG_TIMER_INITIAL, 0);
    cr_assert_eq(lapic_read(l, REG_TIMER_CURRENT), 0);
    lapic_timer_ran_out(l);
    cr_assert_eq(lapic_pending(l), -1);
}

/* SDM 3A, figure 11-10. */
Test(lapic_timer, divide_register_scales_the_period)
{
    static const struct {
        uint32_t code, divisor;
    } codes[] = { { 0, 2 },  { 1, 4 },  { 2, 8 },    { 3, 16 },
                  { 8, 32 }, { 9, 64 }, { 10, 128 }, { DIVIDE_BY_1, 1 } };

    lapic_write(l, REG_LVT_TIMER, ONE_SHOT | 0x40);
    for (unsigned i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        lapic_write(l, REG_TIMER_DIVIDE, 0xfffffff4 | codes[i].code);
        lapic_write(l, REG_TIMER_INITIAL, LONG_COUNT);
        cr_assert_eq(lapic_read(l, REG_TIMER_DIVIDE), codes[i].code);
        cr_assert_eq(l->timer_period_ns, (uint64_t)LONG_COUNT * codes[i].divisor);
    }
}

Test(lapic_timer, a_write_of_the_divide_register_starts_the_count_again)
{
    lapic_write(l, REG_LVT_TIMER, ONE_SHOT | 0x40);
    lapic_write(l, REG_TIMER_INITIAL, LONG_COUNT);
    lapic_write(l, REG_TIMER_DIVIDE, DIVIDE_BY_1);
    cr_assert_eq(l->timer_period_ns, LONG_COUNT);
}

/* A guest may not keep its host busy with signals alone. */
Test(lapic_timer, shortest_period_is_stretched)
{
    lapic_write(l, REG_TIMER_DIVIDE, DIVIDE_BY_1);
    lapic_write(l, REG_LVT_TIMER, PERIODIC | 0x40);
    lapic_write(l, REG_TIMER_INITIAL, 1);
    cr_assert_geq(l->timer_period_ns, 20000);
    lapic_write(l, REG_LVT_TIMER, ONE_SHOT | 0x40);
    lapic_write(l, REG_TIMER_INITIAL, 1);
    cr_assert_eq(l->timer_period_ns, 1);
}

static uint64_t deadline(void)
{
    uint64_t value;

    cr_assert(lapic_msr_read(l, MSR_DEADLINE, &value));
    return value;
}

Test(lapic_timer, deadline_in_the_past_fires_at_once)
{
    lapic_write(l, REG_LVT_TIMER, DEADLINE | 0x42);
    cr_assert(lapic_msr_write(l, MSR_DEADLINE, 1));
    cr_assert(cpu_requests_take(rig.cpu, CPU_REQ_TIMER));
    lapic_timer_ran_out(l);
    accept(0x42);
    cr_assert_eq(deadline(), 0, "it is disarmed by firing");
    lapic_timer_ran_out(l);
    cr_assert_eq(lapic_pending(l), -1);
}

Test(lapic_timer, deadline_in_the_future_waits)
{
    uint64_t far = tsc_guest(rig.cpu) + (UINT64_C(1) << 50);

    lapic_write(l, REG_LVT_TIMER, DEADLINE | 0x42);
    cr_assert(lapic_msr_write(l, MSR_DEADLINE, far));
    cr_assert_eq(deadline(), far);
    cr_assert_eq(rig.cpu->request, 0);
    lapic_timer_ran_out(l);
    cr_assert_eq(lapic_pending(l), -1);
    cr_assert_eq(deadline(), far);
    cr_assert(lapic_msr_write(l, MSR_DEADLINE, 0));
    cr_assert_eq(deadline(), 0);
}

Test(lapic_timer, deadline_is_ignored_in_the_other_modes)
{
    lapic_write(l, REG_LVT_TIMER, ONE_SHOT | 0x42);
    cr_assert(lapic_msr_write(l, MSR_DEADLINE, 1));
    cr_assert_eq(deadline(), 0);
    cr_assert_eq(rig.cpu->request, 0);
}

Test(lapic_timer, initial_count_is_ignored_in_deadline_mode)
{
    lapic_write(l, REG_LVT_TIMER, DEADLINE | 0x42);
    lapic_write(l, REG_TIMER_INITIAL, LONG_COUNT);
    cr_assert_eq(lapic_read(l, REG_TIMER_INITIAL), 0);
    cr_assert_eq(lapic_read(l, REG_TIMER_CURRENT), 0);
}

Test(lapic_timer, changing_into_or_out_of_deadline_mode_disarms)
{
    lapic_write(l, REG_LVT_TIMER, DEADLINE | 0x42);
    cr_assert(lapic_msr_write(l, MSR_DEADLINE, UINT64_MAX));
    lapic_write(l, REG_LVT_TIMER, DEADLINE | 0x43);
    cr_assert_eq(deadline(), UINT64_MAX);
    lapic_write(l, REG_LVT_TIMER, ONE_SHOT | 0x42);
    cr_assert_eq(deadline(), 0);
    lapic_write(l, REG_TIMER_INITIAL, LONG_COUNT);
    lapic_write(l, REG_LVT_TIMER, PERIODIC | 0x42);
    cr_assert_gt(lapic_read(l, REG_TIMER_CURRENT), 0);
    lapic_write(l, REG_LVT_TIMER, DEADLINE | 0x42);
    cr_assert_eq(lapic_read(l, REG_TIMER_CURRENT), 0);
}

/* A deadline is a TSC value: it is reached when the TSC is set beyond it. */
Test(lapic_timer, a_deadline_moves_with_the_tsc)
{
    uint64_t far = tsc_guest(rig.cpu) + (UINT64_C(1) << 50);

    lapic_write(l, REG_LVT_TIMER, DEADLINE | 0x42);
    cr_assert(lapic_msr_write(l, MSR_DEADLINE, far));
    cr_assert_not(cpu_requests_take(rig.cpu, CPU_REQ_TIMER));
    cr_assert(msr_write(rig.cpu, 0x10, far + 1));
    cr_assert(cpu_requests_take(rig.cpu, CPU_REQ_TIMER));
    lapic_timer_ran_out(l);
    accept(0x42);
    cr_assert(msr_write(rig.cpu, 0x3b, 0));
    cr_assert_not(cpu_requests_take(rig.cpu, CPU_REQ_TIMER), "it is no longer armed");
}
