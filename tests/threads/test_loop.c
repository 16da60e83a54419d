/*
 * The event loop under many threads: every post arrives, once and in order; a loop that sleeps is
 * always woken; and each operation ends once while its event and its cancellation race.
 *
 * Just as important is that ThreadSanitizer reports nothing: the counters that a post hands over
 * are plain variables.
 */
#include "core/loop/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/container.h"
#include "core/base/err.h"
#include "lib/check.h"

#define THREADS 4

static void thread_start(pthread_t *thread, void *(*run)(void *), void *arg)
{
    CHECK(pthread_create(thread, NULL, run, arg) == 0);
}

static void thread_join(pthread_t thread)
{
    CHECK(pthread_join(thread, NULL) == 0);
}

/* Each thread posts a long row of posts; each row arrives whole and in its order. */

#define ROW 5000u

struct row;

struct item {
    struct loop_post post;
    struct row *row;
    unsigned number; /* plain: the post publishes it */
};

struct row {
    struct loop *loop;
    unsigned *missing; /* loop thread; of all rows */
    unsigned next;     /* loop thread */
    struct item items[ROW];
};

static void item_call(struct loop_post *post)
{
    struct item *item = (struct item *)post;

    CHECK(item->number == item->row->next++);
    if (--*item->row->missing == 0)
        loop_stop(item->row->loop);
    else if (item->number % 97 == 0)
        loop_stop(item->row->loop); /* and is run again */
}

static void *row_post(void *arg)
{
    struct row *row = arg;

    for (unsigned i = 0; i < ROW; i++) {
        row->items[i] = (struct item){ .post = { .call = item_call }, .row = row, .number = i };
        loop_post(row->loop, &row->items[i].post);
    }
    return NULL;
}

static void rows(struct loop *l)
{
    struct row *row = calloc(THREADS, sizeof(*row));
    unsigned missing = THREADS * ROW;
    pthread_t threads[THREADS];

    CHECK(row);
    for (unsigned i = 0; i < THREADS; i++) {
        row[i].loop = l;
        row[i].missing = &missing;
        thread_start(&threads[i], row_post, &row[i]);
    }
    while (missing > 0)
        CHECK(loop_run(l) == 0);
    for (unsigned i = 0; i < THREADS; i++) {
        thread_join(threads[i]);
        CHECK(row[i].next == ROW);
    }
    free(row);
}

/* All threads change a counter and then post the same post. Many of these posts are ignored because
 * the post is still queued, but no change goes unseen. */

#define CHANGES 5000u

struct shared {
    struct loop_post post;
    struct loop *loop;
    unsigned changes; /* atomic */
    unsigned calls;   /* loop thread */
};

static void shared_call(struct loop_post *post)
{
    struct shared *s = (struct shared *)post;

    s->calls++;
    if (__atomic_load_n(&s->changes, __ATOMIC_RELAXED) == THREADS * CHANGES)
        loop_stop(s->loop);
}

static void *shared_change(void *arg)
{
    struct shared *s = arg;

    for (unsigned i = 0; i < CHANGES; i++) {
        (void)__atomic_fetch_add(&s->changes, 1, __ATOMIC_RELAXED);
        loop_post(s->loop, &s->post);
    }
    return NULL;
}

static void shared_post(struct loop *l)
{
    struct shared s = { .post = { .call = shared_call }, .loop = l };
    pthread_t threads[THREADS];

    for (unsigned i = 0; i < THREADS; i++)
        thread_start(&threads[i], shared_change, &s);
    CHECK(loop_run(l) == 0);
    for (unsigned i = 0; i < THREADS; i++)
        thread_join(threads[i]);
    CHECK(s.calls >= 1 && s.calls <= THREADS * CHANGES);
    /* The last post may have been ignored, or may still be queued. */
    loop_post(l, &s.post);
    CHECK(loop_run(l) == 0);
}

/* A thread waits for each call before it posts again: every post meets a loop that sleeps or is
 * just about to. A lost wake-up would hang the test until its time limit. */

#define ROUNDS 2000u

struct pingpong {
    struct loop_post post;
    struct loop *loop;
    sem_t called;
    unsigned rounds; /* plain: handed back and forth */
};

static void pingpong_call(struct loop_post *post)
{
    struct pingpong *p = (struct pingpong *)post;

    if (++p->rounds == ROUNDS)
        loop_stop(p->loop);
    CHECK(sem_post(&p->called) == 0);
}

static void *pingpong_post(void *arg)
{
    struct pingpong *p = arg;

    for (unsigned i = 0; i < ROUNDS; i++) {
        loop_post(p->loop, &p->post);
        while (sem_wait(&p->called) < 0)
            CHECK(errno == EINTR);
        CHECK(p->rounds == i + 1);
    }
    return NULL;
}

