#ifndef BENCH_GUEST_VIRTIO_H
#define BENCH_GUEST_VIRTIO_H
/*
 * A polling driver for virtio 1.2 over MMIO version 2: it asks for no interrupts, looks at the used
 * rings, and kicks only when the device wants it.
 *
 * Devices are looked for in windows of mmio_stride= bytes from mmio=, mmio_count= of them.
 */
#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>

#define QUEUE_SIZE 256u /* at most */

struct queue {
    unsigned index;
    uint16_t size; /* a power of two */
    volatile uint32_t *notify;
    struct vring_desc *desc;
    struct vring_avail *avail;
    struct vring_used *used;
    volatile uint16_t *used_event;
    volatile uint16_t *avail_event;
    uint16_t offered, kicked, reaped; /* free-running indices */
    uint64_t kicks;
    bool event_idx;
};

struct device {
    volatile uint8_t *window;
    uint64_t features; /* accepted */
};

/* The first device with this id; false: there is none. */
bool device_find(struct device *d, uint32_t id);

/* Reset to FEATURES_OK with what the device offers of these features; VERSION_1, INDIRECT_DESC and
 * EVENT_IDX are asked for too. Fails where VERSION_1 is not offered. */
void device_negotiate(struct device *d, uint64_t features);

/* Queue number `index`, as long as the device allows, in memory of its own. False: the device has
 * no such queue. */
bool queue_set_up(struct queue *q, const struct device *d, unsigned index);

/* DRIVER_OK. */
void device_ready(const struct device *d);

/* Makes the chain at this descriptor available, but not visible before... */
static inline void queue_offer(struct queue *q, uint16_t head)
{
    q->avail->ring[q->offered++ & (q->size - 1)] = head;
}

/* ...this, which kicks if the device wants it. */
void queue_publish(struct queue *q);

/* The next chain that came back; false: there is none. */
static inline bool queue_reap(struct queue *q, struct vring_used_elem *e)
{
    if (__atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE) == q->reaped)
        return false;
    *e = q->used->ring[q->reaped++ & (q->size - 1)];
    *q->used_event = (uint16_t)(q->reaped - 1); /* already passed: no interrupt */
    return true;
}

#endif
