#ifndef VIRTIO_MMIO_BLK_BLK_SPAN_H
#define VIRTIO_MMIO_BLK_BLK_SPAN_H
/*
 * What one file operation transfers: a read or write, and those behind it that each go on where the
 * last one ends. A driver that works in sequence offers many at a time. Pure.
 *
 * The first request's vector takes up the others' buffers behind its own.
 */
#include "virtio-mmio/blk/blk_request.h"

struct blk_span {
    const struct blk_request *first;
    uint64_t len;   /* bytes */
    unsigned count; /* buffers, from first->data on */
    unsigned room;  /* ... that the vector has there */
};

/* Of this request alone. What its vector holds behind the data is given up. */
void blk_span_begin(struct blk_span *s, const struct blk_request *first, unsigned room);

/* Adds a request, if it goes on where the span ends and there is room. */
bool blk_span_add(struct blk_span *s, const struct blk_request *r);

#endif
