/* The log's ring: in order, bounded, and harmless when full, however often it goes round. */
#include "core/log/log_ring.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct log_ring ring;

static bool put(unsigned number, uint32_t lost)
{
    struct log_raw raw = { .lost = lost };

    raw.len = (uint32_t)snprintf(raw.text, sizeof(raw.text), "line %u", number);
    return log_ring_put(&ring, &raw);
}

static void expect(unsigned number, uint32_t lost)
{
    char wanted[32];
    struct log_raw raw;

    cr_assert(log_ring_has(&ring));
    cr_assert(log_ring_take(&ring, &raw));
    cr_assert_eq((int)raw.len, snprintf(wanted, sizeof(wanted), "line %u", number));
    cr_assert_eq(memcmp(raw.text, wanted, raw.len), 0, "%.*s", (int)raw.len, raw.text);
    cr_assert_eq(raw.lost, lost);
}

static void expect_empty(void)
{
    struct log_raw raw;

    cr_assert_not(log_ring_has(&ring));
    cr_assert_not(log_ring_take(&ring, &raw));
}

Test(log_ring, lines_come_in_their_order)
{
    expect_empty();
    for (unsigned n = 0; n < 10 * LOG_RING_LINES; n += 3) {
        cr_assert(put(n, 0));
        cr_assert(put(n + 1, n));
        cr_assert(put(n + 2, 0));
        expect(n, 0);
        expect(n + 1, n);
        expect(n + 2, 0);
        expect_empty();
    }
}

Test(log_ring, a_full_one_takes_nothing_until_there_is_room)
{
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned n = 0; n < LOG_RING_LINES; n++)
            cr_assert(put(n, 0));
        cr_assert_not(put(LOG_RING_LINES, 0));
        cr_assert_not(put(LOG_RING_LINES, 0));
        expect(0, 0);
        cr_assert(put(1000, 7));
        cr_assert_not(put(1001, 0));
        for (unsigned n = 1; n < LOG_RING_LINES; n++)
            expect(n, 0);
        expect(1000, 7);
        expect_empty();
    }
}

Test(log_ring, the_longest_line_goes_whole)
{
    struct log_raw raw = { .len = LOG_RING_TEXT }, got;

    memset(raw.text, 'x', sizeof(raw.text));
    cr_assert(log_ring_put(&ring, &raw));
    cr_assert(log_ring_take(&ring, &got));
    cr_assert_eq(got.len, LOG_RING_TEXT);
    cr_assert_eq(memcmp(got.text, raw.text, sizeof(raw.text)), 0);
}
