#ifndef VIRTIO_MMIO_NET_NET_PORT_H
#define VIRTIO_MMIO_NET_NET_PORT_H
/*
 * What the two directions of a network device (net_rx.h, net_tx.h) stand on; nobody else includes
 * it.
 *
 * A direction works through frames until there are none or its turn is over, then waits for one
 * thing at a time with its one operation: the tap to be ready, or the rate limiter. What a turn may
 * do is bounded, as all devices share the loop thread; waiting for a tap that is still ready
 * continues it after the others had theirs.
 */
#include <linux/if_ether.h>
#include <linux/virtio_net.h>

#include "virtio-mmio/virtio.h"

enum net_queue { /* 5.1.2 */
                 NET_QUEUE_RX,
                 NET_QUEUE_TX,
                 NET_QUEUES,
};

/* In front of each frame, with every set of features that has VERSION_1 (5.1.6.1). */
#define NET_HEADER_SIZE sizeof(struct virtio_net_hdr_v1)

/* The longest frame that anybody has: an Internet packet, a VLAN tag, with the header. */
#define NET_FRAME_MAX (NET_HEADER_SIZE + ETH_HLEN + 4 + 65535)
#define NET_FRAME_MIN (NET_HEADER_SIZE + ETH_HLEN)

/* A turn's worth in bytes, and what a frame counts beside its own: some 70 of 1,500 bytes or four
 * of 64 KiB. */
#define NET_TURN       (256u << 10)
#define NET_FRAME_COST 2048u

struct net_port {
    struct virtio_device *device;
    int tap;
    /* A direction that was stopped waits for nothing any more. */
    void (*idle)(struct virtio_device *v);
    /* There is no interface behind the tap any more. */
    void (*lost)(struct virtio_device *v);
};

#endif
