#ifndef VIRTIO_MMIO_QUEUE_QUEUE_H
#define VIRTIO_MMIO_QUEUE_QUEUE_H
/*
 * The device's side of a split virtqueue (virtio 1.2, 2.7).
 *
 * This room is queues and the vectors of buffers in their chains. It is pure: it knows guest memory
 * (core/vm/mem.h); it must not know devices, registers, file descriptors, clocks or threads.
 * Only one thread at a time may use a queue: in a running device, the loop thread.
 *
 * The driver may write anything in guest memory at any moment. So these functions read each field
 * once, then check and use the copy. A queue whose driver breaks the rules becomes faulty and gives
 * no more chains until it is reset.
 *
 * A kick is the driver's notification that chains are available (2.7.13.4). To answer a chain is to
 * put it into the used ring. A device takes chains, answers them in any order, and makes the
 * answers visible in batches:
 *
 *   do {
 *       virtq_kicks_off(q);
 *       while (virtq_pop(q, &chain) > 0)
 *           ...                            now or later: virtq_push(q, chain.head, written)
 *   } while (virtq_kicks_on(q));
 *   if (virtq_publish(q))
 *       raise the interrupt
 */
#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/vm/mem.h"

#define VIRTQ_SIZE_MAX 256u

/* What the driver did wrong. */
enum virtq_fault {
    VIRTQ_SOUND,
    VIRTQ_BAD_SIZE,     /* not a power of two, or beyond the maximum (2.7) */
    VIRTQ_BAD_RING,     /* an area is misaligned or not in one piece of RAM (2.7) */
    VIRTQ_BAD_INDEX,    /* more chains available than the queue has descriptors left (2.7.13) */
    VIRTQ_BAD_NEXT,     /* a head or a next beyond the descriptor table (2.7.5) */
    VIRTQ_TOO_LONG,     /* a chain of more descriptors than the queue has, or a loop (2.7.5.3.1) */
    VIRTQ_TOO_MANY,     /* more buffers than the device takes in one chain */
    VIRTQ_TOO_BIG,      /* more than 2^32 bytes in one chain (2.7.5.2) */
    VIRTQ_BAD_BUFFER,   /* a buffer not in one piece of RAM */
    VIRTQ_BAD_ORDER,    /* a device-readable buffer after a device-writable one (2.7.4.2) */
    VIRTQ_BAD_INDIRECT, /* not negotiated, nested, with NEXT, bad length or not in RAM (2.7.5.3) */
    VIRTQ_FAULTS,
};

struct virtq {
    /* As the driver set it up. */
    gpa_t desc_gpa;    /* descriptor table */
    gpa_t avail_gpa;   /* available ring: the driver area */
    gpa_t used_gpa;    /* used ring: the device area */
    uint32_t size;     /* descriptors; unchecked until ready */
    uint32_t size_max; /* what the device offers, a power of two up to VIRTQ_SIZE_MAX */
    bool ready;
    bool indirect;  /* VIRTIO_F_INDIRECT_DESC */
    bool event_idx; /* VIRTIO_F_EVENT_IDX */

    /* How far the device got. Ring indices are free-running, as in the specification. */
    uint8_t fault; /* enum virtq_fault */
    bool stopped;  /* virtq_stop was called: gives no chain, wants no kick */
    uint16_t next_avail;
    uint16_t next_used;
    uint16_t published; /* used index that the driver sees */
    uint16_t in_flight; /* chains popped and not pushed; at most size */

    /* Derived from the above and from guest memory. */
    uint16_t avail_seen; /* the driver's available index when last read */
    const struct mem *mem;
    const struct vring_desc *desc;
    struct vring_avail *avail;
    struct vring_used *used;
    uint16_t *used_event;  /* after the available ring; the driver writes it */
    uint16_t *avail_event; /* after the used ring; the device writes it */
};

/* A chain of buffers. The caller provides iov and iov_max. The buffers are guest memory, which the
 * driver may change while the device looks at it. */
struct virtq_chain {
    struct iovec *iov; /* device-readable buffers first, then device-writable ones */
    /* A chain with more buffers than this is a fault, so the driver has to know the limit. */
    uint16_t iov_max;
    uint16_t head;     /* for virtq_push */
    uint16_t readable; /* number of device-readable buffers */
    uint16_t writable;
    uint64_t readable_len; /* bytes; both together at most 2^32 */
    uint64_t writable_len;
};

/* For the log: "a chain loops or is longer than the queue". */
const char *virtq_fault_text(enum virtq_fault fault);

/* The transport's part. */

/* The initial state, also after use: nothing set up, nothing in flight. Keeps size_max. */
void virtq_reset(struct virtq *q);

/* Checks what the driver set up and makes the queue ready if that is sound; otherwise leaves the
 * queue faulty and not ready. `features` are the negotiated ones. Each of the three areas must lie
 * in one region of mem. mem must outlive the use of the queue. */
enum virtq_fault virtq_enable(struct virtq *q, const struct mem *mem, uint64_t features);

/* From now on the queue gives no chains. Chains in flight may still be answered. */
void virtq_stop(struct virtq *q);

/* The device's part. A queue that is not ready gives no chains and wants no kick. */

/* Takes the next available chain. 1: it is in *chain. 0: there is none. -EPROTO: the queue is
 * faulty, perhaps since virtq_enable, and *chain means nothing. Buffers of length 0, which the
 * specification does not forbid, are left out. */
int virtq_pop(struct virtq *q, struct virtq_chain *chain);

/* Gives back the `count` chains popped last, so that they are popped again. None of them may have
 * been pushed. */
void virtq_unpop(struct virtq *q, unsigned count);

/* Answers a chain that was popped. The device has written len bytes, from the first writable byte
 * on without a gap (2.7.8). Chains may be answered in any order. The driver does not see the answer
 * before virtq_publish. */
void virtq_push(struct virtq *q, uint16_t head, uint32_t len);

/* Makes everything pushed visible to the driver at once. True: the driver wants an interrupt. */
bool virtq_publish(struct virtq *q);

/* Whether it is worth calling virtq_pop: there is a chain or a fault. False for a queue that is
 * stopped or not ready. */
bool virtq_has_chain(struct virtq *q);

/* Asks the driver not to kick. The driver may kick all the same (2.7.10). */
void virtq_kicks_off(struct virtq *q);

/* Asks for a kick when the next chain becomes available. True: a chain is available already. Pop
 * it, because no kick will come for it. Always false if the queue gives no more chains. */
bool virtq_kicks_on(struct virtq *q);

#endif
