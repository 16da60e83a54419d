#ifndef VIRTIO_MMIO_TRANSPORT_H
#define VIRTIO_MMIO_TRANSPORT_H
/*
 * What a driver's register accesses and doorbells do to a virtio device (virtio.h). mmio.c, plug.c
 * and virtio_state.c call these functions, virtio.c implements them.
 */
#include <stdbool.h>
#include <stdint.h>

struct virtio_device;
struct virtq;

/* That vCPU's thread, lock held. */

/* A write of the Status register. */
void virtio_status_write(struct virtio_device *v, uint32_t value);

/* A write of QueueReady. It counts between FEATURES_OK and DRIVER_OK, where queues are set up
 * (3.1.1), and is ignored at any other time. So a running queue cannot be stopped alone: QueueReady
 * goes on reading 1, which tells the driver that the queue is in use (4.2.2.2). */
void virtio_queue_ready(struct virtio_device *v, struct virtq *q, bool ready);

/* Loop thread, without the lock. */

/* A doorbell was rung. Ignored unless the device is LIVE, neither failed nor held, and the queue is
 * ready. */
void virtio_kick(struct virtio_device *v, unsigned queue);

/* From SETUP or LIVE to DRAINING, whether or not the driver asked for it. */
void virtio_drain(struct virtio_device *v);

/* Cuts short the wait of a reset that only its pace still holds up (virtio.c). */
void virtio_hurry(struct virtio_device *v);

#endif
