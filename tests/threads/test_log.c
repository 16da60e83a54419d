/*
 * The log under many threads: each thread's lines come in its order, each once or counted as lost,
 * whether the loop writes them, the threads that log, or both in turn.
 */
#include "core/log/log.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/loop/log_stream.h"
#include "core/loop/loop.h"
#include "lib/check.h"

#define THREADS 4u
#define LINES   20000u

static int ends[2];

static void *talk(void *arg)
{
    unsigned who = *(unsigned *)arg;

    for (unsigned i = 0; i < LINES; i++)
        log_warn("%u %u", who, i);
    return NULL;
}

struct tally {
    unsigned next[THREADS];
    uint64_t seen, lost;
};

static void line_judge(struct tally *t, const char *line)
{
    const char *text = strstr(line, "] ");
    unsigned who, number, lost;

    CHECK(text);
    if (sscanf(text, "] log: %u lines were lost here", &lost) == 1) {
        t->lost += lost;
        return;
    }
    CHECK(sscanf(text, "] %u %u", &who, &number) == 2 && who < THREADS);
    CHECK(number >= t->next[who]);
    t->next[who] = number + 1;
    t->seen++;
}

/* Reads until the other end is closed. */
static void *read_all(void *arg)
{
    FILE *f = fdopen(ends[0], "r");
    char line[8192];

    while (fgets(line, sizeof(line), f))
        line_judge(arg, line);
    (void)fclose(f);
    return NULL;
}

struct pause {
    struct loop_op op;
    bool over;
    struct loop *loop;
};

static void pause_over(struct loop_op *op, int res)
{
    struct pause *p = (struct pause *)op;

    (void)res;
    p->over = true;
    loop_stop(p->loop);
}

static void loop_for(struct loop *l, uint64_t ns)
{
    struct pause p = { .op = { .done = pause_over }, .loop = l };

    loop_timer(l, &p.op, clock_now_ns() + ns);
    while (!p.over)
        CHECK(loop_run(l) == 0);
}

static void threads_talk(struct loop *l)
{
    static unsigned numbers[THREADS];
    struct tally tally = { .seen = 0 };
    struct log_config config = { .level = LOG_WARN };
    pthread_t talker[THREADS], reader;
    uint64_t lost_before = log_lost();
    int saved = dup(STDERR_FILENO);

    CHECK(pipe(ends) == 0);
    CHECK(dup2(ends[1], STDERR_FILENO) == STDERR_FILENO && close(ends[1]) == 0);
    CHECK(log_open(&config, NULL) == 0);
    if (l)
        log_stream_attach(l);
    CHECK(pthread_create(&reader, NULL, read_all, &tally) == 0);
    for (unsigned i = 0; i < THREADS; i++) {
        numbers[i] = i;
        CHECK(pthread_create(&talker[i], NULL, talk, &numbers[i]) == 0);
    }
    if (l)
        loop_for(l, 200000000);
    for (unsigned i = 0; i < THREADS; i++)
        CHECK(pthread_join(talker[i], NULL) == 0);
    if (l)
        CHECK(log_stream_detach());
    log_flush(clock_now_ns() + 60ull * NS_PER_S);
    CHECK(dup2(saved, STDERR_FILENO) == STDERR_FILENO && close(saved) == 0);
    CHECK(pthread_join(reader, NULL) == 0);
    CHECK(tally.seen + tally.lost == (uint64_t)THREADS * LINES);
    CHECK(tally.lost == log_lost() - lost_before);
}

static void with_loop(enum loop_backend backend)
{
    struct loop *l;
    struct err e;

    CHECK(loop_create(&l, backend, &e) == 0);
    threads_talk(l);
    loop_destroy(l);
}

int main(void)
{
    threads_talk(NULL);
    with_loop(LOOP_URING);
    with_loop(LOOP_EPOLL);
    return 0;
}
