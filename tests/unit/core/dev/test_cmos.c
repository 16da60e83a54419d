/* The clock at port 0x70 on a scripted time: what it shows in every form, setting it, its state. */
#include "core/dev/cmos.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/state.h"

#define A      0x0au
#define B      0x0bu
#define SET    0x80u
#define BINARY 0x04u
#define H24    0x02u

/* 2026-11-29, a Sunday, 23:05:59 UTC. */
#define THEN UINT64_C(1795993559)

static struct cmos cmos;
static uint64_t now;

static uint64_t scripted_now(void)
{
    return now;
}

static void set_up(void)
{
    cmos_init(&cmos);
    cmos.now_ns = scripted_now;
    now = THEN * NS_PER_S;
}

static void tear_down(void)
{
    cmos_finish(&cmos);
}

TestSuite(cmos, .init = set_up, .fini = tear_down);

static void put(uint8_t index, uint8_t value)
{
    cmos.device.ops->write(&cmos.device, 0, &index, 1);
    cmos.device.ops->write(&cmos.device, 1, &value, 1);
}

static uint8_t get(uint8_t index)
{
    uint8_t value;

    cmos.device.ops->write(&cmos.device, 0, &index, 1);
    cmos.device.ops->read(&cmos.device, 1, &value, 1);
    return value;
}

/* Seconds, minutes, hours, weekday, day, month, year, century. */
static const uint8_t registers[] = { 0, 2, 4, 6, 7, 8, 9, CMOS_CENTURY };

static void expect(const uint8_t *values)
{
    for (unsigned i = 0; i < sizeof(registers); i++)
        cr_assert_eq(get(registers[i]), values[i], "register %#x is %#x", registers[i],
                     get(registers[i]));
}

Test(cmos, shows_the_hosts_time)
{
    expect((uint8_t[]){ 0x59, 0x05, 0x23, 1, 0x29, 0x11, 0x26, 0x20 });
    now += NS_PER_S;
    cr_assert_eq(get(0), 0);
    cr_assert_eq(get(2), 6);
    put(B, H24 | BINARY);
    expect((uint8_t[]){ 0, 6, 23, 1, 29, 11, 26, 20 });
}

Test(cmos, shows_hours_from_1_to_12_with_am_and_pm)
{
    static const uint8_t expected[24] = { 0x12, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07,
                                          0x08, 0x09, 0x10, 0x11, 0x92, 0x81, 0x82, 0x83,
                                          0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x90, 0x91 };

    put(B, 0);
    now = (THEN - THEN % 86400) * NS_PER_S;
    for (unsigned hour = 0; hour < 24; hour++, now += 3600 * NS_PER_S)
        cr_assert_eq(get(4), expected[hour]);
}

/* Compared with the C library's calendar, about every third day from 1970 to 2399. */
Test(cmos, knows_the_calendar)
{
    put(B, H24 | BINARY);
    for (time_t t = 0; t < 13569465600; t += 86400 * 3 + 4711) {
        struct tm tm;

        now = (uint64_t)t * NS_PER_S;
        cr_assert_not_null(gmtime_r(&t, &tm));
        expect((uint8_t[]){ (uint8_t)tm.tm_sec, (uint8_t)tm.tm_min, (uint8_t)tm.tm_hour,
                            (uint8_t)(tm.tm_wday + 1), (uint8_t)tm.tm_mday,
                            (uint8_t)(tm.tm_mon + 1), (uint8_t)(tm.tm_year % 100),
                            (uint8_t)(19 + tm.tm_year / 100) });
    }
}

/* A guest that finds the bit clear has 244 us to read the time. */
Test(cmos, says_when_it_is_about_to_change)
{
    cr_assert_eq(get(A), 0x26);
    now += NS_PER_S - 244001;
    cr_assert_eq(get(A), 0x26);
    now += 1;
    cr_assert_eq(get(A), 0xa6);
    now += 244000;
    cr_assert_eq(get(A), 0x26);
    put(B, H24 | SET);
    now += NS_PER_S - 1;
    cr_assert_eq(get(A), 0x26, "not while the clock is stopped");
}

