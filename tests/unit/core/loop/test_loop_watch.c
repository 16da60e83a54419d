/* Watches: when they are looked at, when they rest, and how long the loop spins. */
#include "core/loop/loop_backend.h"

#include <pthread.h>

#include "unit/core/loop/loop_probe.h"

/* A word of memory that somebody writes. */
struct word {
    struct loop_watch watch;
    struct loop *loop;
    unsigned left;         /* how many looks will still find something */
    unsigned left_at_rest; /* how many rests will */
    unsigned looks, rests;
    void (*then)(struct word *w); /* what a look does that found something */
};

static bool word_look(struct loop_watch *watch)
{
    struct word *w = (struct word *)watch;

    w->looks++;
    if (w->left == 0)
        return false;
    w->left--;
    if (w->then)
        w->then(w);
    return true;
}

static bool word_rest(struct loop_watch *watch)
{
    struct word *w = (struct word *)watch;

    w->rests++;
    if (w->left_at_rest == 0)
        return false;
    w->left_at_rest--;
    return true;
}

static struct word word(struct loop *l)
{
    return (struct word){ .watch = { .look = word_look, .rest = word_rest }, .loop = l };
}

/* Runs the loop until a timer fires. */
static void sleep_for(struct loop *l, uint64_t ns)
{
    struct probe *p = fires(l, clock_now_ns() + ns);

    run(l, 1);
    free(p);
}

/* As sleep_for, again and again, until there were `wanted` of these. On a loaded machine a timer
 * may be due before the loop comes to wait for it, and one sleep is then none. */
static void sleep_until(struct loop *l, const unsigned *count, unsigned wanted)
{
    for (unsigned i = 0; i < 1000 && *count < wanted; i++)
        sleep_for(l, 5 * MS);
    cr_assert_geq(*count, wanted);
}

BOTH(a_watch_rests_before_the_loop_sleeps)
{
    struct word w = word(l);

    loop_watch(l, &w.watch);
    loop_watch(l, &w.watch);
    sleep_until(l, &w.rests, 1);
    cr_assert_geq(w.looks, w.rests);
    loop_unwatch(l, &w.watch);
    loop_unwatch(l, &w.watch);
    w.looks = w.rests = 0;
    sleep_for(l, 5 * MS);
    cr_assert_eq(w.looks + w.rests, 0);
}

/* A loop that sleeps does not look: a long sleep takes no more turns than a short one. */
BOTH(a_sleeping_loop_looks_at_nothing)
{
    struct word w = word(l);

    loop_watch(l, &w.watch);
    for (unsigned i = 0; i < 1000 && (i < 8 || l->spin_ns > 0); i++)
        sleep_for(l, 5 * MS);
    w.rests = w.looks = 0;
    sleep_for(l, 200 * MS);
    cr_assert_leq(w.rests, 4);
    cr_assert_leq(w.looks, 8);
    loop_unwatch(l, &w.watch);
}

BOTH(what_a_look_finds_keeps_the_loop_awake)
{
    struct word w = word(l);
    struct probe *p;

    w.left = 1000;
    loop_watch(l, &w.watch);
    p = fires(l, 0);
    run(l, 1); /* other things are not kept waiting */
    cr_assert_gt(w.left, 0);
    cr_assert_eq(w.rests, 0);
    free(p);
    sleep_until(l, &w.looks, 1001);
    cr_assert_eq(w.left, 0);
    sleep_until(l, &w.rests, 1);
    loop_unwatch(l, &w.watch);
}

/* The word is written between the last look and the sleep, when nobody would wake the loop. */
BOTH(what_rest_finds_keeps_the_loop_awake)
{
    struct word late = word(l), other_one = word(l);

    late.left_at_rest = 1;
    loop_watch(l, &late.watch);
    loop_watch(l, &other_one.watch);
    sleep_until(l, &late.rests, 2); /* one that kept the loop awake, one before the sleep */
    cr_assert_eq(late.left_at_rest, 0);
    cr_assert_eq(other_one.rests, late.rests, "all watches are told each time");
    loop_unwatch(l, &late.watch);
    loop_unwatch(l, &other_one.watch);
}

static struct word *other;

