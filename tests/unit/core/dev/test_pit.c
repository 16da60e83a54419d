/* The 8254 on a scripted clock: modes, gates, latches, when counter 0 interrupts, and its state. */
#include "core/dev/pit.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/state.h"

#define START (5 * NS_PER_S)

static struct pit pit;
static uint64_t now;

static void set_up(void)
{
    pit_init(&pit);
    now = START;
}

TestSuite(pit, .init = set_up);

/* The first nanosecond at which a counter that was started at START has counted so many ticks. */
static uint64_t at(uint64_t tick)
{
    return START + (tick * NS_PER_S + PIT_HZ - 1) / PIT_HZ;
}

static void out(uint16_t port, uint8_t value)
{
    pit_write(&pit, port, value, now);
}

static uint8_t in(uint16_t port)
{
    return pit_read(&pit, port, now);
}

/* Sets a counter's mode, then its count. */
static void set(unsigned n, unsigned mode, uint16_t count)
{
    out(PIT_COMMAND, (uint8_t)(n << 6 | PIT_BOTH << 4 | mode << 1));
    out((uint16_t)(PIT_FIRST + n), (uint8_t)count);
    out((uint16_t)(PIT_FIRST + n), (uint8_t)(count >> 8));
}

static unsigned count(unsigned n)
{
    unsigned low = in((uint16_t)(PIT_FIRST + n));

    return low | (unsigned)in((uint16_t)(PIT_FIRST + n)) << 8;
}

static bool output2(void)
{
    return in(PIT_PORT61)&0x20u;
}

Test(pit, does_nothing_until_it_is_set)
{
    cr_assert_eq(pit_next(&pit, now), PIT_NEVER);
    out(PIT_COMMAND, 0x34);
    out(PIT_FIRST, 100);
    cr_assert_eq(pit_next(&pit, now), PIT_NEVER, "half a count");
}

Test(pit, a_rate_generator_keeps_its_beat)
{
    set(0, 2, 4772); /* 250 Hz */
    cr_assert_eq(pit_next(&pit, now), at(4772));
    cr_assert_eq(pit_next(&pit, at(4772)), at(2 * 4772));
    cr_assert_eq(pit_next(&pit, at(10 * 4772) + 12345), at(11 * 4772), "also when it is late");
    cr_assert_eq(pit_next(&pit, at(250 * 3600 * UINT64_C(4772))),
                 at((250 * 3600 + 1) * UINT64_C(4772)), "also after an hour");
    now = at(100);
    cr_assert_eq(count(0), 4772 - 100);
    now = at(4772);
    cr_assert_eq(count(0), 4772);
}

Test(pit, a_square_wave_has_the_same_beat)
{
    set(0, 3, 0); /* 65536, 18.2 Hz */
    cr_assert_eq(pit_next(&pit, now), at(0x10000));
    cr_assert_eq(pit_next(&pit, at(0x10000)), at(2 * 0x10000));
    now = at(10);
    cr_assert_eq(count(0), 0x10000 - 20);
}

Test(pit, a_one_shot_comes_once)
{
    set(0, 0, 1000);
    cr_assert_eq(pit_next(&pit, now), at(1000));
    cr_assert_eq(pit_next(&pit, at(1000)), PIT_NEVER);
    set(0, 4, 1000);
    cr_assert_eq(pit_next(&pit, now), at(1001), "the strobe's end");
    cr_assert_eq(pit_next(&pit, at(1001)), PIT_NEVER);
}

/* Counter 0's gate is always open, so it never gets the trigger that modes 1 and 5 wait for. */
Test(pit, counter_0_has_no_trigger)
{
    set(0, 1, 1000);
    cr_assert_eq(pit_next(&pit, now), PIT_NEVER);
    set(0, 5, 1000);
    cr_assert_eq(pit_next(&pit, now), PIT_NEVER);
}

/* How kernels measure their processor: counter 2 in mode 0, its output looked at in port 0x61. */
Test(pit, counter_2_is_gated_and_seen_through_port_61)
{
    out(PIT_PORT61, 1);
    set(2, 0, 0xffff);
    cr_assert_not(output2());
    now = at(0x1234);
    cr_assert_eq(count(2), 0xffff - 0x1234);
    now = at(0xffff) - 1;
    cr_assert_not(output2());
    now = at(0xffff);
    cr_assert(output2());
    cr_assert_eq(count(2), 0);
    now = at(0x10000);
    cr_assert_eq(count(2), 0xffff, "it goes round");
    cr_assert(output2());
}

