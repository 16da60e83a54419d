/*
 * The form of a log line.
 *
 * A line may carry text that a guest or a stranger chose (a device's text, a file name, a request's
 * path), so it is escaped as a whole: no newline can forge a line, and no escape sequence reaches
 * the operator's terminal. Only ASCII passes, because UTF-8 can encode the C1 control characters.
 *
 * The calendar date is computed here because gmtime_r reads the time zone's file on its first use,
 * which a seccomp filter may forbid.
 */
#include "core/log/log_format.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <time.h>

static int days_of_year(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 366 : 365;
}

/* Converts days since 1970-01-01 to a date. */
static void date_of_days(int64_t days, int *year, int *month, int *day)
{
    static const uint8_t days_of_month[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

    for (*year = 1970; days >= days_of_year(*year); (*year)++)
        days -= days_of_year(*year);
    for (*month = 1;; (*month)++) {
        int len = days_of_month[*month - 1] + (*month == 2 && days_of_year(*year) == 366);
        if (days < len)
            break;
        days -= len;
    }
    *day = (int)days + 1;
}

size_t log_head(char *to, size_t size, const char *id, const char *level)
{
    char thread[16] = "";
    struct timespec now;
    int year, month, day, second, len;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    date_of_days(now.tv_sec / 86400, &year, &month, &day);
    second = (int)(now.tv_sec % 86400);
    (void)prctl(PR_GET_NAME, thread);
    len = snprintf(to, size, "%04d-%02d-%02dT%02d:%02d:%02d.%09ld [%.*s:%.15s:%s] ", year, month,
                   day, second / 3600, second / 60 % 60, second % 60, now.tv_nsec, LOG_ID_LEN, id,
                   thread, level);
    assert(len > 0 && (size_t)len < size);
    return (size_t)len;
}

size_t log_escape(char *to, const char *from, size_t len)
{
    static const char hex[] = "0123456789abcdef";
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)from[i];
        if (c >= 0x20 && c <= 0x7e) {
            to[n++] = from[i];
            continue;
        }
        to[n++] = '\\';
        to[n++] = 'x';
        to[n++] = hex[c >> 4];
        to[n++] = hex[c & 15];
    }
    return n;
}
