/* Writes a finding. */
#include "api/doctor/doctor_finding.h"

#include <stdarg.h>
#include <stdio.h>

void doctor_find(struct doctor_finding *f, enum doctor_verdict verdict, const char *fmt, ...)
{
    va_list args;

    f->verdict = verdict;
    va_start(args, fmt);
    (void)vsnprintf(f->text, sizeof(f->text), fmt, args);
    va_end(args);
}