Test(pit, a_shut_gate_stops_a_count_and_starts_a_wave_again)
{
    out(PIT_PORT61, 1);
    set(2, 0, 1000);
    now = at(300);
    out(PIT_PORT61, 0);
    now = at(5000);
    cr_assert_eq(count(2), 700);
    out(PIT_PORT61, 3);
    cr_assert_eq(in(PIT_PORT61)&3u, 3);
    now += at(699) - START;
    cr_assert_not(output2());
    now += at(2) - START;
    cr_assert(output2());

    now = START;
    set(2, 2, 1000);
    now = at(300);
    out(PIT_PORT61, 0);
    now = at(5000);
    out(PIT_PORT61, 1);
    cr_assert_eq(count(2), 1000);
    set(2, 1, 50);
    cr_assert(output2());
    out(PIT_PORT61, 0);
    out(PIT_PORT61, 1); /* the trigger */
    cr_assert_not(output2());
    now += at(50) - START;
    cr_assert(output2());
}

Test(pit, the_refresh_bit_toggles)
{
    unsigned seen = 0;

    for (unsigned i = 0; i < 100; i++, now += 10000)
        seen |= in(PIT_PORT61)&0x10u ? 1u : 2u;
    cr_assert_eq(seen, 3);
}

Test(pit, latches_hold_until_they_are_read)
{
    set(0, 2, 0x5000);
    now = at(0x123);
    out(PIT_COMMAND, 0x00);
    now = at(0x456);
    out(PIT_COMMAND, 0x00);
    cr_assert_eq(count(0), 0x5000 - 0x123, "the first latch");
    cr_assert_eq(count(0), 0x5000 - 0x456);
    now = at(0x789);
    out(PIT_COMMAND, 0xc2); /* count and status */
    now = at(0x800);
    cr_assert_eq(in(PIT_FIRST), 0x80 | PIT_BOTH << 4 | 2 << 1, "output, access, mode");
    cr_assert_eq(count(0), 0x5000 - 0x789);
}

Test(pit, status_says_whether_a_count_is_loaded)
{
    out(PIT_COMMAND, 0x30);
    out(PIT_COMMAND, 0xe2);
    cr_assert_eq(in(PIT_FIRST), 0x40 | PIT_BOTH << 4, "null count");
    set(0, 0, 10);
    out(PIT_COMMAND, 0xe2);
    cr_assert_eq(in(PIT_FIRST), PIT_BOTH << 4);
    now = at(10);
    out(PIT_COMMAND, 0xe2);
    cr_assert_eq(in(PIT_FIRST), 0x80 | PIT_BOTH << 4);
}

Test(pit, single_bytes_and_decimal_counts)
{
    out(PIT_COMMAND, 0x14); /* low byte */
    out(PIT_FIRST, 0x80);
    cr_assert_eq(pit_next(&pit, now), at(0x80));
    cr_assert_eq(in(PIT_FIRST), 0x80);
    out(PIT_COMMAND, 0x24); /* high byte */
    out(PIT_FIRST, 0x12);
    cr_assert_eq(pit_next(&pit, now), at(0x1200));
    cr_assert_eq(in(PIT_FIRST), 0x12);
    out(PIT_COMMAND, 0x35);
    out(PIT_FIRST, 0x00);
    out(PIT_FIRST, 0x10); /* 1000 */
    cr_assert_eq(pit_next(&pit, now), at(1000));
    now = at(1);
    cr_assert_eq(count(0), 0x0999);
    set(0, 7, 0x100); /* means 3 */
    cr_assert_eq(pit.counter[0].mode, 3);
    cr_assert_eq(in(PIT_COMMAND), 0xff);
}

/* What is owed. */

Test(pit, every_period_is_owed)
{
    set(0, 2, 4772);
    pit_owe(&pit, at(4772), at(4772));
    cr_assert_eq(pit.owed, 1);
    pit_owe(&pit, at(2 * 4772), at(5 * 4772) - 1);
    cr_assert_eq(pit.owed, 4);
    pit_owe(&pit, at(5 * 4772), at(5 * 4772));
    cr_assert_eq(pit.owed, 5);
}

Test(pit, no_more_than_a_second_is_owed)
{
    set(0, 3, 4772); /* 250 Hz */
    pit_owe(&pit, at(4772), at(UINT64_C(4772) * 250 * 3600));
    cr_assert_eq(pit.owed, 251);
    set(0, 2, 0); /* 18.2 Hz */
    pit_owe(&pit, at(0x10000), at(UINT64_C(0x10000) * 1000));
    cr_assert_eq(pit.owed, 19);
    set(0, 0, 4772);
    pit_owe(&pit, at(4772), at(UINT64_C(4772) * 100));
    pit_owe(&pit, at(4772), at(UINT64_C(4772) * 100));
    cr_assert_eq(pit.owed, 1, "a one-shot comes only once");
}

