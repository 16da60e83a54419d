#ifndef VIRTIO_MMIO_NET_NET_TX_H
#define VIRTIO_MMIO_NET_NET_TX_H
/*
 * Transmitting: frames from the guest's buffers to the tap (virtio 1.2, 5.1.6.2). Loop thread
 * throughout.
 */
#include "virtio-mmio/net/net_port.h"
#include "virtio-mmio/rate_limit.h"

struct net_tx_counters {
    uint64_t packets;
    uint64_t bytes;       /* of frames, without headers */
    uint64_t malformed;   /* dropped: too short, too long, or with device-writable buffers */
    uint64_t spoofed_mac; /* sent, though the source address is not the device's */
    uint64_t tap_full;    /* times that the guest had to wait for the tap */
    uint64_t throttled;   /* times that it had to wait for the rate limiter */
    uint64_t write_fails; /* dropped: the tap refused the frame */
};

struct net_tx {
    struct net_port port;
    struct rate_limiter limit;
    struct net_tx_counters counters;
    struct loop_op wait;
    bool waiting; /* wait is in flight */
    uint8_t mac[ETH_ALEN];
    struct iovec iov[VIRTQ_SIZE_MAX];
};

/* *tx must be zeroed. */
void net_tx_init(struct net_tx *tx, const struct net_port *port, const uint8_t mac[ETH_ALEN]);

/* The driver made frames available. */
void net_tx_kick(struct net_tx *tx);

/* Cancels the wait. If `waiting` is still true after that, the wait ends later, and the port's idle
 * is called then. */
void net_tx_stop(struct net_tx *tx);

#endif
