/* Finds devices, negotiates features, sets up queues. */
#include "guest/virtio.h"

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>

#include "guest/guest.h"

#define MAGIC      0x74726976u
#define QUEUES_MAX 24u /* of all devices together */

#define TRANSPORT_FEATURES                                                            \
    (UINT64_C(1) << VIRTIO_F_VERSION_1 | UINT64_C(1) << VIRTIO_RING_F_INDIRECT_DESC | \
     UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX)

/* One page each for the available and the used ring, so that neither shares a line with another. */
static struct queue_memory {
    struct vring_desc desc[QUEUE_SIZE];
    uint8_t avail[4096];
    uint8_t used[4096];
} memory[QUEUES_MAX] __attribute__((aligned(4096)));

static volatile uint32_t *reg(const struct device *d, unsigned offset)
{
    return (volatile uint32_t *)(d->window + offset);
}

bool device_find(struct device *d, uint32_t id)
{
    uint64_t at = arg_number("mmio", 0), stride = arg_number("mmio_stride", 0x1000);

    for (uint64_t left = arg_number("mmio_count", 1); left > 0; left--, at += stride) {
        d->window = (volatile uint8_t *)at;
        if (*reg(d, VIRTIO_MMIO_MAGIC_VALUE) == MAGIC && *reg(d, VIRTIO_MMIO_VERSION) == 2 &&
            *reg(d, VIRTIO_MMIO_DEVICE_ID) == id)
            return true;
    }
    return false;
}

static void status_add(const struct device *d, uint32_t bits)
{
    *reg(d, VIRTIO_MMIO_STATUS) = *reg(d, VIRTIO_MMIO_STATUS) | bits;
}

void device_negotiate(struct device *d, uint64_t features)
{
    *reg(d, VIRTIO_MMIO_STATUS) = 0;
    while (*reg(d, VIRTIO_MMIO_STATUS) != 0)
        pause();
    status_add(d, VIRTIO_CONFIG_S_ACKNOWLEDGE);
    status_add(d, VIRTIO_CONFIG_S_DRIVER);
    d->features = 0;
    for (uint32_t i = 0; i < 2; i++) {
        uint64_t wanted = (features | TRANSPORT_FEATURES) >> 32 * i & UINT32_MAX;
        *reg(d, VIRTIO_MMIO_DEVICE_FEATURES_SEL) = i;
        wanted &= *reg(d, VIRTIO_MMIO_DEVICE_FEATURES);
        *reg(d, VIRTIO_MMIO_DRIVER_FEATURES_SEL) = i;
        *reg(d, VIRTIO_MMIO_DRIVER_FEATURES) = (uint32_t)wanted;
        d->features |= wanted << 32 * i;
    }
    status_add(d, VIRTIO_CONFIG_S_FEATURES_OK);
    if (!(d->features >> VIRTIO_F_VERSION_1 & 1) ||
        !(*reg(d, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_FEATURES_OK))
        fail("the device and this driver do not agree");
}

static void address_write(const struct device *d, unsigned low, const void *at)
{
    *reg(d, low) = (uint32_t)(uintptr_t)at;
    *reg(d, low + 4) = 0;
}

bool queue_set_up(struct queue *q, const struct device *d, unsigned index)
{
    static unsigned taken;
    struct queue_memory *m = &memory[taken];
    uint32_t most;

    *reg(d, VIRTIO_MMIO_QUEUE_SEL) = index;
    most = *reg(d, VIRTIO_MMIO_QUEUE_NUM_MAX);
    if (most == 0)
        return false;
    if (taken++ == QUEUES_MAX)
        fail("there is no memory for another queue");
    *q = (struct queue){ .index = index,
                         .size = (uint16_t)(most < QUEUE_SIZE ? most : QUEUE_SIZE),
                         .notify = reg(d, VIRTIO_MMIO_QUEUE_NOTIFY),
                         .desc = m->desc,
                         .avail = (struct vring_avail *)m->avail,
                         .used = (struct vring_used *)m->used,
                         .event_idx = d->features >> VIRTIO_RING_F_EVENT_IDX & 1 };
    q->used_event = &q->avail->ring[q->size];
    q->avail_event = (uint16_t *)&q->used->ring[q->size];
    q->avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
    *q->used_event = UINT16_MAX;
    *reg(d, VIRTIO_MMIO_QUEUE_NUM) = q->size;
    address_write(d, VIRTIO_MMIO_QUEUE_DESC_LOW, m->desc);
    address_write(d, VIRTIO_MMIO_QUEUE_AVAIL_LOW, m->avail);
    address_write(d, VIRTIO_MMIO_QUEUE_USED_LOW, m->used);
    *reg(d, VIRTIO_MMIO_QUEUE_READY) = 1;
    return true;
}

void device_ready(const struct device *d)
{
    status_add(d, VIRTIO_CONFIG_S_DRIVER_OK);
}

static bool wants_kick(const struct queue *q, uint16_t from)
{
    if (q->event_idx)
        return vring_need_event(*q->avail_event, q->offered, from);
    return !(*(volatile uint16_t *)&q->used->flags & VRING_USED_F_NO_NOTIFY);
}

void queue_publish(struct queue *q)
{
    uint16_t from = q->kicked;

    if (from == q->offered)
        return;
    __atomic_store_n(&q->avail->idx, q->offered, __ATOMIC_RELEASE);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    q->kicked = q->offered;
    if (wants_kick(q, from)) {
        *q->notify = q->index;
        q->kicks++;
    }
}
