#ifndef TESTS_GUEST_REPORT_H
#define TESTS_GUEST_REPORT_H
/*
 * Reports what the guests observed, so that accelerators can be compared line by line.
 *
 * Tests that every accelerator runs are reported on standard output, where nothing may depend on
 * the accelerator or on time; tests that only one runs, on standard error.
 */
#include <stdbool.h>

/* Whether the next lines are about a test that every accelerator runs. */
void report_common(bool common);

void report(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
