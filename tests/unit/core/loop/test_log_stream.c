/* The log through the event loop: nobody waits for its reader, and no line is written twice. */
#include "core/loop/log_stream.h"

#include <stdio.h>

#include "core/log/log.h"
#include "unit/core/loop/loop_probe.h"

static char text[1 << 20];
static int ends[2]; /* of the pipe that is stderr */

/* stderr is a pipe of one page. */
static void attach(struct loop *l)
{
    struct log_config config = { .level = LOG_WARN };

    cr_assert_eq(pipe(ends), 0);
    cr_assert_gt(fcntl(ends[1], F_SETPIPE_SZ, 4096), 0);
    cr_assert_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    dup2(ends[1], STDERR_FILENO);
    cr_assert_eq(log_open(&config, NULL), 0);
    log_stream_attach(l);
}

static size_t take(size_t len)
{
    ssize_t n;

    while ((n = read(ends[0], text + len, sizeof(text) - 1 - len)) > 0)
        len += (size_t)n;
    text[len] = 0;
    return len;
}

static unsigned lines(const char *s)
{
    unsigned n = 0;

    for (; *s; s++)
        n += *s == '\n';
    return n;
}

BOTH(lines_come_through_the_loop)
{
    attach(l);
    log_warn("one");
    log_warn("two");
    cr_assert_eq(take(0), 0, "the thread that logs writes nothing");
    while (lines(text) < 2) {
        run_turns(l);
        take(strlen(text));
    }
    cr_assert_eq(lines(text), 2);
    cr_assert(strstr(text, "] one\n") < strstr(text, "] two\n"), "%s", text);
    cr_assert(log_stream_detach());
}

/* Lines that were logged before the loop was attached, and still wait, are the loop's to write. */
BOTH(lines_that_waited_come_through_the_loop)
{
    struct log_config config = { .level = LOG_WARN };

    attach(l);
    cr_assert(log_stream_detach());
    cr_assert_eq(log_open(&config, NULL), 0);
    for (unsigned i = 0; i < 100; i++)
        log_warn("%u", i);
    log_stream_attach(l);
    for (size_t len = 0; lines(text) < 100; len = take(len))
        run_turns(l);
    for (unsigned i = 0; i < 100; i++) {
        char wanted[16];
        snprintf(wanted, sizeof(wanted), "] %u\n", i);
        cr_assert_not_null(strstr(text, wanted), "%s", wanted);
    }
    cr_assert_eq(lines(text), 100);
    cr_assert(log_stream_detach());
}

/* How many logged lines the text accounts for: those in it, and those it reports as lost. */
static unsigned accounted(void)
{
    unsigned n = lines(text), lost;

    for (const char *at = text; (at = strstr(at, "] log: ")); at++) {
        cr_assert_eq(sscanf(at, "] log: %u lines were lost here\n", &lost), 1);
        n += lost - 1;
    }
    return n;
}

BOTH(a_reader_that_does_not_read_stops_nobody)
{
    const unsigned all = 5000;
    size_t len;

    attach(l);
    for (unsigned i = 0; i < all; i++) {
        log_warn("line %u", i);
        if (i % 100 == 0)
            run_turns(l); /* the loop goes on */
    }
    run_turns(l);
    cr_assert_gt(log_lost(), all - 500);
    cr_assert_eq(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0, "whoever shares it still blocks");

    for (len = take(0); accounted() < all; len = take(len))
        run_turns(l);
    cr_assert_eq(accounted(), all, "every line is there or counted");
    log_warn("at last");
    while (!strstr(text, "] at last\n")) {
        run_turns(l);
        len = take(len);
    }
    cr_assert_eq(accounted(), all + 1);
    cr_assert(log_stream_detach());
}

/* The line whose write is under way is not lost with the loop, and comes once. */
BOTH(detaching_loses_no_line)
{
    size_t len;

    attach(l);
    for (unsigned i = 0; i < 100; i++)
        log_warn("%u", i);
    run_turns(l);
    cr_assert(log_stream_detach());
    log_warn("100");
    for (len = take(0); lines(text) < 101; len = take(len))
        log_flush(0);
    cr_assert_eq(log_lost(), 0);
    for (unsigned i = 0; i <= 100; i++) {
        char wanted[16], *at;
        snprintf(wanted, sizeof(wanted), "] %u\n", i);
        at = strstr(text, wanted);
        cr_assert_not_null(at, "%s", wanted);
        cr_assert_null(strstr(at + 1, wanted), "%s", wanted);
    }
}

BOTH(the_end_waits_no_longer_than_it_is_told_to)
{
    attach(l);
    for (unsigned i = 0; i < 100; i++)
        log_warn("%u", i);
    run_turns(l);
    cr_assert(log_stream_detach());
    log_flush(clock_now_ns() + 10 * MS);
    cr_assert_gt(take(0), 0);
    cr_assert_lt(lines(text), 100);
}

/* A process that is killed while the loop waits for the reader still writes what it can. */
BOTH(a_process_that_dies_writes_what_it_can)
{
    unsigned before;
    size_t len;

    attach(l);
    for (unsigned i = 0; i < 100; i++)
        log_warn("%u", i);
    run_turns(l);
    len = take(0);
    before = lines(text);
    cr_assert_lt(before, 90);
    log_flush(0);
    (void)take(len);
    cr_assert_gt(lines(text), before + 5, "with a write under way in the kernel");
    cr_assert(log_stream_detach());
}

/* A loop that fails may never end its write; lines after it do not depend on that. */
BOTH(an_abandoned_loop_costs_at_most_its_line)
{
    size_t len;

    attach(l);
    for (unsigned i = 0; i < 60; i++)
        log_warn("%u.", i);
    run_turns(l);
    log_stream_abandon();
    log_warn("after it");
    for (len = take(0); !strstr(text, "] after it\n"); len = take(len))
        log_flush(0);
    run_turns(l); /* the write ends after all, as loop_destroy needs */
    run_turns(l);
    (void)take(len);
    cr_assert_geq(lines(text), 60);
    cr_assert_eq(text[strlen(text) - 1], '\n', "no line was written over another");
    for (unsigned i = 0; i < 60; i++) {
        char line[16], *at;

        snprintf(line, sizeof(line), "] %u.\n", i);
        at = strstr(text, line);
        cr_assert(!at || !strstr(at + 1, line), "%s twice", line);
    }
}
