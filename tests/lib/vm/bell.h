#ifndef TESTS_BELL_H
#define TESTS_BELL_H
/*
 * A device that a scripted processor writes to, to tell the test how far it has come.
 */
#include <semaphore.h>

#include "core/vm/device.h"

#define BELL_LEN 8u

struct bell {
    struct device device;
    sem_t rung;
    uint64_t writes; /* with the device's lock; not atomic, so that a missing lock is a data race */
    uint64_t last;   /* with the lock; the value written last */
};

void bell_init(struct bell *b);
void bell_finish(struct bell *b);

/* Blocks until one more write has come. */
void bell_wait(struct bell *b);

#endif
