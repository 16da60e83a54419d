#ifndef VIRTIO_MMIO_NET_NET_TX_H
#define VIRTIO_MMIO_NET_NET_TX_H
/*
 * Transmitting: frames from the guest's buffers to the tap (virtio 1.2, 5.1.6.2). All of it is the
 * loop thread's.
 */
#include "virtio-mmio/net/net_port.h"
#include "virtio-mmio/rate_limit.h"

struct net_tx_counters {
    uint64_t packets;
    uint64_t bytes;       /* of frames, without headers */
    uint64_t malformed;   /* dropped: too short, too long, or with buffers to write to */
    uint64_t spoofed_mac; /* with another source address than the device's; sent all the same */
    uint64_t tap_full;    /* times the guest had to wait for the tap */
    uint64_t throttled;   /* times it had to wait for the rate limiter */
    uint64_t write_fails; /* dropped: the tap refused the frame */
};

struct net_tx {
    struct net_port port;
    struct rate_limiter limit;
    struct net_tx_counters counters;
    struct loop_op wait;
    bool waiting; /* wait is under way */
    uint8_t mac[ETH_ALEN];
    struct iovec iov[VIRTQ_SIZE_MAX];
};

/* What is zero stays as it is. */
void net_tx_init(struct net_tx *tx, const struct net_port *port, const uint8_t mac[ETH_ALEN]);

/* The driver made frames available. */
void net_tx_kick(struct net_tx *tx);

/* Waits for nothing any more; the port's idle is called once `waiting` is over, if it is not
 * already. */
void net_tx_stop(struct net_tx *tx);

#endif