Test(pit, a_new_setting_owes_nothing)
{
    set(0, 2, 4772);
    pit.owed = 7;
    out(PIT_COMMAND, 0x00); /* a latch */
    out(PIT_COMMAND, 0xb4); /* counter 2's mode */
    out(PIT_FIRST + 2, 1);
    cr_assert_eq(pit.owed, 7);
    out(PIT_COMMAND, 0x34);
    cr_assert_eq(pit.owed, 0);
    pit.owed = 7;
    out(PIT_FIRST, 1);
    cr_assert_eq(pit.owed, 0);
}

/* Nothing that can be written makes it divide by zero or hang. */
Test(pit, any_setting_has_an_answer)
{
    for (unsigned command = 0; command < 0x100; command++) {
        for (unsigned value = 0; value < 0x100; value += 51) {
            out(PIT_COMMAND, (uint8_t)command);
            for (unsigned port = 0; port < 6; port++)
                out((uint16_t)(PIT_FIRST + port % 3), (uint8_t)value);
            out(PIT_PORT61, (uint8_t)value);
            now += 1234567;
            for (unsigned port = 0; port < 8; port++)
                (void)in((uint16_t)(PIT_FIRST + port % 4));
            (void)in(PIT_PORT61);
            cr_assert_gt(pit_next(&pit, now), now);
            if (pit_next(&pit, now) != PIT_NEVER)
                pit_owe(&pit, pit_next(&pit, now), now + 10 * NS_PER_S);
            cr_assert_leq(pit.owed, PIT_HZ + 1);
        }
    }
}

/* Its state. */

static struct state_writer w;
static struct state_reader r;
static struct err e;

static void save(void)
{
    state_begin(&w);
    pit_save(&pit, &w, now);
    cr_assert_eq(state_end(&w, 0, &e), 0);
}

static int load(struct pit *to, uint64_t at_ns)
{
    cr_assert_eq(state_open(&r, w.data, w.len, &e), 0, "%s", e.text);
    return pit_load(to, &r, at_ns, &e);
}

/* On a host whose clock shows another time the timer goes on where it was. */
Test(pit, goes_through_a_snapshot)
{
    const uint64_t later = 777 * NS_PER_S;
    struct pit other = { 0 };
    uint64_t next;

    set(0, 2, 4772);
    out(PIT_PORT61, 1);
    set(2, 0, 5000);
    now = at(1000);
    out(PIT_PORT61, 2);
    out(PIT_COMMAND, 0xc2);
    (void)in(PIT_FIRST);
    (void)in(PIT_FIRST);
    now = at(2000);
    out(PIT_FIRST, 0x42);
    pit.owed = 3;
    save();
    next = pit_next(&pit, now);
    cr_assert_eq(load(&other, later), 0, "%s", e.text);
    cr_assert_eq(pit_next(&other, later) - later, next - now);
    cr_assert_eq(other.owed, 3);
    cr_assert_eq(pit_read(&other, PIT_FIRST, later), in(PIT_FIRST), "the latched high byte");
    cr_assert_eq(pit_read(&other, PIT_FIRST + 2, later), in(PIT_FIRST + 2));
    cr_assert_eq(pit_read(&other, PIT_FIRST + 2, later), in(PIT_FIRST + 2));
    cr_assert_eq(pit_read(&other, PIT_PORT61, 0) & 3u, 2);
    pit_write(&other, PIT_FIRST, 0x01, later);
    cr_assert_eq(other.counter[0].count, 0x142, "the low byte had been written");
    state_free(&w);
}

Test(pit, a_state_that_no_timer_can_be_in_is_refused)
{
    struct pit other = { 0 };

    pit.owed = PIT_HZ + 2;
    save();
    cr_assert_eq(load(&other, now), -EINVAL);
    pit.owed = 0;
    pit.counter[1].count = 0;
    save();
    cr_assert_eq(load(&other, now), -EINVAL);
    pit.counter[1].count = 0x10001;
    save();
    cr_assert_eq(load(&other, now), -EINVAL);
    pit.counter[1].count = 1;
    pit.counter[1].access = 0;
    save();
    cr_assert_eq(load(&other, now), -EINVAL);
    pit.counter[1].access = PIT_LOW;
    pit.counter[1].mode = 6;
    save();
    cr_assert_eq(load(&other, now), -EINVAL);
    cr_assert_eq(other.counter[0].access, 0, "nothing has changed");
    state_free(&w);
}
