#ifndef UNIT_VIRTIO_MMIO_QUEUE_QUEUE_RIG_H
#define UNIT_VIRTIO_MMIO_QUEUE_QUEUE_RIG_H
/*
 * A queue of eight descriptors in a little memory. Tests write the driver's part of it as they
 * like.
 */
#include "virtio-mmio/queue/queue.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#define SIZE   8u
#define DESC   0x1000u
#define AVAIL  0x2000u
#define USED   0x3000u
#define TABLE  0x4000u
#define BUFFER 0x8000u

#define NEXT     VRING_DESC_F_NEXT
#define WRITE    VRING_DESC_F_WRITE
#define INDIRECT VRING_DESC_F_INDIRECT

#define EVENTS    (UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX)
#define INDIRECTS (UINT64_C(1) << VIRTIO_RING_F_INDIRECT_DESC)

static struct mem mem;
static struct virtq q;
static struct vring_desc *desc;
static struct vring_avail *avail;
static struct vring_used *used;
static struct iovec iov[SIZE];
static struct virtq_chain chain;

static inline uint16_t *used_event(void)
{
    return &avail->ring[SIZE];
}

static inline uint16_t *avail_event(void)
{
    return (uint16_t *)&used->ring[SIZE];
}

static inline void enable(uint64_t features)
{
    q = (struct virtq){ .size_max = 16, .size = SIZE };
    q.desc_gpa = DESC;
    q.avail_gpa = AVAIL;
    q.used_gpa = USED;
    cr_assert_eq(virtq_enable(&q, &mem, features), VIRTQ_SOUND);
    cr_assert(q.ready);
    chain = (struct virtq_chain){ .iov = iov, .iov_max = SIZE };
}

/* Two regions of 2 MiB, with a gap between them. */
static inline void set_up(void)
{
    struct mem_config config = { .size = 4u << 20, .gap_start = 2u << 20, .gap_end = 4u << 20 };

    cr_assert_eq(mem_init(&mem, &config, NULL), 0);
    desc = mem_at(&mem, DESC, 16 * SIZE);
    avail = mem_at(&mem, AVAIL, 6 + 2 * SIZE);
    used = mem_at(&mem, USED, 6 + 8 * SIZE);
    enable(0);
}

static inline void tear_down(void)
{
    mem_finish(&mem);
}

static inline void describe(unsigned index, gpa_t addr, uint32_t len, unsigned flags, unsigned next)
{
    desc[index] = (struct vring_desc){ addr, len, (uint16_t)flags, (uint16_t)next };
}

static inline void offer(uint16_t head)
{
    avail->ring[avail->idx % SIZE] = head;
    avail->idx++;
}

#endif
