#ifndef VIRTIO_MMIO_VSOCK_VSOCK_PORT_H
#define VIRTIO_MMIO_VSOCK_VSOCK_PORT_H
/*
 * The data path of a vsock device, packets between queues and connections (virtio 1.2, 5.10.6), and
 * the state that the device's files share. Only they include it. Loop thread throughout.
 *
 * Packets move in turns of a bounded length, because all devices share the loop thread. When a
 * socket is ready its link only notes that, and `wake` asks for a turn.
 */
#include "virtio-mmio/virtio.h"
#include "virtio-mmio/vsock/vsock_host.h"
#include "virtio-mmio/vsock/vsock_mux.h"

/* 5.10.2 */
enum vsock_queue {
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
    bool held; /* too many resets wait: no packet of the guest's is taken */
    void (*wake)(struct vsock_port *port); /* asks for a turn */
    struct iovec iov[VIRTQ_SIZE_MAX], data[VIRTQ_SIZE_MAX];
};

/* The three parts of a turn, each up to a bound: take the packets that the guest sent (hear), send
 * packets to it (speak), write what was kept for sockets (flush). True: the next turn has more to
 * do. The caller publishes. */
bool vsock_port_hear(struct vsock_port *port);
bool vsock_port_speak(struct vsock_port *port);
bool vsock_port_flush(struct vsock_port *port);

#endif
