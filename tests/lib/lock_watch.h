#ifndef TESTS_LOCK_WATCH_H
#define TESTS_LOCK_WATCH_H
/*
 * Counts the lines of the log, and those that a thread wrote while it held a lock.
 *
 * A test that uses lib/virtio/virtio_driver.h fails in vd_settle if there was a line under a lock.
 *
 * A program that calls one of these functions gets this file's pthread_mutex_lock,
 * pthread_mutex_unlock and prctl in front of the C library's. They count the locks that each thread
 * holds, and notice a log line because the log asks for the thread's name.
 */

#include <stdbool.h>

struct lock_watch {
    unsigned lines;
    unsigned under_lock; /* how many of them under a lock */
};

/* The counts since the last call. */
struct lock_watch lock_watch(void);

/* Whether there was ever a line under a lock. */
bool lock_watch_broken(void);

#endif
