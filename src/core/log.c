/*
 * The log: format a line, make it harmless, write it once.
 *
 * A line may carry what a guest or a stranger chose (a device's text, a file name, a request's
 * path), so it is escaped as a whole: no newline forges a line, no escape sequence reaches the
 * operator's terminal. Only ASCII passes, since the C1 controls hide in UTF-8.
 *
 * A line is at most PIPE_BUF bytes, so that one to a FIFO goes whole or not at all. The calendar is
 * computed here because gmtime_r reads the time zone's file on its first use, which a jailed thread
 * may not.
 */
#include "core/log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/err.h"

#define LIMIT_LINES 10u
#define LIMIT_NS    (5ull * CLOCK_NS_PER_S)

#define ID_LEN  64
#define RAW_LEN 1020              /* head and message before escaping */
#define OUT_LEN (RAW_LEN * 4 + 1) /* every byte as \xNN, and the newline */
static_assert(OUT_LEN <= PIPE_BUF, "a line to a FIFO is whole or absent");

static struct {
    int fd;
    enum log_level level;
    char id[ID_LEN + 1];
    uint64_t lost; /* atomic */
} sink = { .fd = STDERR_FILENO, .level = LOG_WARN, .id = "mote" };

static const struct {
    const char *word;  /* what the operator writes */
    const char *label; /* what a line shows */
} levels[] = {
    [LOG_OFF] = { "off", "OFF" },       [LOG_ERROR] = { "error", "ERROR" },
    [LOG_WARN] = { "warn", "WARN" },    [LOG_INFO] = { "info", "INFO" },
    [LOG_DEBUG] = { "debug", "DEBUG" }, [LOG_TRACE] = { "trace", "TRACE" },
};
static_assert(sizeof(levels) / sizeof(levels[0]) == LOG_LEVELS, "one name a level");

int log_open(const struct log_config *config, struct err *e)
{
    int fd = STDERR_FILENO;

    if (config->path) {
        /* For reading too: that opens a FIFO nobody reads yet, and a reader that goes away later
         * makes writes fill the FIFO instead of raising SIGPIPE. */
        fd = open(config->path, O_RDWR | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
                  0600);
        if (fd < 0)
            return err_sys(e, "cannot open the log %s", config->path);
    }
    if (sink.fd != STDERR_FILENO)
        (void)close(sink.fd);
    sink.fd = fd;
    sink.level = config->level;
    (void)snprintf(sink.id, sizeof(sink.id), "%s", config->id ? config->id : "mote");
    return 0;
}

bool log_level_parse(const char *word, enum log_level *level)
{
    if (strcasecmp(word, "warning") == 0)
        word = "warn";
    for (unsigned i = 0; i < LOG_LEVELS; i++) {
        if (strcasecmp(word, levels[i].word) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

bool log_wants(enum log_level level)
{
    return level != LOG_OFF && level <= sink.level;
}

uint64_t log_lost(void)
{
    return __atomic_load_n(&sink.lost, __ATOMIC_RELAXED);
}

static int days_of_year(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 366 : 365;
}

/* Days since 1970-01-01 to a date. */
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

/* Returns the length. */
static size_t head_format(char *to, size_t size, enum log_level level)
{
    char thread[16] = "";
    struct timespec now;
    int year, month, day, second, len;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    date_of_days(now.tv_sec / 86400, &year, &month, &day);
    second = (int)(now.tv_sec % 86400);
    (void)prctl(PR_GET_NAME, thread);
    len = snprintf(to, size, "%04d-%02d-%02dT%02d:%02d:%02d.%09ld [%s:%.15s:%s] ", year, month, day,
                   second / 3600, second / 60 % 60, second % 60, now.tv_nsec, sink.id, thread,
                   levels[level].label);
    assert(len > 0 && (size_t)len < size);
    return (size_t)len;
}

/* `to` has room for four times len. Returns the length. */
static size_t escape(char *to, const char *from, size_t len)
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

static void write_once(const char *line, size_t len)
{
    ssize_t written;

    do
        written = write(sink.fd, line, len);
    while (written < 0 && errno == EINTR);
    if (written != (ssize_t)len)
        (void)__atomic_fetch_add(&sink.lost, 1, __ATOMIC_RELAXED);
}

void log_line(enum log_level level, const char *fmt, ...)
{
    int errno_before = errno;
    char raw[RAW_LEN + 1];
    char out[OUT_LEN];
    size_t len;
    va_list args;
    int message;

    if (!log_wants(level))
        return;
    len = head_format(raw, sizeof(raw), level);
    va_start(args, fmt);
    message = vsnprintf(raw + len, sizeof(raw) - len, fmt, args);
    va_end(args);
    len += message > 0 ? (size_t)message : 0;
    if (len > RAW_LEN) {
        len = RAW_LEN;
        memcpy(raw + len - 3, "...", 3);
    }
    len = escape(out, raw, len);
    out[len++] = '\n';
    write_once(out, len);
    errno = errno_before;
}

/* Lock-free: whoever moves the window on counts itself as its first line and takes the count of
 * those held back. A thread that comes in between counts against the old window, which only ever
 * holds back one line too many. */
bool log_limit_pass(struct log_limit *limit, uint64_t now_ns, uint32_t *held)
{
    uint64_t start_ns = __atomic_load_n(&limit->window_ns, __ATOMIC_RELAXED);

    *held = 0;
    if (now_ns > start_ns && now_ns - start_ns >= LIMIT_NS &&
        __atomic_compare_exchange_n(&limit->window_ns, &start_ns, now_ns, false, __ATOMIC_RELAXED,
                                    __ATOMIC_RELAXED)) {
        *held = __atomic_exchange_n(&limit->held, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&limit->lines, 1, __ATOMIC_RELAXED);
        return true;
    }
    if (__atomic_load_n(&limit->lines, __ATOMIC_RELAXED) < LIMIT_LINES &&
        __atomic_fetch_add(&limit->lines, 1, __ATOMIC_RELAXED) < LIMIT_LINES)
        return true;
    (void)__atomic_fetch_add(&limit->held, 1, __ATOMIC_RELAXED);
    return false;
}

bool log_limit_now(struct log_limit *limit, uint32_t *held)
{
    return log_limit_pass(limit, clock_now_ns(), held);
}
