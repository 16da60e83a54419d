#ifndef CORE_DEVICE_H
#define CORE_DEVICE_H
/*
 * A device as the buses see it: a register window behind one lock.
 *
 * A device embeds struct device as its first member and hands the bus a table. A vCPU's register
 * access takes the lock around each call of the table, whichever thread comes; the device takes the
 * same lock where the loop thread works on the state that its registers show.
 */
#include <pthread.h>
#include <stdint.h>

struct device;

struct device_ops {
    const char *name; /* for messages: "serial", "i8042" */

    /* That vCPU's thread, lock held. offset is into the window; size is 1, 2, 4 or 8 bytes and the
     * access lies wholly inside the window; data is little-endian and of no particular alignment. A
     * read fills all of data. The guest may do any of this at any time: there is no error to
     * return. */
    void (*read)(struct device *d, uint64_t offset, void *data, unsigned size);
    void (*write)(struct device *d, uint64_t offset, const void *data, unsigned size);
};

struct device {
    const struct device_ops *ops;
    pthread_mutex_t lock;
};

static inline void device_init(struct device *d, const struct device_ops *ops)
{
    d->ops = ops;
    (void)pthread_mutex_init(&d->lock, NULL);
}

static inline void device_finish(struct device *d)
{
    if (d->ops)
        (void)pthread_mutex_destroy(&d->lock);
    d->ops = NULL;
}

#endif
