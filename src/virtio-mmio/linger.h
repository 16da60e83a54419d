#ifndef VIRTIO_MMIO_LINGER_H
#define VIRTIO_MMIO_LINGER_H
/*
 * What only one process may have is not free at once when that process is killed: the kernel holds
 * its files until their I/O has ended and the io_uring is taken apart, some 30 ms after the process
 * is gone. Whoever starts a machine anew in its place waits for that.
 */
#include <stdbool.h>
#include <time.h>

#define LINGER_PAUSE_NS 2000000l
#define LINGER_PAUSES   250u /* half a second; then it is somebody's who lives */

/* Any thread; sleeps. False once it has been called LINGER_PAUSES times with this count, which
 * begins at 0. */
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
