#ifndef TESTS_LOCK_WATCH_H
#define TESTS_LOCK_WATCH_H
/*
 * Lines of the log, and whether whoever made them held a lock.
 *
 * A test that calls lock_watch gets this file's pthread_mutex_lock, pthread_mutex_unlock and prctl
 * in front of the C library's: they count what each thread holds, and see a line by its asking for
 * the thread's name.
 */

struct lock_watch {
    unsigned lines;
    unsigned under_lock; /* of them */
};

/* Since the last call. */
struct lock_watch lock_watch(void);

#endif
