/*
 * Counts log lines, and those under a lock.
 *
 * ThreadSanitizer has its own pthread_mutex_lock, without which it sees races everywhere. So
 * nothing is watched in a build for it.
 */
#include "lib/lock_watch.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/prctl.h>

static struct lock_watch seen; /* atomics */
static bool broken;            /* atomic */

#if defined(__SANITIZE_THREAD__)
#define WATCHED 0
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WATCHED 0
#endif
#endif
#ifndef WATCHED
#define WATCHED 1
#endif

#if WATCHED
static _Thread_local int held;

static void *next(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
    static int (*real)(pthread_mutex_t *);

    if (!real)
        *(void **)&real = next("pthread_mutex_lock");
    held++;
    return real(mutex);
}

int pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    static int (*real)(pthread_mutex_t *);

    if (!real)
        *(void **)&real = next("pthread_mutex_unlock");
    held--;
    return real(mutex);
}

int prctl(int option, ...)
{
    static int (*real)(int, unsigned long, unsigned long, unsigned long, unsigned long);
    unsigned long arg[4];
    va_list args;

    va_start(args, option);
    for (int i = 0; i < 4; i++)
        arg[i] = va_arg(args, unsigned long);
    va_end(args);
    if (option == PR_GET_NAME) {
        (void)__atomic_fetch_add(&seen.lines, 1, __ATOMIC_RELAXED);
        (void)__atomic_fetch_add(&seen.under_lock, held > 0, __ATOMIC_RELAXED);
        if (held > 0)
            __atomic_store_n(&broken, true, __ATOMIC_RELAXED);
    }
    if (!real)
        *(void **)&real = next("prctl");
    return real(option, arg[0], arg[1], arg[2], arg[3]);
}

#endif

struct lock_watch lock_watch(void)
{
    return (struct lock_watch){ __atomic_exchange_n(&seen.lines, 0, __ATOMIC_RELAXED),
                                __atomic_exchange_n(&seen.under_lock, 0, __ATOMIC_RELAXED) };
}

bool lock_watch_broken(void)
{
    return __atomic_load_n(&broken, __ATOMIC_RELAXED);
}
