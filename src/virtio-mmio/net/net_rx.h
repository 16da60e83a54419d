#ifndef VIRTIO_MMIO_NET_NET_RX_H
#define VIRTIO_MMIO_NET_NET_RX_H
/*
 * Receiving: frames from the tap into the guest's buffers (virtio 1.2, 5.1.6.3, 5.1.6.4). All of it
 * is the loop thread's.
 */
#include <limits.h>

#include "virtio-mmio/net/net_port.h"
#include "virtio-mmio/rate_limit.h"

struct net_rx_counters {
    uint64_t packets;
    uint64_t bytes;      /* of frames, without headers */
    uint64_t too_long;   /* dropped: longer than all buffers the guest can offer */
    uint64_t too_short;  /* dropped: no frame */
    uint64_t no_buffer;  /* times the tap had to wait for the guest's buffers */
    uint64_t throttled;  /* times it had to wait for the rate limiter */
    uint64_t read_fails; /* of the tap, other than that there is nothing */
};

/* Chains taken from the queue; the oldest begins with iov[first_iov]. */
struct net_rx_chain {
    uint64_t len;
    uint16_t head;
    uint16_t buffers;
};

struct net_rx {
    struct net_port port;
    struct rate_limiter limit;
    struct net_rx_counters counters;
    struct loop_op wait;
    bool waiting;   /* wait is under way */
    bool mergeable; /* MRG_RXBUF: a frame may go on in the next chain */
    bool lost;      /* the tap has no interface any more */
    unsigned stale; /* frames of the tap's, at most, that were there before the driver */

    /* The window: chains that wait for frames. */
    unsigned first_chain, chain_count;
    unsigned first_iov, iov_count;
    uint64_t room; /* bytes */
    struct net_rx_chain chain[2 * VIRTQ_SIZE_MAX];
    struct iovec iov[IOV_MAX];

    /* A frame that was longer than the window waits for more chains: `len` bytes with its header,
     * of which those from `kept` on are in rest. 0: there is none. */
    size_t len, kept;
    uint8_t rest[NET_FRAME_MAX];
};

/* What is zero stays as it is. */
void net_rx_init(struct net_rx *rx, const struct net_port *port);

/* The driver is ready. Kicks follow. */
void net_rx_start(struct net_rx *rx, bool mergeable);

/* The driver made buffers available. */
void net_rx_kick(struct net_rx *rx);

/* Gives all buffers back to the queue; a frame that waited for more of them is forgotten. */
void net_rx_give_back(struct net_rx *rx);

/* What waits in the tap is for a driver that is gone: it is dropped once the next one is there. */
void net_rx_forget(struct net_rx *rx);

/* Waits for nothing any more; the port's idle is called once `waiting` is over, if it is not
 * already. */
void net_rx_stop(struct net_rx *rx);

#endif
