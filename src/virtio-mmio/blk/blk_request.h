#ifndef VIRTIO_MMIO_BLK_BLK_REQUEST_H
#define VIRTIO_MMIO_BLK_BLK_REQUEST_H
/*
 * A driver's request to a disk (virtio 1.2, 5.2.6): read from its chain and judged. Pure.
 *
 *   readable   struct virtio_blk_outhdr, then the data of a write
 *   writable   the data of a read, then one byte of status
 *
 * Header, data and status may be split over buffers anywhere.
 */
#include <linux/virtio_blk.h>
#include <stdbool.h>
#include <stdint.h>

#include "virtio-mmio/queue/queue.h"

/* The longest discard or write-zeroes. A request has one range. */
#define BLK_RANGE_SECTORS_MAX (UINT32_C(1) << 22)

enum blk_action {
    BLK_ANSWER, /* only the status is to be written */
    BLK_READ,
    BLK_WRITE,
    BLK_FLUSH,
    BLK_DISCARD,
    BLK_ZERO,
    BLK_IDENTIFY, /* the serial number goes into data */
};

/* What requests are judged by. */
struct blk_rules {
    uint64_t sectors;
    uint32_t block; /* bytes; offsets and lengths have to be multiples of it */
    bool read_only;
    bool flush;   /* is offered */
    bool discard; /* is offered */
};

struct blk_request {
    enum blk_action action;
    bool unmap;         /* BLK_ZERO: the host may deallocate the range */
    uint8_t status;     /* BLK_ANSWER: VIRTIO_BLK_S_* */
    uint8_t *status_at; /* guest memory */
    uint64_t offset;    /* bytes, in the disk */
    uint64_t len;       /* bytes */
    /* READ, WRITE, IDENTIFY: len bytes of guest memory, `count` elements of the chain's iov. */
    struct iovec *data;
    unsigned count;
};

/* Reads and judges a request. Cuts the chain's iov in place. False: there is no byte for the
 * status, and so no way to answer. */
bool blk_request_read(struct blk_request *r, struct virtq_chain *chain,
                      const struct blk_rules *rules);

#endif