static void unwatch_other(struct word *w)
{
    loop_unwatch(w->loop, &other->watch);
    loop_stop(w->loop);
}

BOTH(a_look_may_take_the_next_watch_away)
{
    struct word first = word(l), second = word(l);

    other = &second;
    first.then = unwatch_other;
    first.left = 1;
    loop_watch(l, &first.watch);
    loop_watch(l, &second.watch);
    cr_assert_eq(loop_run(l), 0);
    cr_assert_eq(first.looks, 1);
    cr_assert_eq(second.looks, 0);
    loop_unwatch(l, &first.watch);
}

static void watch_again(struct word *w)
{
    loop_unwatch(w->loop, &w->watch);
    loop_watch(w->loop, &w->watch);
    loop_stop(w->loop);
}

/* The look unwatches and watches again, as a device does that took what there was. */
BOTH(a_watch_is_looked_at_once_a_turn)
{
    struct word w = word(l), last = word(l);

    w.then = watch_again;
    w.left = 10;
    loop_watch(l, &w.watch);
    loop_watch(l, &last.watch);
    for (unsigned i = 1; i <= 10; i++) {
        cr_assert_eq(loop_run(l), 0);
        cr_assert_eq(w.looks, i);
        cr_assert_eq(last.looks, i);
    }
    loop_unwatch(l, &w.watch);
    loop_unwatch(l, &last.watch);
}

static void *post_soon(void *arg)
{
    struct loop_post *post = arg;

    (void)usleep(2000);
    loop_post(other->loop, post);
    return NULL;
}

static void post_stop(struct loop_post *post)
{
    (void)post;
    loop_stop(other->loop);
}

BOTH(a_post_ends_every_kind_of_wait)
{
    struct loop_post post = { .call = post_stop };
    struct word w = word(l);

    other = &w;
    loop_watch(l, &w.watch);
    for (unsigned i = 0; i < 20; i++) {
        pthread_t thread;
        cr_assert_eq(pthread_create(&thread, NULL, post_soon, &post), 0);
        cr_assert_eq(loop_run(l), 0);
        (void)pthread_join(thread, NULL);
        l->spin_ns = l->may_spin && i % 2 == 0 ? 10 * MS : 0; /* awake or asleep, in turn */
    }
    loop_unwatch(l, &w.watch);
}

/* Short waits are worth staying awake for, long ones are not. */
Test(loop_io_uring, waits_awake_for_as_long_as_that_pays)
{
    struct loop *l = loop_open(LOOP_URING);

    l->may_spin = true; /* even on a host with one processor */
    for (unsigned i = 0; i < 1000 && l->spin_ns == 0; i++) {
        struct probe *p = fires(l, 0);
        run(l, 1);
        free(p);
    }
    cr_assert_gt(l->spin_ns, 0, "none of many waits was short");
    for (unsigned i = 0; i < 1000 && l->spin_ns > 0; i++)
        sleep_for(l, MS);
    cr_assert_eq(l->spin_ns, 0);
    loop_destroy(l);
}

/* The kernel thread may need this very processor. */
Test(loop_io_uring, sleeps_at_once_while_the_kernel_works)
{
    struct loop *l = loop_open(LOOP_URING);
    struct word w = word(l);
    struct probe *p;
    int fd = temporary();

    l->may_spin = true;
    loop_watch(l, &w.watch);
    for (unsigned i = 0; i < 20; i++) {
        cr_assert_eq(write(fd, "x", 1), 1);
        l->spin_ns = 1000 * MS;
        w.looks = 0;
        p = probe(l);
        SUBMIT(loop_fdatasync(l, &p->op, fd));
        cr_assert_eq(l->kernel_works, 1);
        run(l, 1);
        cr_assert_eq(l->kernel_works, 0);
        cr_assert_leq(w.looks, 4);
        free(p);
    }
    loop_unwatch(l, &w.watch);
    (void)close(fd);
    loop_destroy(l);
}

Test(loop_epoll, never_waits_awake)
{
    struct loop *l = loop_open(LOOP_EPOLL);

    for (unsigned i = 0; i < 100; i++) {
        struct probe *p = fires(l, 0);
        run(l, 1);
        free(p);
    }
    cr_assert_eq(l->spin_ns, 0);
    loop_destroy(l);
}
