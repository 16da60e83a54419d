#ifndef CORE_LOG_LOG_H
#define CORE_LOG_LOG_H
/*
 * The log: one line for each event, for the operator, to stderr or a file.
 *
 *   2026-01-02T03:04:05.678901234 [demo:fc_vcpu 0:WARN] serial: the console lost 12 bytes
 *
 * The time is UTC; instance id, thread name and level follow. A line is one write of printable
 * ASCII; any other byte appears as \xNN. Whatever a guest can provoke without limit is logged with
 * LOG_LIMITED: at most 10 lines in 5 s from one place in the code, then a count of those held back.
 *
 * A thread that logs never waits for the log's reader: lines wait in a ring. Lines that the ring
 * cannot hold are lost and counted, and a line in their place says how many. Still, log nothing
 * under a lock: a line costs its thread about a microsecond and a system call.
 *
 * This room is the log: the form of a line, the ring, and the way to a descriptor. It knows
 * core/base only. It must not know the event loop, which takes the log over through log_out.h, nor
 * devices or machines.
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

/* Call before other threads exist. Without any call the log goes to stderr at LOG_WARN. A second
 * call replaces the first; a failing one changes nothing. A FIFO needs no reader yet. */
int log_open(const struct log_config *config, struct err *e);

/* Accepts "off", "error", "warn" or "warning", "info", "debug" and "trace", in upper or lower case.
 * false: the word is none of these. */
bool log_level_parse(const char *word, enum log_level *level);

/* Any thread. */

bool log_wants(enum log_level level);

/* A message longer than about 900 bytes is cut. */
void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The number of lines that were lost since the start. */
uint64_t log_lost(void);

/* Writes the lines that wait, but not beyond until_ns (core/base/clock.h); 0: only what the
 * descriptor takes at once. For code that ends the process, also in the handler of a fatal
 * signal. */
void log_flush(uint64_t until_ns);

/* Atomics; zero before the first use. */
struct log_limit {
    uint64_t window_ns; /* start of the present window */
    uint32_t lines;     /* lines let through in this window */
    uint32_t held;      /* lines held back and not reported yet */
};

/* Counts one line against a limit. false: the caller must hold it back. *held is 0 or, with the
 * first line of a new window, the number of lines held back before. */
bool log_limit_pass(struct log_limit *limit, uint64_t now_ns, uint32_t *held);

/* As log_limit_pass, with the present time. */
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
