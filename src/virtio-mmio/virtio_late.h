#ifndef VIRTIO_MMIO_VIRTIO_LATE_H
#define VIRTIO_MMIO_VIRTIO_LATE_H
/*
 * A reset that the host holds up: the device waits for an operation, of a disk whose server is
 * gone, that nothing can end. Said once when it has taken too long, and once more when it is over.
 *
 * Nothing else follows from it. The kernel may still write into the guest's buffers, so the driver
 * may not have them back, and the vCPU that asked for the reset stands at its gate: as at a pause,
 * which end and pause of the machine do not wait for. A disk that comes back, as they mostly do,
 * lets the guest go on where it is. To end the machine instead would be the loss of every guest of
 * a host whose file server was away for a while; the operator, who now knows, can still do that.
 *
 * Loop thread, all of it.
 */
#include <stdbool.h>
#include <stdint.h>

#include "core/loop/loop.h"

struct virtio_late {
    struct loop *loop;
    const char *name; /* the device's */
    uint64_t patience_ns;
    uint64_t at_ns; /* when the present reset is late */
    struct loop_op timer;
    bool runs;    /* timer is under way */
    bool watches; /* a reset is */
    bool late;
    void (*idle)(struct virtio_late *l); /* whenever runs is over */
};

/* patience_ns 0: nothing is ever said. */
void virtio_late_init(struct virtio_late *l, struct loop *loop, const char *name,
                      uint64_t patience_ns, void (*idle)(struct virtio_late *l));

/* A reset began, and is not done; it is. */
void virtio_late_watch(struct virtio_late *l);
void virtio_late_over(struct virtio_late *l);

/* No more of it: idle comes where it runs. */
void virtio_late_stop(struct virtio_late *l);

#endif
