/*
 * The device's side of a split virtqueue.
 *
 * Memory order, against a driver on another processor:
 *
 *   pop      The available index is loaded with acquire. So later loads see the ring entries,
 *            descriptors and buffers that the driver wrote before it stored the index (2.7.13.3.1).
 *   publish  The used index is stored with release. So a driver that sees the index also sees the
 *            entries pushed before it and what the device wrote into buffers (2.7.8.2). Then comes
 *            a full fence, then the load of used_event or the flags. The driver in turn stores its
 *            wish for interrupts, fences and loads the used index. The two fences make sure that at
 *            least one side sees the other's store: either the device raises an interrupt or the
 *            driver finds the answer.
 *   kicks_on The same with the roles exchanged: store avail_event or the flag, full fence, load the
 *            available index (2.7.10.1).
 *
 * With VIRTIO_F_EVENT_IDX, kicks_off stores nothing. The driver kicks when its index passes
 * avail_event. The index is past avail_event already, and passes it again only if kicks_on moves
 * avail_event, or after 65,536 more chains, which costs one needless kick.
 */
#include "virtio-mmio/queue/queue.h"

#include <assert.h>
#include <errno.h>
#include <linux/virtio_config.h>
#include <stddef.h>
#include <string.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "ring fields are used unconverted");
static_assert(sizeof(struct vring_desc) == 16 && sizeof(struct vring_used_elem) == 8,
              "virtio 1.2, 2.7");

#define CHAIN_BYTES_MAX (UINT64_C(1) << 32)

static const char *const fault_texts[] = {
    [VIRTQ_SOUND] = "nothing is wrong",
    [VIRTQ_BAD_SIZE] = "the queue's size is not a power of two, or too large",
    [VIRTQ_BAD_RING] = "a ring is misaligned or not in RAM",
    [VIRTQ_BAD_INDEX] = "more chains are available than the queue has descriptors",
    [VIRTQ_BAD_NEXT] = "a chain names a descriptor that does not exist",
    [VIRTQ_TOO_LONG] = "a chain loops or is longer than the queue",
    [VIRTQ_TOO_MANY] = "a chain has more buffers than the device takes",
    [VIRTQ_TOO_BIG] = "a chain has more than 4 GiB",
    [VIRTQ_BAD_BUFFER] = "a buffer is not in RAM",
    [VIRTQ_BAD_ORDER] = "a readable buffer comes after a writable one",
    [VIRTQ_BAD_INDIRECT] = "an indirect table is malformed or not allowed",
};
static_assert(sizeof(fault_texts) / sizeof(fault_texts[0]) == VIRTQ_FAULTS, "one text a fault");

const char *virtq_fault_text(enum virtq_fault fault)
{
    return fault_texts[fault];
}

void virtq_reset(struct virtq *q)
{
    *q = (struct virtq){ .size_max = q->size_max };
}

/* The host address of one of the three areas, or NULL if it is misaligned or not in RAM. */
static void *area_at(const struct mem *mem, gpa_t gpa, uint64_t len, unsigned align)
{
    return gpa % align == 0 ? mem_at(mem, gpa, len) : NULL;
}

/* Lengths as in 2.7, always with the two bytes of used_event or avail_event. */
static enum virtq_fault areas_find(struct virtq *q, const struct mem *mem)
{
    uint64_t n = q->size;

    q->desc = area_at(mem, q->desc_gpa, 16 * n, VRING_DESC_ALIGN_SIZE);
    q->avail = area_at(mem, q->avail_gpa, 6 + 2 * n, VRING_AVAIL_ALIGN_SIZE);
    q->used = area_at(mem, q->used_gpa, 6 + 8 * n, VRING_USED_ALIGN_SIZE);
    if (!q->desc || !q->avail || !q->used)
        return VIRTQ_BAD_RING;
    q->used_event = &q->avail->ring[n];
    q->avail_event = (uint16_t *)&q->used->ring[n];
    return VIRTQ_SOUND;
}

