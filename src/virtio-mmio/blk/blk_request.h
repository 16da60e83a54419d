#ifndef VIRTIO_MMIO_BLK_BLK_REQUEST_H
#define VIRTIO_MMIO_BLK_BLK_REQUEST_H
/*
 * A driver's request to a disk (virtio 1.2, 5.2.6): read from its chain and judged. Pure.
 *
 *   readable   struct virtio_blk_outhdr, then what is to be written
 *   writable   what is to be read, then one byte of status
 *
 * Header, data and status may be cut into buffers anywhere.
 */
#include <linux/virtio_blk.h>
#include <stdbool.h>
#include <stdint.h>

#include "virtio-mmio/queue/queue.h"

/* One discard or write-zeroes; a request has one range. */
#define BLK_RANGE_SECTORS_MAX (UINT32_C(1) << 22)

enum blk_action {
    BLK_ANSWER, /* nothing but the status */
    BLK_READ,
    BLK_WRITE,
    BLK_FLUSH,
    BLK_DISCARD,
    BLK_ZERO,
    BLK_IDENTIFY, /* the serial number goes into data */
};

/* What the disk can do. */
struct blk_rules {
    uint64_t sectors;
    uint32_t block; /* bytes, what offsets and lengths are multiples of */
    bool read_only;
    bool flush;
    bool discard;
};

struct blk_request {
    enum blk_action action;
    bool unmap;         /* BLK_ZERO: may give the range back */
    uint8_t status;     /* BLK_ANSWER: VIRTIO_BLK_S_* */
    uint8_t *status_at; /* guest memory */
    uint64_t offset;    /* bytes, in the disk */
    uint64_t len;
    struct iovec *data; /* READ, WRITE, IDENTIFY: len bytes of guest memory, in the chain's iov */
    unsigned count;
};

/* Takes the chain's iov apart in place. False: there is no byte for the status, and so no way to
 * answer. */
bool blk_request_read(struct blk_request *r, struct virtq_chain *chain,
                      const struct blk_rules *rules);

#endif
