#ifndef VIRTIO_MMIO_VIRTIO_STATE_H
#define VIRTIO_MMIO_VIRTIO_STATE_H
/*
 * A virtio device's state across a snapshot: bringing it to rest, saving, restoring, going on.
 *
 *   virtio_quiesce(v, quiet)      no vCPU runs; run the loop until quiet is called
 *   virtio_save(v, &w)            as often as wanted
 *   virtio_resume(v)              then vCPUs may run
 *
 * In another machine, which has the memory of the saved one, a device made the same way goes on:
 *
 *   virtio_plug(v, ...)
 *   virtio_restore(v, &r, &e)
 *   virtio_resume(v)              then vCPUs may run
 *
 * A device at rest has answered or given back every chain that it took from its queues. When it
 * goes on, it takes again the chains that it gave back. So its state is what its driver set up and
 * two positions for each queue, and several devices can go on from one state. The host's side is
 * not part of the state: frames on their way, vsock connections, debts of a rate limiter.
 *
 * Loop thread.
 */
#include "virtio-mmio/virtio.h"

struct err;
struct state_reader;
struct state_writer;

/* Brings a plugged device to rest, whatever it is doing. A reset that is under way ends first.
 * `quiet` is called once the device is at rest, from here or later; never, if an operation on the
 * host does not end. */
void virtio_quiesce(struct virtio_device *v, void (*quiet)(struct virtio_device *v));

/* Writes a section under the device's name. The device is at rest. */
void virtio_save(const struct virtio_device *v, struct state_writer *w);

/* Puts that section's state into a plugged device that no driver has touched, and leaves it at
 * rest. The bytes are untrusted: a state that no driver could have brought about is refused. A
 * failure is -EINVAL or -ENOTSUP, as from state_done, with a sentence, and has changed nothing. If
 * the configuration space now differs from the saved one, a driver that is ready gets a
 * configuration interrupt when the device goes on. */
int virtio_restore(struct virtio_device *v, struct state_reader *r, struct err *e);

/* Goes on after virtio_quiesce or virtio_restore. If the device was not yet at rest, `quiet` is not
 * called any more. */
void virtio_resume(struct virtio_device *v);

#endif
