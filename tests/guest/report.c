/* What the guests observed. */
#include "guest/report.h"

#include <stdarg.h>
#include <stdio.h>

static bool is_common = true;

void report_common(bool common)
{
    is_common = common;
}

void report(const char *format, ...)
{
    FILE *to = is_common ? stdout : stderr;
    va_list args;

    va_start(args, format);
    (void)vfprintf(to, format, args);
    va_end(args);
    (void)fflush(to); /* a CHECK that fails ends the process at once */
}
