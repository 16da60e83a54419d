/*
 * The log's way out.
 *
 * One thread at a time is the writer: the one that has set `busy`. No thread ever waits for it. A
 * thread that finds `busy` set leaves its line in the ring, because the writer looks at the ring
 * once more after it has cleared `busy`. The outlet is the writer from log_outlet_next, where that
 * finds a line, to log_outlet_wrote.
 *
 * A line is one write of at most PIPE_BUF bytes, so a pipe takes it whole or not at all. Terminals
 * and sockets may take a part; then the next write begins with the rest.
 */
#include "core/log/log_out.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/patience.h"
#include "core/log/log_format.h"

#define TEXT_LEN (LOG_RING_TEXT * 4 + 1) /* every byte as \xNN, and the newline */
static_assert(TEXT_LEN <= PIPE_BUF, "a pipe takes a line whole or not at all");

struct writer {
    struct log_raw raw;
    bool has_raw;   /* raw is still to be written, after a notice if lines were lost before it */
    bool passes;    /* the last write succeeded */
    bool is_notice; /* text is a notice of lost lines */
    uint32_t count; /* lines that text stands for: 1 or, for a notice, those that were lost */
    size_t at, len; /* what is left to write: text[at] to text[len - 1] */
    char text[TEXT_LEN];
};

static struct {
    int fd;
    const char *id;
    struct log_ring ring;
    struct log_outlet *outlet; /* atomic */
    uint32_t busy;             /* atomic: some thread is the writer */
    bool held;                 /* the outlet is the writer */
    uint32_t unsaid;           /* atomic: lost lines that no notice has reported yet */
    uint64_t lost;             /* atomic: all lost lines */
    struct writer *writer;
    struct writer writers[2]; /* the second replaces an abandoned first */
} out = { .fd = STDERR_FILENO, .id = "mote", .writer = out.writers };

static bool writer_take(void)
{
    return !__atomic_exchange_n(&out.busy, 1, __ATOMIC_SEQ_CST);
}

static void writer_give(void)
{
    (void)__atomic_exchange_n(&out.busy, 0, __ATOMIC_SEQ_CST);
}

/* Adds `lines` to the lost lines, and `unsaid` to those that the next notice has to report. */
static void lines_lose(uint32_t lines, uint32_t unsaid)
{
    (void)__atomic_fetch_add(&out.lost, lines, __ATOMIC_RELAXED);
    (void)__atomic_fetch_add(&out.unsaid, unsaid, __ATOMIC_RELAXED);
}

/* Makes sure that w has something to write: the ring's next line or, if there is none, a notice of
 * the lost lines that no notice has reported yet. It waits until writes succeed: while they fail,
 * each notice would only be followed by another. false: there is nothing to write. */
static bool raw_take(struct writer *w)
{
    if (w->has_raw)
        return true;
    if (!log_ring_take(&out.ring, &w->raw)) {
        w->raw.len = 0;
        w->raw.lost = w->passes ? __atomic_exchange_n(&out.unsaid, 0, __ATOMIC_RELAXED) : 0;
    }
    w->has_raw = w->raw.len > 0 || w->raw.lost > 0;
    return w->has_raw;
}

static void notice_load(struct writer *w)
{
    char line[LOG_RING_TEXT];
    size_t len = log_head(line, sizeof(line), out.id, "WARN");

    len += (size_t)snprintf(line + len, sizeof(line) - len, "log: %u lines were lost here",
                            w->raw.lost);
    w->len = log_escape(w->text, line, len);
    w->count = w->raw.lost;
    w->raw.lost = 0;
    w->has_raw = w->raw.len > 0;
}

/* Makes sure that there is text to write. false: there is nothing to write. */
static bool text_load(struct writer *w)
{
    if (w->at < w->len)
        return true;
    if (!raw_take(w))
        return false;
    w->at = 0;
    w->is_notice = w->raw.lost > 0;
    if (w->is_notice) {
        notice_load(w);
    } else {
        w->len = log_escape(w->text, w->raw.text, w->raw.len);
        w->count = 1;
        w->has_raw = false;
    }
    w->text[w->len++] = '\n';
    return true;
}

static void text_written(struct writer *w, int res)
{
    if (res == -EAGAIN || res == -EINTR || res == -ECANCELED)
        return;
    w->passes = res > 0;
    if (res > 0) {
        w->at += (size_t)res;
        return;
    }
    lines_lose(w->is_notice ? 0 : 1, w->count);
    w->at = w->len = 0;
}

/* Writes, waiting for the descriptor until until_ns. false: it did not take everything. */
static bool writer_drain(struct writer *w, uint64_t until_ns)
{
    while (text_load(w)) {
        int res = patience_try(out.fd, w->text + w->at, w->len - w->at);
        text_written(w, res);
        if (res == -EAGAIN && (until_ns == 0 || !patience_wait(out.fd, until_ns)))
            return false;
    }
    return true;
}

/* false: there is no outlet. The pointer is read once, because a loop that fails takes its outlet
 * away while other threads log. */
static bool outlet_tell(void)
{
    struct log_outlet *o = __atomic_load_n(&out.outlet, __ATOMIC_ACQUIRE);

    if (o)
        o->ready(o);
    return o != NULL;
}

/* Looks at the ring again after writer_give, for the lines of threads that found `busy` set. */
static void writer_run(void)
{
    bool all = true;

    do {
        if (!writer_take())
            return;
        all = writer_drain(out.writer, 0);
        writer_give();
    } while (all && log_ring_has(&out.ring));
    if (!all)
        (void)outlet_tell();
}

void log_out_to(int fd, const char *id)
{
    out.fd = fd;
    out.id = id;
}

void log_out_put(struct log_raw *raw)
{
    raw->lost = __atomic_exchange_n(&out.unsaid, 0, __ATOMIC_RELAXED);
    if (!log_ring_put(&out.ring, raw))
        lines_lose(1, raw->lost + 1);
    if (!outlet_tell())
        writer_run();
}

uint64_t log_out_lost(void)
{
    return __atomic_load_n(&out.lost, __ATOMIC_RELAXED);
}

void log_out_flush(uint64_t until_ns)
{
    struct writer own;

    if (writer_take()) {
        (void)writer_drain(out.writer, until_ns);
        writer_give();
        return;
    }
    own.has_raw = own.passes = false;
    own.at = own.len = 0;
    (void)writer_drain(&own, until_ns);
}

void log_outlet_set(struct log_outlet *o)
{
    __atomic_store_n(&out.outlet, o, __ATOMIC_RELEASE);
}

bool log_outlet_next(struct iovec *rest, int *fd)
{
    struct writer *w = out.writer;

    if (!out.held && !writer_take())
        return false; /* the thread that is the writer calls `ready` if anything is left */
    out.held = text_load(w);
    if (!out.held) {
        writer_give();
        return false;
    }
    *rest = (struct iovec){ .iov_base = w->text + w->at, .iov_len = w->len - w->at };
    *fd = out.fd;
    return true;
}

void log_outlet_wrote(int res)
{
    text_written(out.writer, res);
    out.held = false;
    writer_give();
}

void log_outlet_abandon(void)
{
    log_outlet_set(NULL);
    if (!out.held)
        return;
    out.writer = &out.writers[1];
    out.held = false;
    writer_give();
}
