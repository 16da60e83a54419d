/* The timeline: the first mark counts, every mark has names, differences are microseconds. */
#include "core/base/timeline.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <string.h>

#include "core/base/clock.h"

Test(timeline, a_mark_takes_the_present_time)
{
    struct timeline t = { 0 };
    uint64_t before_ns = clock_now_ns();

    timeline_mark(&t, TIMELINE_GUEST);
    cr_assert_geq(t.at_ns[TIMELINE_GUEST], before_ns);
    cr_assert_leq(t.at_ns[TIMELINE_GUEST], clock_now_ns());
    cr_assert_eq(t.at_ns[TIMELINE_START], 0, "a mark touches no other");
}

Test(timeline, the_first_mark_counts)
{
    struct timeline t = { 0 };

    t.at_ns[TIMELINE_BOOT_TIMER] = 17;
    timeline_mark(&t, TIMELINE_BOOT_TIMER);
    cr_assert_eq(t.at_ns[TIMELINE_BOOT_TIMER], 17);
}

Test(timeline, differences_are_whole_microseconds)
{
    struct timeline t = { 0 };

    t.at_ns[TIMELINE_START] = 1000000;
    t.at_ns[TIMELINE_KERNEL] = 1000000 + 2500999;
    cr_assert_eq(timeline_us(&t, TIMELINE_KERNEL), 2500);
    cr_assert_eq(timeline_us(&t, TIMELINE_START), 0);
}

Test(timeline, what_did_not_happen_has_no_time)
{
    struct timeline t = { 0 };

    t.at_ns[TIMELINE_GUEST] = 5000;
    cr_assert_eq(timeline_us(&t, TIMELINE_GUEST), -1, "no start, no difference");
    t.at_ns[TIMELINE_START] = 1000;
    cr_assert_eq(timeline_us(&t, TIMELINE_END), -1);
}

Test(timeline, names_are_there_and_distinct)
{
    for (int i = 0; i < TIMELINE_MARKS; i++) {
        const char *key = timeline_mark_key(i);

        cr_assert_not_null(key);
        cr_assert_not_null(timeline_mark_label(i));
        for (const char *c = key; *c; c++)
            cr_assert(islower(*c) || *c == '_', "%s is not lower case with underscores", key);
        for (int j = 0; j < i; j++) {
            cr_assert_str_neq(key, timeline_mark_key(j));
            cr_assert_str_neq(timeline_mark_label(i), timeline_mark_label(j));
        }
    }
    cr_assert_str_eq(timeline_mark_label(TIMELINE_START), "process start");
    cr_assert_str_eq(timeline_mark_key(TIMELINE_BOOT_TIMER), "boot_timer_write");
}
