#ifndef VIRTIO_MMIO_NET_NET_RX_H
#define VIRTIO_MMIO_NET_NET_RX_H
/*
 * Receiving: frames from the tap into the guest's buffers (virtio 1.2, 5.1.6.3, 5.1.6.4). Loop
 * thread throughout.
 */
#include <limits.h>

#include "virtio-mmio/net/net_port.h"
#include "virtio-mmio/rate_limit.h"

struct net_rx_counters {
    uint64_t packets;
    uint64_t bytes;      /* of frames, without headers */
    uint64_t too_long;   /* dropped: longer than all the buffers that the guest can offer */
    uint64_t too_short;  /* dropped: shorter than the virtio and Ethernet headers */
    uint64_t no_buffer;  /* times that the tap had to wait for the guest's buffers */
    uint64_t throttled;  /* times that it had to wait for the rate limiter */
    uint64_t read_fails; /* reads of the tap that failed, other than for want of a frame */
};

/* A chain in the window. */
struct net_rx_chain {
    uint64_t len; /* bytes */
    uint16_t head;
    uint16_t buffers; /* elements of iov */
};

struct net_rx {
    struct net_port port;
    struct rate_limiter limit;
    struct net_rx_counters counters;
    struct loop_op wait;
    bool waiting;   /* wait is in flight */
    bool mergeable; /* MRG_RXBUF: a frame may go on in the next chain */
    bool lost;      /* the tap's interface is gone */
    unsigned stale; /* at most this many frames in the tap are older than the driver */

    /* The window: chains taken from the queue that wait for frames. The oldest is
     * chain[first_chain], and its buffers begin at iov[first_iov]. */
    unsigned first_chain, chain_count;
    unsigned first_iov, iov_count;
    uint64_t room; /* bytes in the window */
    struct net_rx_chain chain[2 * VIRTQ_SIZE_MAX];
    struct iovec iov[IOV_MAX];

    /* The frame that was read, while it waits for more chains: `len` bytes with its header, of
     * which the first `kept` are in the window and the others in `rest`. len is 0 if none waits. */
    size_t len, kept;
    uint8_t rest[NET_FRAME_MAX];
};

/* *rx must be zeroed. */
void net_rx_init(struct net_rx *rx, const struct net_port *port);

/* The driver is ready. A kick follows. */
void net_rx_start(struct net_rx *rx, bool mergeable);

/* The driver made buffers available. */
void net_rx_kick(struct net_rx *rx);

/* Gives all buffers back to the queue; drops a frame that waited for more of them. */
void net_rx_give_back(struct net_rx *rx);

/* The driver is gone: frames that wait in the tap are dropped before the next driver gets any. */
void net_rx_forget(struct net_rx *rx);

/* Cancels the wait. If `waiting` is still true after that, the wait ends later, and the port's idle
 * is called then. */
void net_rx_stop(struct net_rx *rx);

#endif
