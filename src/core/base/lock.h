#ifndef CORE_BASE_LOCK_H
#define CORE_BASE_LOCK_H
/*
 * A lock for which some go first: the loop thread, on which a whole machine waits, before the
 * processors, each of which may come back for it at once and without end.
 *
 * A mutex is whose it is first: a thread that has to be woken for it finds it taken again by one
 * that never slept. Here those who are not to go first look, once they have it, whether somebody is
 * who does, and then let it go until he has had it. So whoever goes first waits for each of the
 * others once at the most.
 *
 * Any thread. Zeroed is not initialised.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct lock {
    pthread_mutex_t mutex;
    pthread_cond_t passed; /* nobody goes first any more */
    uint32_t first;        /* atomic; who want it, or have it, and go first */
    uint32_t waiting;      /* mutex; the others, until `passed` */
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

/* For who has something else to do meanwhile: false, it is taken, or somebody goes first. */
static inline bool lock_try(struct lock *l)
{
    return __atomic_load_n(&l->first, __ATOMIC_RELAXED) == 0 &&
           pthread_mutex_trylock(&l->mutex) == 0;
}

static inline void lock_take_first(struct lock *l)
{
    (void)__atomic_add_fetch(&l->first, 1, __ATOMIC_RELAXED);
    (void)pthread_mutex_lock(&l->mutex);
}

/* Woken with the mutex held, for a device may be gone as soon as it is not. */
static inline void lock_release_first(struct lock *l)
{
    if (__atomic_sub_fetch(&l->first, 1, __ATOMIC_RELAXED) == 0 && l->waiting > 0)
        (void)pthread_cond_broadcast(&l->passed);
    (void)pthread_mutex_unlock(&l->mutex);
}

#endif
