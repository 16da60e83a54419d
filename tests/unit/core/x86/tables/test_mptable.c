/* The MP tables as a guest walks them, at the specification's offsets. */
#include "core/x86/tables/mptable.h"

#include <errno.h>
#include <string.h>
#include <criterion/criterion.h>

#include "core/base/err.h"
#include "core/base/units.h"
#include "core/x86/layout.h"

#define ISA 0

static struct mem mem;
static struct err err;

static void map(uint64_t size)
{
    struct mem_config c = { .size = size,
                            .gap_start = LAYOUT_GAP_START,
                            .gap_end = LAYOUT_GAP_END };

    cr_assert_eq(mem_init(&mem, &c, &err), 0, "%s", err.text);
}

static void setup(void)
{
    map(1024 * KIB);
    memset(mem_at(&mem, LAYOUT_MPTABLE, 2 * KIB), 0xcc, 2 * KIB);
}

static void teardown(void)
{
    mem_finish(&mem);
}

TestSuite(mptable, .init = setup, .fini = teardown);

static uint32_t le(const uint8_t *at, unsigned bytes)
{
    uint32_t value = 0;

    for (unsigned i = bytes; i-- > 0;)
        value = value << 8 | at[i];
    return value;
}

static uint8_t sum(const uint8_t *at, size_t len)
{
    uint8_t s = 0;

    for (size_t i = 0; i < len; i++)
        s = (uint8_t)(s + at[i]);
    return s;
}

/* The configuration table, found through the floating pointer. */
static const uint8_t *table(void)
{
    const uint8_t *p = mem_at(&mem, LAYOUT_MPTABLE, 16);

    cr_assert_eq(memcmp(p, "_MP_", 4), 0);
    cr_assert_eq(p[8], 1, "one paragraph");
    cr_assert_eq(p[9], 4, "version 1.4");
    cr_assert_eq(sum(p, 16), 0);
    for (unsigned i = 11; i < 16; i++)
        cr_assert_eq(p[i], 0, "feature byte %u", i - 10);
    const uint8_t *t = mem_at(&mem, le(p + 4, 4), 44);
    cr_assert_eq(memcmp(t, "PCMP", 4), 0);
    cr_assert_eq(t[6], 4);
    cr_assert_eq(sum(t, le(t + 4, 2)), 0);
    cr_assert_eq(le(t + 36, 4), LAYOUT_LAPIC);
    return t;
}

static void expect_processor(const uint8_t *e, unsigned n)
{
    cr_assert_eq(e[1], n, "APIC id");
    cr_assert_eq(e[3], n ? 1 : 3, "enabled, and the first boots");
}

static void expect_io_apic(const uint8_t *e, unsigned id)
{
    cr_assert_eq(e[1], id);
    cr_assert_eq(e[3], 1, "enabled");
    cr_assert_eq(le(e + 4, 4), LAYOUT_IOAPIC);
}

Test(mptable, lists_processors_and_interrupts)
{
    static const uint8_t lengths[] = { 20, 8, 8, 8, 8 };
    static const unsigned counts[] = { 1, 2, 32 };

    for (unsigned i = 0; i < 3; i++) {
        unsigned n = counts[i], seen[5] = { 0 }, entries = 0;
        cr_assert_eq(mptable_write(&mem, n, &err), 0);
        const uint8_t *t = table(), *end = t + le(t + 4, 2);
        for (const uint8_t *e = t + 44; e < end; e += lengths[e[0]], entries++) {
            cr_assert_lt(e[0], 5);
            if (e[0] == 0)
                expect_processor(e, seen[0]);
            else if (e[0] == 1)
                cr_assert_eq(memcmp(e + 1, "\0ISA   ", 7), 0);
            else if (e[0] == 2)
                expect_io_apic(e, n);
            else if (e[0] == 3)
                cr_assert_arr_eq(e, ((uint8_t[]){ 3, 0, 0, 0, ISA, seen[3], n, seen[3] }), 8,
                                 "pin %u", seen[3]);
            else
                cr_assert_arr_eq(
                    e, ((uint8_t[]){ 4, seen[4] ? 1 : 3, 0, 0, ISA, 0, 0xff, seen[4] }), 8);
            seen[e[0]]++;
        }
        cr_assert_arr_eq(seen, ((unsigned[]){ n, 1, 1, 24, 2 }), 5);
        cr_assert_eq(le(t + 34, 2), entries);
    }
}

Test(mptable, stays_in_its_place)
{
    cr_assert_eq(mptable_write(&mem, 32, &err), 0);
    const uint8_t *after = mem_at(&mem, LAYOUT_ACPI, KIB);
    for (unsigned i = 0; i < KIB; i++)
        cr_assert_eq(after[i], 0xcc);
}

Test(mptable, needs_memory_where_it_goes)
{
    mem_finish(&mem);
    map(636 * KIB);
    cr_assert_eq(mptable_write(&mem, 1, &err), -ENOSPC);
    cr_assert(strstr(err.text, "ends below"), "%s", err.text);
    mem_finish(&mem);
    map(640 * KIB);
    cr_assert_eq(mptable_write(&mem, 32, &err), 0);
}
