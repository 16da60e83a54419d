#ifndef TESTS_ECHO_H
#define TESTS_ECHO_H
/*
 * The smallest virtio device: it copies what a chain's readable buffers hold into its writable
 * ones.
 *
 * It has one queue, or two that do the same, and a configuration space whose first word the driver
 * may write. While `hold` is set it keeps chains, as a device does whose I/O takes long. It answers
 * them, the last one first, in echo_release; a reset waits for that.
 */
#include "virtio-mmio/virtio.h"

#define ECHO_IOV     8u /* buffers a chain may have */
#define ECHO_ID      0x3fu
#define ECHO_FIRST   0x11111111u /* value of config.driver after a reset */
#define ECHO_REFUSED 0x33333333u /* the value of it that a restore refuses */

struct echo_config {
    uint32_t driver; /* written by the driver */
    uint32_t device;
};

struct echo_held {
    unsigned queue;
    struct virtq_chain chain;
    struct iovec iov[ECHO_IOV];
};

struct echo {
    struct virtio_device virtio; /* first member */
    struct echo_config config;
    bool hold;
    bool draining;                    /* a reset waits for echo_release */
    void (*on_reset)(struct echo *e); /* or NULL; loop thread, when a reset begins */
    unsigned activated, resets;
    unsigned held_count;
    struct echo_held held[2 * VIRTQ_SIZE_MAX];
};

void echo_init(struct echo *e, unsigned queue_count, uint32_t queue_size);

/* Loop thread: answers all chains that are held. */
void echo_release(struct echo *e);

#endif
