#include "api/run/report.h"

#include <criterion/criterion.h>
#include <string.h>

/* Nanoseconds at which a machine that ran to its end reached each mark. */
static struct timeline whole(void)
{
    struct timeline t;

    for (unsigned i = 0; i < TIMELINE_MARKS; i++)
        t.at_ns[i] = 1000000 + i * 1500000ull;
    return t;
}

static unsigned lines(const char *text)
{
    unsigned n = 0;

    for (; *text; text++)
        n += *text == '\n';
    return n;
}

Test(report, is_empty_where_nobody_asked)
{
    struct timeline t = whole();

    cr_assert_str_eq(report_timeline(&t, REPORT_NONE).text, "");
}

Test(report, has_a_line_a_phase)
{
    struct timeline t = whole();
    struct report_text r = report_timeline(&t, REPORT_TEXT);

    cr_assert_eq(lines(r.text), TIMELINE_MARKS);
    for (unsigned i = 0; i < TIMELINE_MARKS; i++)
        cr_assert(strstr(r.text, timeline_mark_label((enum timeline_mark)i)));
    cr_assert(strstr(r.text, "process start: 0 us\n"), "%s", r.text);
    cr_assert(strstr(r.text, ": 1500 us\n"), "%s", r.text);
    cr_assert(strstr(r.text, ": 9000 us\n"), "%s", r.text);
}

Test(report, says_what_was_not_reached)
{
    struct timeline t = whole();

    t.at_ns[TIMELINE_BOOT_TIMER] = 0;
    cr_assert(strstr(report_timeline(&t, REPORT_TEXT).text, "boot-timer write: not reached\n"));
    cr_assert(strstr(report_timeline(&t, REPORT_JSON).text, ":null,"));
}

Test(report, is_one_json_object_on_one_line)
{
    struct timeline t = whole();
    struct report_text r = report_timeline(&t, REPORT_JSON);

    cr_assert_eq(lines(r.text), 1);
    cr_assert_eq(strncmp(r.text, "{\"timeline_us\":{\"process_start\":0,", 34), 0, "%s", r.text);
    cr_assert_str_eq(r.text + strlen(r.text) - strlen(":9000}}\n"), ":9000}}\n");
    for (unsigned i = 0; i < TIMELINE_MARKS; i++)
        cr_assert(strstr(r.text, timeline_mark_key((enum timeline_mark)i)));
}

Test(report, has_room_for_the_longest_times)
{
    struct timeline t = whole();

    for (unsigned i = 1; i < TIMELINE_MARKS; i++)
        t.at_ns[i] = UINT64_MAX;
    cr_assert_eq(lines(report_timeline(&t, REPORT_TEXT).text), TIMELINE_MARKS);
    cr_assert_eq(lines(report_timeline(&t, REPORT_JSON).text), 1);
}

Test(report, turns_ends_into_statuses)
{
    static const struct {
        enum power_end why;
        int status;
    } ends[] = { { POWER_OFF, 0 },          { POWER_RESET, 0 }, { POWER_QUIT, 0 },
                 { POWER_TRIPLE_FAULT, 1 }, { POWER_PANIC, 1 }, { POWER_FAILED, 1 },
                 { POWER_NONE, 1 } };

    for (unsigned i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        cr_assert_eq(report_status(ends[i].why), ends[i].status);
        cr_assert_eq(report_sentence(ends[i].why) == NULL, ends[i].status == 0,
                     "a sentence goes with every failure, and with nothing else");
    }
    cr_assert(strstr(report_sentence(POWER_TRIPLE_FAULT), "the guest died"));
    cr_assert(strstr(report_sentence(POWER_PANIC), "its kernel panicked"));
    cr_assert(strstr(report_sentence(POWER_FAILED), "the log says why"));
}
