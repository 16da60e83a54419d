#ifndef VIRTIO_MMIO_NET_NET_H
#define VIRTIO_MMIO_NET_NET_H
/*
 * A network device on a tap (virtio 1.2, 5.1): one queue each way, no control queue, checksum and
 * segmentation offloads as far as the tap has them.
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
    struct rate bandwidth; /* bytes, headers counted */
    struct rate ops;       /* frames */
};

struct net_setup {
    const char *id;     /* the counters are "net.ID", "net.ID.rx" and "net.ID.tx" */
    struct net_tap tap; /* the device's once it is created */
    bool has_mac; /* otherwise one is made from id and the interface's name, always the same */
    uint8_t mac[6];
    uint16_t mtu; /* 0: the driver is told none */
    struct net_limit rx, tx;
};

/* -EINVAL with a sentence where the address or the MTU is none that a device can have; the tap is
 * still the caller's then. */
int net_create(struct net **out, const struct net_setup *setup, struct err *e);

/* It is not plugged, or gone. Closes the tap. Accepts NULL. */
void net_destroy(struct net *n);

/* What to plug: it has interrupts, queues and counters as any virtio device. */
struct virtio_device *net_device(struct net *n);

#endif