enum virtq_fault virtq_enable(struct virtq *q, const struct mem *mem, uint64_t features)
{
    bool sized = q->size > 0 && q->size <= q->size_max && (q->size & (q->size - 1)) == 0;
    enum virtq_fault fault = sized ? areas_find(q, mem) : VIRTQ_BAD_SIZE;

    q->mem = mem;
    q->indirect = features >> VIRTIO_RING_F_INDIRECT_DESC & 1;
    q->event_idx = features >> VIRTIO_RING_F_EVENT_IDX & 1;
    q->ready = fault == VIRTQ_SOUND;
    q->fault = (uint8_t)fault;
    return fault;
}

void virtq_stop(struct virtq *q)
{
    q->stopped = true;
}

/* Whether the queue may give chains. */
static bool virtq_works(const struct virtq *q)
{
    return q->ready && !q->stopped && q->fault == VIRTQ_SOUND;
}

/* Loads the driver's available index. Each chain that is available or in flight has at least one
 * descriptor of its own, so there are at most as many of them as the queue has descriptors. */
static void avail_look(struct virtq *q)
{
    uint16_t index = __atomic_load_n(&q->avail->idx, __ATOMIC_ACQUIRE);
    uint16_t available = (uint16_t)(index - q->next_avail);

    if (available + (uint32_t)q->in_flight > q->size)
        q->fault = VIRTQ_BAD_INDEX;
    q->avail_seen = index;
}

/* The table that descriptors are read from: the queue's, or an indirect one. */
struct table {
    const uint8_t *at;
    uint32_t count;
    bool indirect;
};

/* Uses memcpy, because an indirect table need not be aligned. The barrier keeps the compiler from
 * reading guest memory again instead of using the copy. */
static struct vring_desc desc_read(const struct table *t, uint32_t index)
{
    struct vring_desc copy;

    memcpy(&copy, t->at + (size_t)index * sizeof(copy), sizeof(copy));
    __asm__ volatile("" ::: "memory");
    return copy;
}

/* 2.7.5.3: a chain may have one indirect table. The last direct descriptor refers to it, and that
 * descriptor's WRITE flag means nothing. */
static enum virtq_fault table_enter(const struct virtq *q, struct table *t,
                                    const struct vring_desc *d)
{
    if (!q->indirect || t->indirect || d->flags & VRING_DESC_F_NEXT)
        return VIRTQ_BAD_INDIRECT;
    if (d->len == 0 || d->len % sizeof(*d) != 0)
        return VIRTQ_BAD_INDIRECT;
    t->at = mem_at(q->mem, d->addr, d->len);
    t->count = d->len / (uint32_t)sizeof(*d);
    t->indirect = true;
    return t->at ? VIRTQ_SOUND : VIRTQ_BAD_INDIRECT;
}

static enum virtq_fault buffer_add(const struct virtq *q, struct virtq_chain *chain,
                                   const struct vring_desc *d)
{
    bool writable = d->flags & VRING_DESC_F_WRITE;
    unsigned count = chain->readable + (unsigned)chain->writable;
    void *at;

    if (!writable && chain->writable > 0)
        return VIRTQ_BAD_ORDER;
    if (d->len == 0)
        return VIRTQ_SOUND;
    if (count == chain->iov_max)
        return VIRTQ_TOO_MANY;
    at = mem_at(q->mem, d->addr, d->len);
    if (!at)
        return VIRTQ_BAD_BUFFER;
    chain->iov[count] = (struct iovec){ .iov_base = at, .iov_len = d->len };
    *(writable ? &chain->writable : &chain->readable) += 1;
    *(writable ? &chain->writable_len : &chain->readable_len) += d->len;
    if (chain->readable_len + chain->writable_len > CHAIN_BYTES_MAX)
        return VIRTQ_TOO_BIG;
    return VIRTQ_SOUND;
}

/* Follows at most as many descriptors as the queue has, over both tables, so a loop ends too. The
 * descriptor that refers to the indirect table does not count; a chain has at most one of those. */
