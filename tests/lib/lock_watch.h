#ifndef TESTS_LOCK_WATCH_H
#define TESTS_LOCK_WATCH_H
/*
 * Lines of the log, and whether whoever made them held a lock.
 *
 * A test with lib/virtio_driver.h ends when its loop has settled and there was such a line.
 *
 * Whoever calls one of these gets this file's pthread_mutex_lock, pthread_mutex_unlock and prctl
 * in front of the C library's: they count what each thread holds, and see a line by its asking for
 * the thread's name.
 */

#include <stdbool.h>

struct lock_watch {
    unsigned lines;
    unsigned under_lock; /* of them */
};

/* Since the last call. */
struct lock_watch lock_watch(void);

/* There was one under a lock, ever. */
bool lock_watch_broken(void);

#endif
