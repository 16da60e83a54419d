#ifndef CORE_BASE_CLOCK_H
#define CORE_BASE_CLOCK_H
/*
 * The one clock for deadlines, windows and timelines: CLOCK_MONOTONIC, in nanoseconds.
 *
 * Pure code takes the time as an argument; its caller reads the clock here.
 */
#include <stdint.h>
#include <time.h>

#define NS_PER_S  UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)

/* Any thread; also from a signal handler. */
static inline uint64_t clock_now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

#endif
