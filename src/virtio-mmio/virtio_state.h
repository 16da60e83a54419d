#ifndef VIRTIO_MMIO_VIRTIO_STATE_H
#define VIRTIO_MMIO_VIRTIO_STATE_H
/*
 * A virtio device's state across a snapshot: brought to rest, saved, restored, set going again.
 *
 *   virtio_quiesce(v, quiet)      no vCPU runs; the loop runs until quiet was called
 *   virtio_save(v, &w)            as often as wanted
 *   virtio_resume(v)              then vCPUs may run
 *
 *   virtio_plug(v, ...)           another device, made alike, in another machine
 *   virtio_restore(v, &r, &e)     that has the memory of the one that was saved
 *   virtio_resume(v)
 *
 * A device at rest has taken nothing from its queues that it has not answered: what it could not
 * finish it has given back, and takes again when it goes on. So its state is what its driver set up
 * and two positions a queue, and two devices can go on from it. What the host's side held is not
 * part of it: frames on their way, vsock connections, debts of a rate limiter.
 *
 * Loop thread, all of it.
 */
#include "virtio-mmio/virtio.h"

struct err;
struct state_reader;
struct state_writer;

/* Brings a plugged device to rest, whatever it is doing; a reset that is under way ends first.
 * `quiet` is called once it is at rest, from here or later; never where the host does not answer.
 */
void virtio_quiesce(struct virtio_device *v, void (*quiet)(struct virtio_device *v));

/* Writes the section that bears the device's name; it is at rest. */
void virtio_save(const struct virtio_device *v, struct state_writer *w);

/* Puts that section's state into a plugged device that no driver has touched, and leaves it at
 * rest. The bytes are foreign: whatever a driver could not have brought about is refused. -EINVAL
 * or -ENOTSUP as state_done has it, with a sentence; nothing has changed then. A configuration
 * space that differs otherwise is the driver's to hear of when the device goes on. */
int virtio_restore(struct virtio_device *v, struct state_reader *r, struct err *e);

/* Goes on, from virtio_quiesce or virtio_restore. A rest that has not come is given up: `quiet` is
 * not called any more. */
void virtio_resume(struct virtio_device *v);

#endif
