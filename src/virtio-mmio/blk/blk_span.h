#ifndef VIRTIO_MMIO_BLK_BLK_SPAN_H
#define VIRTIO_MMIO_BLK_BLK_SPAN_H
/*
 * What one file operation transfers: a read or write, and those after it that each begin where the
 * last one ends. A driver that works sequentially offers many such requests at a time. Pure.
 *
 * The iovecs of the others are copied behind those of the first request.
 */
#include "virtio-mmio/blk/blk_request.h"

struct blk_span {
    const struct blk_request *first;
    uint64_t len;   /* bytes */
    unsigned count; /* buffers, from first->data on */
    unsigned room;  /* buffers that fit there */
};

/* Begins a span of this request alone. Its vector is overwritten from the end of its data on. */
void blk_span_begin(struct blk_span *s, const struct blk_request *first, unsigned room);

/* Adds a request if it begins where the span ends, has the same action and fits. Returns whether it
 * was added. */
bool blk_span_add(struct blk_span *s, const struct blk_request *r);

#endif
