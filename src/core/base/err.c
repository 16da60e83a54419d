/* Errors as values: format the sentence, keep the code. */
#include "core/base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *e, int code, const char *fmt, ...)
{
    if (e) {
        va_list args;
        va_start(args, fmt);
        (void)vsnprintf(e->text, sizeof(e->text), fmt, args);
        va_end(args);
    }
    return -code;
}

int err_sys(struct err *e, const char *fmt, ...)
{
    int code = errno;

    if (e) {
        char what[sizeof(e->text)];
        va_list args;
        va_start(args, fmt);
        (void)vsnprintf(what, sizeof(what), fmt, args);
        va_end(args);
        (void)snprintf(e->text, sizeof(e->text), "%.400s: %s", what, strerror(code));
    }
    return -code;
}

int err_wrap(struct err *e, int ret, const char *fmt, ...)
{
    if (e) {
        char cause[sizeof(e->text)];
        char context[sizeof(e->text)];
        va_list args;
        va_start(args, fmt);
        (void)vsnprintf(context, sizeof(context), fmt, args);
        va_end(args);
        memcpy(cause, e->text, sizeof(cause));
        (void)snprintf(e->text, sizeof(e->text), "%.200s: %.300s", context, cause);
    }
    return ret;
}
