/* Chains that no driver should make. A queue of sixteen descriptors is large enough for each. */
#include "lib/virtio/malformed.h"

#include <assert.h>

#include "lib/check.h"

#define NEXT     VRING_DESC_F_NEXT
#define INDIRECT VRING_DESC_F_INDIRECT

enum malformed_kind {
    OUTSIDE,
    BETWEEN_REGIONS,
    OVER_THE_END,
    WRAPS,
    HEAD_BEYOND,
    NEXT_BEYOND,
    LOOPS,
    LOOPS_ON_ITSELF,
    WRONG_ORDER,
    AHEAD,
    TABLE_NESTED,
    TABLE_AND_NEXT,
    TABLE_UNEVEN,
    TABLE_EMPTY,
    TABLE_OUTSIDE,
    TABLE_TOO_LONG,
};

static const char *const names[] = {
    [OUTSIDE] = "a buffer outside RAM",
    [BETWEEN_REGIONS] = "a buffer that goes on past the end of a region",
    [OVER_THE_END] = "a buffer over the end of RAM",
    [WRAPS] = "a buffer that wraps around",
    [HEAD_BEYOND] = "a head that is no descriptor",
    [NEXT_BEYOND] = "a next that is no descriptor",
    [LOOPS] = "a loop",
    [LOOPS_ON_ITSELF] = "a descriptor that is its own next",
    [WRONG_ORDER] = "a readable buffer after a writable one",
    [AHEAD] = "more available than the queue has",
    [TABLE_NESTED] = "a table in a table",
    [TABLE_AND_NEXT] = "a table with NEXT",
    [TABLE_UNEVEN] = "half a descriptor in a table",
    [TABLE_EMPTY] = "a table of nothing",
    [TABLE_OUTSIDE] = "a table outside RAM",
    [TABLE_TOO_LONG] = "a table longer than the queue",
};
static_assert(sizeof(names) / sizeof(names[0]) == MALFORMED, "one name a kind");

const char *malformed_name(unsigned kind)
{
    return names[kind];
}

static void table_too_long(struct vd *d, unsigned queue, gpa_t at, uint16_t flags)
{
    uint32_t count = d->queue[queue].size + 1u;
    uint32_t len = count * (uint32_t)sizeof(struct vring_desc);
    gpa_t table_at = vd_alloc(d, len);
    struct vring_desc *table = vd_at(d, table_at, len);

    for (uint32_t i = 0; i < count; i++)
        table[i] =
            (struct vring_desc){ at, 8, flags | (i + 1 < count ? NEXT : 0), (uint16_t)(i + 1) };
    vd_desc(d, queue, 0, (struct vring_desc){ table_at, len, INDIRECT, 0 });
}

void malformed_offer(struct vd *d, unsigned queue, unsigned kind, uint16_t flags)
{
    struct vd_queue *q = &d->queue[queue];
    gpa_t at = vd_alloc(d, 64);
    struct vring_desc *in_table = vd_at(d, at, 64);
    struct vring_desc good = { at, 8, flags, 1 };
    struct vring_desc chained = { at, 8, flags | NEXT, 1 };
    struct vring_desc table = { at, 16, INDIRECT, 1 };
    uint16_t head = 0;

    CHECK(kind < MALFORMED);
    vd_desc(d, queue, 0, good);
    vd_desc(d, queue, 1, good);
    *in_table = good;
    switch ((enum malformed_kind)kind) {
    case OUTSIDE:
        vd_desc(d, queue, 0, (struct vring_desc){ VD_LOW_END + 4096, 8, flags, 0 });
        break;
    case BETWEEN_REGIONS:
        vd_desc(d, queue, 0, (struct vring_desc){ VD_LOW_END - 4, 8, flags, 0 });
        break;
    case OVER_THE_END:
        vd_desc(d, queue, 0, (struct vring_desc){ VD_HIGH_END - 4, 8, flags, 0 });
        break;
    case WRAPS:
        vd_desc(d, queue, 0, (struct vring_desc){ UINT64_MAX - 3, 8, flags, 0 });
        break;
    case HEAD_BEYOND:
        head = q->size;
        break;
    case NEXT_BEYOND:
        chained.next = q->size;
        vd_desc(d, queue, 0, chained);
        break;
    case LOOPS:
        vd_desc(d, queue, 0, chained);
        chained.next = 0;
        vd_desc(d, queue, 1, chained);
        break;
    case LOOPS_ON_ITSELF:
        chained.next = 0;
        vd_desc(d, queue, 0, chained);
        break;
    case WRONG_ORDER:
        vd_desc(d, queue, 0, (struct vring_desc){ at, 8, VD_WRITE | NEXT, 1 });
        vd_desc(d, queue, 1, (struct vring_desc){ at, 8, 0, 0 });
        break;
    case AHEAD:
        q->offered = (uint16_t)(q->offered + q->size);
        break;
    case TABLE_NESTED:
        *in_table = table;
        vd_desc(d, queue, 0, table);
        break;
    case TABLE_AND_NEXT:
        table.flags |= NEXT;
        vd_desc(d, queue, 0, table);
        break;
    case TABLE_UNEVEN:
        table.len = 24;
        vd_desc(d, queue, 0, table);
        break;
    case TABLE_EMPTY:
        table.len = 0;
        vd_desc(d, queue, 0, table);
        break;
    case TABLE_OUTSIDE:
        table.addr = VD_HIGH_END;
        vd_desc(d, queue, 0, table);
        break;
    case TABLE_TOO_LONG:
        table_too_long(d, queue, at, flags);
        break;
    }
    vd_offer(d, queue, head);
    vd_publish(d, queue);
    vd_kick_hard(d, queue);
}
