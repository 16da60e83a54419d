/* The lock with priority. */
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

/* A vCPU that comes back for the lock at once, again and again. The first holder keeps it until
 * let_go. */
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

/* Takes the lock with priority, and notes how many accesses came before. */
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
    cr_assert_eq(seen, 0, "%lu accesses came before the one with priority", (unsigned long)seen);
    over = true;
    for (unsigned i = 0; i < OTHERS; i++)
        (void)pthread_join(others[i], NULL);
}

Test(lock, who_has_priority_goes_before_who_comes_back)
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

/* Two threads with priority, one behind the other: the rest wait for both. */
Test(lock, all_who_have_priority_go_first)
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

Test(lock, who_only_tries_comes_after_who_has_priority)
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
    cr_assert_not(lock_try(&l), "one with priority is about to take it");
    __atomic_store_n(&l.first, 0, __ATOMIC_RELAXED);
    over = true;
    cr_assert_eq(pthread_create(&holder, NULL, come_back, &l), 0);
    while (!held)
        (void)sched_yield();
    cr_assert_eq(pthread_create(&first, NULL, go_first, &seen), 0);
    (void)sem_post(&let_go);
    (void)pthread_join(first, NULL);
    (void)pthread_join(holder, NULL);
    cr_assert(lock_try(&l), "nobody has it any more");
    lock_release(&l);
    (void)sem_destroy(&let_go);
    lock_finish(&l);
}
