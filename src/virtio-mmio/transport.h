#ifndef VIRTIO_MMIO_TRANSPORT_H
#define VIRTIO_MMIO_TRANSPORT_H
/*
 * What the transport asks of a virtio device (virtio.h): what a driver's register accesses and
 * doorbells come down to. mmio.c and plug.c are its callers, virtio.c does it.
 */
#include <stdbool.h>
#include <stdint.h>

struct virtio_device;
struct virtq;

/* A vCPU's thread, lock held. */

/* A write of the Status register. */
void virtio_status_write(struct virtio_device *v, uint32_t value);

/* A write of QueueReady. A queue is set up between FEATURES_OK and DRIVER_OK (3.1.1); at any other
 * time nothing happens. So a running queue cannot be stopped alone: that the register goes on
 * reading 1 tells the driver that it is in use (4.2.2.2). */
void virtio_queue_ready(struct virtio_device *v, struct virtq *q, bool ready);

/* Loop thread, without the lock. */

/* A doorbell was rung; ignored unless device and queue are at work. */
void virtio_kick(struct virtio_device *v, unsigned queue);

/* SETUP or LIVE to DRAINING, whether or not the driver asked for it. */
void virtio_drain(struct virtio_device *v);

/* A reset that is over but for its pace ends soon. */
void virtio_hurry(struct virtio_device *v);

#endif
