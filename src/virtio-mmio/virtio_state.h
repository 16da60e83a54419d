#ifndef VIRTIO_MMIO_VIRTIO_STATE_H
#define VIRTIO_MMIO_VIRTIO_STATE_H
/*
 * A virtio device's state across a snapshot: bringing it to rest, saving, restoring, going on.
 *
 *   virtio_quiesce(v, quiet)      no vCPU runs; run the loop until quiet is called
 *   virtio_save(v, &w)            as often as wanted
 *   virtio_resume(v)              then vCPUs may run
 *
 *   virtio_plug(v, ...)           another device, made alike, in another machine, which has the
 *   virtio_restore(v, &r, &e)     memory of the machine that was saved
 *   virtio_resume(v)
 *
 * A device at rest has answered every chain that it took from its queues. What it could not finish
 * it has given back, and it takes that again when it goes on. So its state is what its driver set
 * up and two positions for each queue, and several devices can go on from one state. What the
 * host's side held is not part of it: frames on their way, vsock connections, debts of a rate
 * limiter.
 *
 * Loop thread.
 */
#include "virtio-mmio/virtio.h"

struct err;
struct state_reader;
struct state_writer;

/* Brings a plugged device to rest, whatever it is doing. A reset that is under way ends first.
 * `quiet` is called once the device is at rest, from here or later. If the host does not answer, it
 * is never called. */
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