static enum virtq_fault chain_walk(const struct virtq *q, struct virtq_chain *chain)
{
    struct table t = { .at = (const uint8_t *)q->desc, .count = q->size };
    uint32_t index = chain->head;
    enum virtq_fault fault;

    for (unsigned left = q->size; left > 0; left--) {
        struct vring_desc d;
        if (index >= t.count)
            return VIRTQ_BAD_NEXT;
        d = desc_read(&t, index);
        if (d.flags & VRING_DESC_F_INDIRECT) {
            fault = table_enter(q, &t, &d);
            if (fault != VIRTQ_SOUND)
                return fault;
            left++;
            index = 0;
            continue;
        }
        fault = buffer_add(q, chain, &d);
        if (fault != VIRTQ_SOUND || !(d.flags & VRING_DESC_F_NEXT))
            return fault;
        index = d.next;
    }
    return VIRTQ_TOO_LONG;
}

int virtq_pop(struct virtq *q, struct virtq_chain *chain)
{
    if (virtq_works(q) && q->next_avail == q->avail_seen)
        avail_look(q);
    if (q->fault != VIRTQ_SOUND)
        return -EPROTO;
    if (!virtq_works(q) || q->next_avail == q->avail_seen)
        return 0;

    *chain = (struct virtq_chain){ .iov = chain->iov, .iov_max = chain->iov_max };
    chain->head = __atomic_load_n(&q->avail->ring[q->next_avail & (q->size - 1)], __ATOMIC_RELAXED);
    q->fault = (uint8_t)chain_walk(q, chain);
    if (q->fault != VIRTQ_SOUND)
        return -EPROTO;
    q->next_avail++;
    q->in_flight++;
    return 1;
}

void virtq_unpop(struct virtq *q, unsigned count)
{
    assert(count <= q->in_flight);
    q->next_avail = (uint16_t)(q->next_avail - count);
    q->in_flight = (uint16_t)(q->in_flight - count);
}

void virtq_push(struct virtq *q, uint16_t head, uint32_t len)
{
    assert(q->ready && q->in_flight > 0 && head < q->size);
    q->used->ring[q->next_used & (q->size - 1)] =
        (struct vring_used_elem){ .id = head, .len = len };
    q->next_used++;
    q->in_flight--;
}

/* Call after the fence. Whether the driver wants an interrupt for the used entries from `from` up
 * to next_used. */
static bool irq_wanted(const struct virtq *q, uint16_t from)
{
    if (q->event_idx)
        return vring_need_event(__atomic_load_n(q->used_event, __ATOMIC_RELAXED), q->next_used,
                                from);
    return !(__atomic_load_n(&q->avail->flags, __ATOMIC_RELAXED) & VRING_AVAIL_F_NO_INTERRUPT);
}

bool virtq_publish(struct virtq *q)
{
    uint16_t from = q->published;

    if (from == q->next_used)
        return false;
    __atomic_store_n(&q->used->idx, q->next_used, __ATOMIC_RELEASE);
    q->published = q->next_used;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return irq_wanted(q, from);
}

bool virtq_has_chain(struct virtq *q)
{
    if (virtq_works(q) && q->next_avail == q->avail_seen)
        avail_look(q);
    if (!q->ready || q->stopped)
        return false;
    return q->fault != VIRTQ_SOUND || q->avail_seen != q->next_avail;
}

void virtq_kicks_off(struct virtq *q)
{
    if (virtq_works(q) && !q->event_idx)
        __atomic_store_n(&q->used->flags, VRING_USED_F_NO_NOTIFY, __ATOMIC_RELAXED);
}

/* The next pop reports a fault that is found here. */
bool virtq_kicks_on(struct virtq *q)
{
    if (!virtq_works(q))
        return false;
    if (q->event_idx)
        __atomic_store_n(q->avail_event, q->next_avail, __ATOMIC_RELAXED);
    else
        __atomic_store_n(&q->used->flags, 0, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    avail_look(q);
    return q->avail_seen != q->next_avail;
}
