#ifndef VIRTIO_MMIO_TRANSPORT_H
#define VIRTIO_MMIO_TRANSPORT_H
/*
 * What a driver's register accesses and doorbells do to a virtio device (virtio.h). mmio.c, plug.c
 * and virtio_state.c call these functions; virtio.c implements them.
 */
#include <stdbool.h>
#include <stdint.h>

struct virtio_device;
struct virtq;

/* That vCPU's thread, lock held. */

/* A write of the Status register. */
void virtio_status_write(struct virtio_device *v, uint32_t value);

/* A write of QueueReady. It is ignored except between FEATURES_OK and DRIVER_OK, when queues are
 * set up (3.1.1). So a driver cannot stop a single running queue: when it reads QueueReady back, as
 * it must (4.2.2.2), it still reads 1. */
void virtio_queue_ready(struct virtio_device *v, struct virtq *q, bool ready);

/* Loop thread, without the lock. */

/* A doorbell was rung. Ignored unless the device is LIVE, neither failed nor held, and the queue is
 * ready. */
void virtio_kick(struct virtio_device *v, unsigned queue);

/* Begins a reset, whether or not the driver asked for it: moves the phase from SETUP or LIVE to
 * DRAINING and calls ops->reset. */
void virtio_drain(struct virtio_device *v);

/* If the end of a reset is only delayed by pacing (virtio.c), cuts the delay short. */
void virtio_hurry(struct virtio_device *v);

#endif
