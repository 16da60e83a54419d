#ifndef TESTS_GUEST_REPORT_H
#define TESTS_GUEST_REPORT_H
/*
 * What the guests observed, in words that can be compared from one accelerator to the next.
 *
 * Tests that every accelerator runs are reported on standard output, where nothing may depend on
 * which one it is or on time; those that concern one alone, on standard error.
 */
#include <stdbool.h>

/* Which of the two the next lines are. */
void report_common(bool common);

void report(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
