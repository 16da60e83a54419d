#ifndef CORE_BASE_LOCK_H
#define CORE_BASE_LOCK_H
/*
 * A lock with priority: the loop thread, for which the whole machine waits, gets it before the
 * vCPUs, each of which may ask for it again and again without a pause.
 *
 * A plain mutex goes to whichever thread gets there first. A thread that slept and has to be woken
 * finds it taken again by one that never slept. Here a thread without priority that gets the mutex
 * checks whether a thread with priority wants it. If so, it releases the mutex and waits until that
 * thread has had the lock. So a thread with priority waits for each other thread at most once.
 *
 * Any thread. A zeroed lock is not initialised.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct lock {
    pthread_mutex_t mutex;
    pthread_cond_t passed; /* no thread with priority wants or has the lock any more */
    uint32_t first;        /* atomic; number of threads with priority that want or have it */
    uint32_t waiting;      /* mutex; number of threads without priority that wait for `passed` */
};

static inline void lock_init(struct lock *l)
{
    (void)pthread_mutex_init(&l->mutex, NULL);
    (void)pthread_cond_init(&l->passed, NULL);
    l->first = l->waiting = 0;
}

static inline void lock_finish(struct lock *l)
{
    (void)pthread_cond_destroy(&l->passed);
    (void)pthread_mutex_destroy(&l->mutex);
}

/* Without priority. */
static inline void lock_take(struct lock *l)
{
    (void)pthread_mutex_lock(&l->mutex);
    while (__atomic_load_n(&l->first, __ATOMIC_RELAXED) > 0) {
        l->waiting++;
        (void)pthread_cond_wait(&l->passed, &l->mutex);
        l->waiting--;
    }
}

static inline void lock_release(struct lock *l)
{
    (void)pthread_mutex_unlock(&l->mutex);
}

/* Without priority, for a thread that has something else to do meanwhile. false: another thread has
 * the lock, or one with priority wants it. */
static inline bool lock_try(struct lock *l)
{
    return __atomic_load_n(&l->first, __ATOMIC_RELAXED) == 0 &&
           pthread_mutex_trylock(&l->mutex) == 0;
}

/* With priority. */
static inline void lock_take_first(struct lock *l)
{
    (void)__atomic_add_fetch(&l->first, 1, __ATOMIC_RELAXED);
    (void)pthread_mutex_lock(&l->mutex);
}

/* The broadcast comes before the unlock because the next thread that gets the lock may free it,
 * with the device that it is part of. */
static inline void lock_release_first(struct lock *l)
{
    if (__atomic_sub_fetch(&l->first, 1, __ATOMIC_RELAXED) == 0 && l->waiting > 0)
        (void)pthread_cond_broadcast(&l->passed);
    (void)pthread_mutex_unlock(&l->mutex);
}

#endif
