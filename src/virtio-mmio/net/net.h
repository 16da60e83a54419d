#ifndef VIRTIO_MMIO_NET_NET_H
#define VIRTIO_MMIO_NET_NET_H
/*
 * A network device on a tap (virtio 1.2, 5.1): one queue each way, no control queue, and the
 * checksum and segmentation offloads that the tap has.
 *
 * This room is one kind of device: frames between two queues and a tap. It knows taps, the virtio
 * transport and the rate limiter; it must not know who configures it, the machine, or any other
 * kind of device.
 *
 *   net_tap_open or net_tap_adopt, net_create        while files may be opened
 *   virtio_plug(net_device(n), ...)
 *   virtio_unplug, and once it is gone: net_destroy
 */
#include <stdbool.h>
#include <stdint.h>

#include "virtio-mmio/net/net_tap.h"
#include "virtio-mmio/rate_limit.h"

struct err;
struct net;
struct virtio_device;

struct net_limit {
    struct rate bandwidth; /* bytes, with the headers */
    struct rate ops;       /* frames */
};

struct net_setup {
    const char *id;     /* the counters are "net.ID", "net.ID.rx" and "net.ID.tx" */
    struct net_tap tap; /* net_create takes it over */
    bool has_mac;       /* false: the address is a hash of id and tap.name */
    uint8_t mac[6];
    uint16_t mtu; /* 0: not offered to the driver */
    struct net_limit rx, tx;
};

/* -EINVAL with a sentence if a device cannot have this address or MTU, -ENOMEM. On failure the tap
 * stays the caller's. */
int net_create(struct net **out, const struct net_setup *setup, struct err *e);

/* The device was never plugged, or is gone. Closes the tap. Accepts NULL. */
void net_destroy(struct net *n);

/* The virtio device to plug. */
struct virtio_device *net_device(struct net *n);

#endif
