#ifndef VIRTIO_MMIO_VSOCK_VSOCK_PORT_H
#define VIRTIO_MMIO_VSOCK_VSOCK_PORT_H
/*
 * What the parts of a vsock device stand on, and its data path: packets between the queues and the
 * connections (virtio 1.2, 5.10.6). Nobody but the device's own files includes it. All of it is the
 * loop thread's.
 *
 * Ready sockets and clients only leave a mark and call `wake`; the work is done in turns of a
 * bounded length, as all devices share the loop thread.
 */
#include "virtio-mmio/virtio.h"
#include "virtio-mmio/vsock/vsock_host.h"
#include "virtio-mmio/vsock/vsock_mux.h"

enum vsock_queue { /* 5.10.2 */
                   VSOCK_QUEUE_RX,
                   VSOCK_QUEUE_TX,
                   VSOCK_QUEUE_EVENT,
                   VSOCK_QUEUES,
};

struct vsock_port {
    struct virtio_device *device;
    struct vsock_hub hub;
    struct vsock_mux mux;
    struct vsock_listener listener;
    struct vsock_counters counters;
    uint32_t cid;
    bool held; /* the guest's packets are: it has to take resets first */
    void (*wake)(struct vsock_port *port); /* there is work for a turn */
    struct iovec iov[VIRTQ_SIZE_MAX], data[VIRTQ_SIZE_MAX];
};

/* The parts of a turn, each up to a bound: hears what the guest sent, speaks to it, flushes what
 * was kept for sockets. True: there may be more to do at once. The caller publishes. */
bool vsock_port_hear(struct vsock_port *port);
bool vsock_port_speak(struct vsock_port *port);
bool vsock_port_flush(struct vsock_port *port);

#endif
