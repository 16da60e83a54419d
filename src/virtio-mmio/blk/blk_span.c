/* Which requests may be merged, and merging them. */
#include "virtio-mmio/blk/blk_span.h"

#include <string.h>

#define SPAN_MAX (UINT64_C(1) << 22) /* bytes; must not exceed BLK_PIECE, the most per operation */

void blk_span_begin(struct blk_span *s, const struct blk_request *first, unsigned room)
{
    *s =
        (struct blk_span){ .first = first, .len = first->len, .count = first->count, .room = room };
}

bool blk_span_add(struct blk_span *s, const struct blk_request *r)
{
    if (r->action != s->first->action || r->offset != s->first->offset + s->len)
        return false;
    if (r->count > s->room - s->count || s->len > SPAN_MAX || r->len > SPAN_MAX - s->len)
        return false;
    memcpy(s->first->data + s->count, r->data, r->count * sizeof(*r->data));
    s->len += r->len;
    s->count += r->count;
    return true;
}
