#ifndef VIRTIO_MMIO_NET_NET_PORT_H
#define VIRTIO_MMIO_NET_NET_PORT_H
/*
 * What the two directions of a network device (net_rx.h, net_tx.h) have in common. Only they and
 * net.c use it.
 *
 * A direction moves frames until there are none or its turn is over. Then it waits for the driver's
 * next chain, or its one operation waits for the tap or the rate limiter. A turn is bounded,
 * because all devices share the loop thread. A direction whose turn is over polls the tap as well.
 * If the tap is still ready, the next turn comes after the other devices have had theirs.
 */
#include <linux/if_ether.h>
#include <linux/virtio_net.h>

#include "virtio-mmio/virtio.h"

/* 5.1.2 */
enum net_queue {
    NET_QUEUE_RX,
    NET_QUEUE_TX,
    NET_QUEUES,
};

/* The header in front of each frame. With VERSION_1 it has num_buffers in any case (5.1.6.1). */
#define NET_HEADER_SIZE sizeof(struct virtio_net_hdr_v1)

/* The longest frame there is, with its header: an IP packet with a VLAN tag. */
#define NET_FRAME_MAX (NET_HEADER_SIZE + ETH_HLEN + 4 + 65535)
#define NET_FRAME_MIN (NET_HEADER_SIZE + ETH_HLEN)

/* The bytes of one turn, and what each frame counts in addition to its own bytes: a turn is some 70
 * frames of 1,500 bytes, or four of 64 KiB. */
#define NET_TURN       (256u << 10)
#define NET_FRAME_COST 2048u

struct net_port {
    struct virtio_device *device;
    int tap;
    /* Called when a direction that was stopped has no operation in flight any more. */
    void (*idle)(struct virtio_device *v);
    /* Called when the interface behind the tap is gone. */
    void (*lost)(struct virtio_device *v);
};

#endif
