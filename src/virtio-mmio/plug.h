#ifndef VIRTIO_MMIO_PLUG_H
#define VIRTIO_MMIO_PLUG_H
/*
 * Connecting a virtio device to a machine and disconnecting it again.
 *
 *   virtio_init     the device is complete but not connected
 *   virtio_plug     puts its window on the bus, registers its doorbells with the accelerator and
 *                   has the loop read its eventfds
 *   the guest runs
 *   virtio_unplug   once no vCPU runs; it is over when `gone` is called
 *   the device frees what it has; then interrupt lines and machine are freed (core/vm/vm.h)
 */
#include "core/vm/mem.h"
#include "virtio-mmio/virtio.h"

struct accel;
struct bus;
struct err;

/* Where a device is connected. Everything here outlives the device. */
struct virtio_slot {
    struct bus *mmio;
    gpa_t gpa; /* window of MMIO_WINDOW_SIZE bytes */
    struct accel *accel;
    struct irq_line *irq; /* initialised */
    struct loop *loop;
    const struct mem *mem;
    struct metrics *metrics; /* or NULL */
    uint64_t patience_ns;    /* a reset that takes longer is logged (virtio_late.h); 0: never */
};

/* Loop thread. */

/* While the machine is built. After a failure the device may be freed, but the machine cannot run:
 * nothing can be removed from a bus or an accelerator again. */
int virtio_plug(struct virtio_device *v, const struct virtio_slot *at, struct err *e);

/* While no vCPU runs and none will run again. Resets the device if it is LIVE. The loop calls
 * `gone`, never from inside this call, once no operation, post or buffer of the device is in use
 * any more; `gone` may free the device. The caller runs the loop until then. The callback of a
 * virtio_quiesce that has not finished is dropped. Returns false for a device that is not plugged,
 * and then does not call `gone`. */
bool virtio_unplug(struct virtio_device *v, void (*gone)(struct virtio_device *v));

#endif