Test(cmos, has_no_interrupts)
{
    put(B, 0xff);
    cr_assert_eq(get(B), SET | BINARY | H24);
    cr_assert_eq(get(0xc), 0);
    cr_assert_eq(get(0xd), 0x80, "its bytes are valid");
}

Test(cmos, can_be_set)
{
    static const uint8_t values[] = { 0x58, 0x59, 0x23, 6, 0x31, 0x12, 0x99, 0x19 };

    put(0, 0x11);
    cr_assert_eq(get(0), 0x59, "not while it runs");
    put(B, H24 | SET);
    now += 5 * NS_PER_S;
    cr_assert_eq(get(0), 0x59, "the clock is stopped");
    for (unsigned i = 0; i < sizeof(registers); i++)
        put(registers[i], values[i]);
    expect(values);
    put(B, H24);
    expect(values);
    now += 2 * NS_PER_S;
    expect((uint8_t[]){ 0, 0, 0, 7, 1, 1, 0, 0x20 });
}

Test(cmos, can_be_set_to_nonsense)
{
    for (unsigned value = 0; value < 0x100; value++) {
        put(B, SET);
        for (unsigned i = 0; i < sizeof(registers); i++)
            put(registers[i], (uint8_t)value);
        put(B, 0);
        for (unsigned i = 0; i < sizeof(registers); i++)
            (void)get(registers[i]);
    }
}

Test(cmos, keeps_the_other_bytes)
{
    put(0x0f, 0x0a);
    put(0x7f, 0x55);
    put(0xff, 0x56); /* bit 7 is no part of the index */
    put(1, 0x12);
    cr_assert_eq(get(0x0f), 0x0a);
    cr_assert_eq(get(0x7f), 0x56);
    cr_assert_eq(get(1), 0x12, "an alarm, which never comes");
    cr_assert_eq(get(A), 0x26);
}

Test(cmos, a_wide_access_is_two_bytes)
{
    const uint8_t both[] = { 0x40, 0x99 };
    uint8_t value[2];

    cmos.device.ops->write(&cmos.device, 0, both, 2);
    cmos.device.ops->read(&cmos.device, 0, value, 2);
    cr_assert_eq(value[0], 0xff, "the index cannot be read");
    cr_assert_eq(value[1], 0x99);
}

/* Its state. */

static struct state_writer w;
static struct state_reader r;
static struct err e;

static void save(void)
{
    state_begin(&w);
    cmos_save(&cmos, &w);
    cr_assert_eq(state_end(&w, 0, &e), 0);
    cr_assert_eq(state_open(&r, w.data, w.len, &e), 0, "%s", e.text);
}

Test(cmos, goes_through_a_snapshot)
{
    put(B, H24 | SET | BINARY);
    put(2, 30);
    put(B, H24 | BINARY);
    put(0x55, 0x77);
    save();
    cmos_finish(&cmos);
    set_up();
    cr_assert_eq(cmos_load(&cmos, &r, &e), 0, "%s", e.text);
    cr_assert_eq(cmos.index, 0x55);
    cr_assert_eq(get(0x55), 0x77);
    cr_assert_eq(get(B), H24 | BINARY);
    cr_assert_eq(get(2), 30);
    cr_assert_eq(get(4), 23);
    state_free(&w);
}

Test(cmos, a_state_that_no_clock_can_be_in_is_refused)
{
    cmos.ahead_s = INT64_MAX;
    save();
    cr_assert_eq(cmos_load(&cmos, &r, &e), -EINVAL);
    cmos.ahead_s = 0;
    cmos.ram[B] = 0x10;
    save();
    cr_assert_eq(cmos_load(&cmos, &r, &e), -EINVAL);
    cmos.ram[B] = 0;
    cmos.index = 0x80;
    save();
    cr_assert_eq(cmos_load(&cmos, &r, &e), -EINVAL);
    state_free(&w);
}
