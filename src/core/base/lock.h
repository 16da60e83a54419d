#ifndef CORE_BASE_LOCK_H
#define CORE_BASE_LOCK_H
/*
 * A lock with priority: the loop thread, on which a whole machine waits, goes before the vCPUs,
 * each of which may come back for the lock at once and without end.
 *
 * A plain mutex goes to the thread that gets there first: one that has to be woken finds it taken
 * again by one that never slept. Here a thread without priority that has got the mutex looks
 * whether a thread with priority wants it. If so, it lets the mutex go and waits until that thread
 * has had its turn. So a thread with priority waits for each of the others at most once.
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
    uint32_t waiting;      /* mutex; number of the others that wait for `passed` */
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

/* The broadcast comes before the unlock: after that the lock, and the device that holds it, may be
 * gone. */
static inline void lock_release_first(struct lock *l)
{
    if (__atomic_sub_fetch(&l->first, 1, __ATOMIC_RELAXED) == 0 && l->waiting > 0)
        (void)pthread_cond_broadcast(&l->passed);
    (void)pthread_mutex_unlock(&l->mutex);
}

#endif
