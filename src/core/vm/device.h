#ifndef CORE_VM_DEVICE_H
#define CORE_VM_DEVICE_H
/*
 * A device as the buses see it: a register window behind one lock.
 *
 * A device embeds struct device as its first member and passes a table to device_init. On every
 * register access the bus takes the lock, on the thread of the vCPU that makes the access, and
 * calls the table. When the device works on the loop thread with state that its registers show, it
 * takes the same lock with device_lock. That has priority (lock.h), so a guest whose processors do
 * nothing but read a register does not keep the loop waiting.
 */
#include <stdint.h>

#include "core/base/lock.h"

struct device;

struct device_ops {
    const char *name; /* for messages: "serial", "i8042" */

    /* A vCPU's thread, lock held. offset is from the start of the window. size is 1, 2, 4 or 8
     * bytes, and the access lies wholly inside the window. data is little-endian and has any
     * alignment. A read fills all of it. The guest may make any access at any time, so none returns
     * an error. */
    void (*read)(struct device *d, uint64_t offset, void *data, unsigned size);
    void (*write)(struct device *d, uint64_t offset, const void *data, unsigned size);
};

struct device {
    const struct device_ops *ops;
    struct lock lock;
};

static inline void device_init(struct device *d, const struct device_ops *ops)
{
    d->ops = ops;
    lock_init(&d->lock);
}

static inline void device_finish(struct device *d)
{
    if (d->ops)
        lock_finish(&d->lock);
    d->ops = NULL;
}

/* Loop thread, and not from within `read` or `write`, which run with the lock held. */
static inline void device_lock(struct device *d)
{
    lock_take_first(&d->lock);
}

static inline void device_unlock(struct device *d)
{
    lock_release_first(&d->lock);
}

#endif
