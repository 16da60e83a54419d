#ifndef VIRTIO_MMIO_LINGER_H
#define VIRTIO_MMIO_LINGER_H
/*
 * Waiting for what a killed process still holds: the lock of a disk image, a tap, a socket's path.
 *
 * The kernel keeps the files of a killed process open until their I/O has ended and its io_uring is
 * torn down, some 30 ms after the process is gone. A machine that is started in its place waits for
 * that.
 */
#include <stdbool.h>
#include <time.h>

#define LINGER_PAUSE_NS 2000000l
#define LINGER_PAUSES   250u /* half a second; a holder that outlasts it is taken to be alive */

/* Any thread. Sleeps LINGER_PAUSE_NS and counts that in *pauses, which begins at 0. Returns false
 * without sleeping once *pauses is LINGER_PAUSES. */
static inline bool linger_wait(unsigned *pauses)
{
    const struct timespec pause = { .tv_nsec = LINGER_PAUSE_NS };

    if (*pauses == LINGER_PAUSES)
        return false;
    ++*pauses;
    (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
    return true;
}

#endif
