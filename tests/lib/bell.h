#ifndef TESTS_BELL_H
#define TESTS_BELL_H
/*
 * A device by which a scripted processor tells the test that it came this far.
 */
#include <semaphore.h>

#include "core/vm/device.h"

#define BELL_LEN 8u

struct bell {
    struct device device;
    sem_t rung;
    uint64_t writes; /* the device's lock; not atomic, so that a missing lock is a data race */
    uint64_t last;   /* the lock; value of the last write */
};

void bell_init(struct bell *b);
void bell_finish(struct bell *b);

/* Blocks until one more write came. */
void bell_wait(struct bell *b);

#endif
