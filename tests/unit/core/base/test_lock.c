/* The lock for which some go first. */
#include "core/base/lock.h"

#include <criterion/criterion.h>
#include <sched.h>
#include <semaphore.h>
#include <stdbool.h>

#define OTHERS 3u
#define ROUNDS 50u

static struct lock l;
static sem_t let_go;
static _Atomic bool held, over;
static uint64_t accesses; /* lock */

/* A processor that comes back for it at once; while it has it for the first time it waits to be
 * told. */
static void *come_back(void *is_holder)
{
    lock_take(&l);
    if (is_holder) {
        held = true;
        (void)sem_wait(&let_go);
    }
    lock_release(&l);
    while (!over) {
        lock_take(&l);
        accesses++;
        lock_release(&l);
    }
    return NULL;
}

/* Waits for the lock while it is held. */
static void *go_first(void *arg)
{
    uint64_t *seen = arg;

    lock_take_first(&l);
    *seen = accesses;
    lock_release_first(&l);
    return NULL;
}

static void round_run(void)
{
    pthread_t others[OTHERS], first;
    uint64_t seen;

    held = over = false;
    accesses = 0;
    cr_assert_eq(pthread_create(&others[0], NULL, come_back, &l), 0);
    while (!held)
        (void)sched_yield();
    for (unsigned i = 1; i < OTHERS; i++)
        cr_assert_eq(pthread_create(&others[i], NULL, come_back, NULL), 0);
    cr_assert_eq(pthread_create(&first, NULL, go_first, &seen), 0);
    while (__atomic_load_n(&l.first, __ATOMIC_RELAXED) == 0)
        (void)sched_yield();
    (void)sem_post(&let_go);
    (void)pthread_join(first, NULL);
    cr_assert_eq(seen, 0, "%lu went before it", (unsigned long)seen);
    over = true;
    for (unsigned i = 0; i < OTHERS; i++)
        (void)pthread_join(others[i], NULL);
}

Test(lock, nobody_comes_back_before_who_goes_first)
{
    lock_init(&l);
    (void)sem_init(&let_go, 0, 0);
    for (unsigned i = 0; i < ROUNDS; i++)
        round_run();
    cr_assert_eq(l.first, 0);
    cr_assert_eq(l.waiting, 0);
    (void)sem_destroy(&let_go);
    lock_finish(&l);
}

/* Two that go first, one behind the other: the rest wait for both. */
Test(lock, all_who_go_first_do)
{
    pthread_t first[2], other;
    uint64_t seen[2];

    lock_init(&l);
    (void)sem_init(&let_go, 0, 0);
    held = over = false;
    accesses = 0;
    cr_assert_eq(pthread_create(&other, NULL, come_back, &l), 0);
    while (!held)
        (void)sched_yield();
    for (unsigned i = 0; i < 2; i++)
        cr_assert_eq(pthread_create(&first[i], NULL, go_first, &seen[i]), 0);
    while (__atomic_load_n(&l.first, __ATOMIC_RELAXED) < 2)
        (void)sched_yield();
    (void)sem_post(&let_go);
    for (unsigned i = 0; i < 2; i++) {
        (void)pthread_join(first[i], NULL);
        cr_assert_eq(seen[i], 0);
    }
    over = true;
    (void)pthread_join(other, NULL);
    (void)sem_destroy(&let_go);
    lock_finish(&l);
}

Test(lock, who_only_tries_comes_behind_too)
{
    pthread_t holder, first;
    uint64_t seen;

    lock_init(&l);
    (void)sem_init(&let_go, 0, 0);
    held = over = false;
    accesses = 0;
    cr_assert(lock_try(&l));
    cr_assert_not(lock_try(&l), "it is taken");
    lock_release(&l);
    __atomic_store_n(&l.first, 1, __ATOMIC_RELAXED);
    cr_assert_not(lock_try(&l), "somebody is about to take it");
    __atomic_store_n(&l.first, 0, __ATOMIC_RELAXED);
    over = true;
    cr_assert_eq(pthread_create(&holder, NULL, come_back, &l), 0);
    while (!held)
        (void)sched_yield();
    cr_assert_eq(pthread_create(&first, NULL, go_first, &seen), 0);
    (void)sem_post(&let_go);
    (void)pthread_join(first, NULL);
    (void)pthread_join(holder, NULL);
    cr_assert(lock_try(&l), "nobody is left");
    lock_release(&l);
    (void)sem_destroy(&let_go);
    lock_finish(&l);
}
