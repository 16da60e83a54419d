#ifndef VIRTIO_MMIO_VIRTIO_LATE_H
#define VIRTIO_MMIO_VIRTIO_LATE_H
/*
 * A reset that the host holds up. The device waits for an operation that nothing can end, on a disk
 * whose server is gone, say. The log says so once the reset has taken too long, and again when it
 * is over.
 *
 * Nothing else happens. The kernel may still write into the guest's buffers, so the driver must not
 * have them back yet, and the vCPU that asked for the reset waits at its gate (core/vm/vcpu.h).
 * Whoever pauses or stops the vCPUs does not wait for that vCPU. If the disk comes back, as most
 * do, the guest goes on where it was. Ending the machine instead would lose every guest of a host
 * whose file server was away for a while; the operator has been told and can still do that.
 *
 * Loop thread.
 */
#include <stdbool.h>
#include <stdint.h>

#include "core/loop/loop.h"

struct virtio_late {
    struct loop *loop;
    const char *name; /* the device's */
    uint64_t patience_ns;
    uint64_t at_ns; /* when the present reset becomes late */
    struct loop_op timer;
    bool runs;                           /* the timer is under way */
    bool watches;                        /* a reset is under way */
    bool late;                           /* it has taken too long, and the log has said so */
    void (*idle)(struct virtio_late *l); /* called when the timer ends and is not set again */
};

/* If patience_ns is 0, nothing is ever watched or logged. `name` outlives *l. */
void virtio_late_init(struct virtio_late *l, struct loop *loop, const char *name,
                      uint64_t patience_ns, void (*idle)(struct virtio_late *l));

/* A reset has begun and could not end at once. */
void virtio_late_watch(struct virtio_late *l);

/* The reset has ended. Also for one that was not watched. */
void virtio_late_over(struct virtio_late *l);

/* Ends watching and cancels the timer. If the timer was running, `idle` is called later. */
void virtio_late_stop(struct virtio_late *l);

#endif
