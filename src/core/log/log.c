/*
 * The log: formats a line and hands it to core/log/log_out.c, which never makes a thread that logs
 * wait for the log's reader.
 */
#include "core/log/log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/log/log_format.h"
#include "core/log/log_out.h"

#define LIMIT_LINES 10u
#define LIMIT_NS    (5ull * NS_PER_S)

static struct {
    int fd;
    enum log_level level;
    char id[LOG_ID_LEN + 1];
} sink = { .fd = STDERR_FILENO, .level = LOG_WARN, .id = "mote" };

static const struct {
    const char *word;  /* what the operator writes */
    const char *label; /* what a line shows */
} levels[] = {
    [LOG_OFF] = { "off", "OFF" },       [LOG_ERROR] = { "error", "ERROR" },
    [LOG_WARN] = { "warn", "WARN" },    [LOG_INFO] = { "info", "INFO" },
    [LOG_DEBUG] = { "debug", "DEBUG" }, [LOG_TRACE] = { "trace", "TRACE" },
};
static_assert(sizeof(levels) / sizeof(levels[0]) == LOG_LEVELS, "one name for each level");

int log_open(const struct log_config *config, struct err *e)
{
    int fd = STDERR_FILENO;

    if (config->path) {
        /* Opened for reading too: a FIFO then opens although nobody reads it yet, and when its
         * reader goes away later, writes fill it instead of raising SIGPIPE. */
        fd = open(config->path, O_RDWR | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
                  0600);
        if (fd < 0)
            return err_sys(e, "cannot open the log %s", config->path);
    }
    log_out_flush(0);
    if (sink.fd != STDERR_FILENO)
        (void)close(sink.fd);
    sink.fd = fd;
    sink.level = config->level;
    (void)snprintf(sink.id, sizeof(sink.id), "%s", config->id ? config->id : "mote");
    log_out_to(sink.fd, sink.id);
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
    return log_out_lost();
}

void log_flush(uint64_t until_ns)
{
    log_out_flush(until_ns);
}

void log_line(enum log_level level, const char *fmt, ...)
{
    int errno_before = errno;
    struct log_raw raw;
    size_t len;
    va_list args;
    int message;

    if (!log_wants(level))
        return;
    len = log_head(raw.text, sizeof(raw.text), sink.id, levels[level].label);
    va_start(args, fmt);
    message = vsnprintf(raw.text + len, sizeof(raw.text) - len, fmt, args);
    va_end(args);
    len += message > 0 ? (size_t)message : 0;
    if (len >= sizeof(raw.text)) {
        len = sizeof(raw.text) - 1;
        memcpy(raw.text + len - 3, "...", 3);
    }
    raw.len = (uint32_t)len;
    log_out_put(&raw);
    errno = errno_before;
}

/* Lock-free. The thread that starts a new window counts its own line as the first and takes the
 * number of lines held back. A thread that comes in between still counts its line against the old
 * window, and so may hold back a line for which the new window has room. */
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