static void pingpong(struct loop *l)
{
    struct pingpong p = { .post = { .call = pingpong_call }, .loop = l };
    pthread_t thread;

    CHECK(sem_init(&p.called, 0, 0) == 0);
    thread_start(&thread, pingpong_post, &p);
    CHECK(loop_run(l) == 0);
    thread_join(thread);
    CHECK(sem_destroy(&p.called) == 0);
}

/* A thread writes a pipe while posts from another thread cancel the read of it, which is submitted
 * again each time. No byte is lost or read twice, and each submission ends once. */

#define BYTES 3000u

struct reader {
    struct loop_op op;
    struct loop_op timer; /* cancelled just as often, close to its time */
    struct loop_post cancel;
    struct loop *loop;
    struct iovec iov;
    int fds[2];
    unsigned in_flight; /* of op and timer */
    unsigned bytes;
    unsigned cancelled;
    uint8_t byte;
    bool over; /* atomic: the cancelling thread may end */
};

static struct reader *reader_of_timer(struct loop_op *timer)
{
    return container_of(timer, struct reader, timer);
}

static void reader_read(struct reader *r)
{
    r->in_flight++;
    loop_readv(r->loop, &r->op, r->fds[0], &r->iov, 1, -1);
}

static void reader_done(struct loop_op *op, int res)
{
    struct reader *r = (struct reader *)op;

    r->in_flight--;
    CHECK(res == 1 || res == -ECANCELED);
    if (res == 1)
        CHECK(r->byte == (uint8_t)r->bytes++);
    else
        r->cancelled++;
    if (r->bytes < BYTES)
        reader_read(r);
    else
        loop_cancel(r->loop, &r->timer);
    if (r->in_flight == 0)
        loop_stop(r->loop);
}

static void reader_timer(struct loop_op *op, int res)
{
    struct reader *r = reader_of_timer(op);

    r->in_flight--;
    CHECK(res == 0 || res == -ECANCELED);
    if (r->bytes < BYTES) {
        r->in_flight++;
        loop_timer(r->loop, &r->timer, clock_now_ns() + 20000);
    }
    if (r->in_flight == 0)
        loop_stop(r->loop);
}

static void reader_cancel(struct loop_post *post)
{
    struct reader *r = container_of(post, struct reader, cancel);

    loop_cancel(r->loop, &r->op);
    loop_cancel(r->loop, &r->timer);
}

static void *reader_feed(void *arg)
{
    struct reader *r = arg;

    for (unsigned i = 0; i < BYTES; i++) {
        uint8_t byte = (uint8_t)i;
        CHECK(write(r->fds[1], &byte, 1) == 1);
    }
    return NULL;
}

static void *reader_harass(void *arg)
{
    struct reader *r = arg;

    while (!__atomic_load_n(&r->over, __ATOMIC_RELAXED)) {
        loop_post(r->loop, &r->cancel);
        (void)sched_yield();
    }
    return NULL;
}

static void reader_end(struct loop_post *post)
{
    loop_stop((container_of(post, struct reader, cancel))->loop);
}

static void cancellation(struct loop *l)
{
    struct reader r = { .op = { .done = reader_done },
                        .timer = { .done = reader_timer },
                        .cancel = { .call = reader_cancel },
                        .loop = l };
    pthread_t feed, harass;

    r.iov = (struct iovec){ &r.byte, 1 };
    CHECK(pipe2(r.fds, O_CLOEXEC) == 0);
    reader_read(&r);
    r.in_flight++;
    loop_timer(l, &r.timer, 0);
    thread_start(&feed, reader_feed, &r);
    thread_start(&harass, reader_harass, &r);
    CHECK(loop_run(l) == 0);
    CHECK(r.bytes == BYTES && r.in_flight == 0);
    thread_join(feed);
    __atomic_store_n(&r.over, true, __ATOMIC_RELAXED);
    thread_join(harass);
    /* The last cancellation may still be queued, and its post lives on this stack. */
    r.cancel.call = reader_end;
    loop_post(l, &r.cancel);
    CHECK(loop_run(l) == 0);
    CHECK(close(r.fds[0]) == 0 && close(r.fds[1]) == 0);
}

int main(void)
{
    static const enum loop_backend backends[] = { LOOP_URING, LOOP_EPOLL };

    for (unsigned i = 0; i < 2; i++) {
        struct err e = { "" };
        struct loop *l;
        if (loop_create(&l, backends[i], &e) < 0) {
            (void)fprintf(stderr, "%s\n", e.text);
            return 1;
        }
        rows(l);
        shared_post(l);
        pingpong(l);
        cancellation(l);
        loop_destroy(l);
    }
    return 0;
}
