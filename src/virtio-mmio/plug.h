#ifndef VIRTIO_MMIO_PLUG_H
#define VIRTIO_MMIO_PLUG_H
/*
 * Connecting a virtio device to a machine, and taking it off again.
 *
 *   virtio_init     the device, whole but alone
 *   virtio_plug     window on the bus, doorbells at the accelerator, eventfds in the loop
 *   the guest runs
 *   virtio_unplug   once no processor runs; over when `gone` is called
 *   the device frees what it has; then interrupt lines and machine (core/vm/vm.h)
 */
#include "core/vm/mem.h"
#include "virtio-mmio/virtio.h"

struct accel;
struct bus;
struct err;

/* Where a device goes. All of it outlives the device. */
struct virtio_slot {
    struct bus *mmio;
    gpa_t gpa; /* window of MMIO_WINDOW_SIZE bytes */
    struct accel *accel;
    struct irq_line *irq; /* initialised */
    struct loop *loop;
    const struct mem *mem;
    struct metrics *metrics; /* or NULL */
    uint64_t patience_ns;    /* a reset that takes longer is told (virtio_late.h); 0: none is */
};

/* Loop thread, all of it. */

/* While the machine is built. After a failure the device may be freed and the machine cannot run:
 * neither buses nor accelerators give anything back. */
int virtio_plug(struct virtio_device *v, const struct virtio_slot *at, struct err *e);

/* While no vCPU runs and none will again. Resets the device if it is at work. `gone` is called by
 * the loop, never from in here, once no operation, post or buffer of the device is in use any more;
 * it may free the device. The caller runs the loop until then. A rest that is yet to come
 * (virtio_quiesce) is forgotten. A device that is not plugged is ignored: no call comes, and false
 * is returned. */
bool virtio_unplug(struct virtio_device *v, void (*gone)(struct virtio_device *v));

#endif
