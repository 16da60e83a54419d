#ifndef CORE_LOG_LOG_H
#define CORE_LOG_LOG_H
/*
 * The log: one line an event, for the operator, to stderr or a file.
 *
 *   2026-01-02T03:04:05.678901234 [demo:fc_vcpu 0:WARN] serial: the console lost 12 bytes
 *
 * Time is UTC, then instance id, thread name, level. A line is one write of printable ASCII: any
 * other byte of it stands as \xNN. What a guest can provoke without limit goes through LOG_LIMITED:
 * at most 10 lines in 5 s from one place, then a count.
 *
 * Saying something never waits for whoever reads it: lines wait in a ring, and what that cannot
 * hold is lost and counted; the log says so in its place. Still nothing is logged under a lock: a
 * line costs its maker about a microsecond and a system call.
 */
#include <stdbool.h>
#include <stdint.h>

struct err;

enum log_level {
    LOG_OFF,
    LOG_ERROR,
    LOG_WARN,
    LOG_INFO,
    LOG_DEBUG,
    LOG_TRACE,
    LOG_LEVELS,
};

struct log_config {
    const char *path; /* file or FIFO to append to, created 0600; NULL: stderr */
    const char *id;   /* instance, NULL for "mote"; cut at 64 characters */
    enum log_level level;
};

/* Before other threads exist. Without it: stderr, LOG_WARN. A second call replaces the first; a
 * failing one changes nothing. A FIFO needs no reader yet. */
int log_open(const struct log_config *config, struct err *e);

/* "off", "error", "warn" or "warning", "info", "debug", "trace", in any case. false: none of them.
 */
bool log_level_parse(const char *word, enum log_level *level);

/* Any thread. */

bool log_wants(enum log_level level);

/* Longer than about 900 bytes is cut. */
void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Lines that could not be written since the start. */
uint64_t log_lost(void);

/* Writes what waits, until the clock says until_ns (core/base/clock.h); 0: what is taken at once. For
 * whoever ends the process; async-signal-safe. */
void log_flush(uint64_t until_ns);

struct log_limit {      /* atomics; zero before the first use */
    uint64_t window_ns; /* start of the present window */
    uint32_t lines;     /* let through in it */
    uint32_t held;      /* held back in it */
};

/* Counts one line against a limit; false: hold it back. *held: how many were held back in the
 * window that just ended. */
bool log_limit_pass(struct log_limit *limit, uint64_t now_ns, uint32_t *held);
bool log_limit_now(struct log_limit *limit, uint32_t *held);

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)

#define LOG_LIMITED(level, ...)                                                  \
    do {                                                                         \
        static struct log_limit limit_;                                          \
        uint32_t held_;                                                          \
        if (log_wants(level) && log_limit_now(&limit_, &held_)) {                \
            if (held_)                                                           \
                log_line(level, "%u lines like the next were held back", held_); \
            log_line(level, __VA_ARGS__);                                        \
        }                                                                        \
    } while (0)

#endif
