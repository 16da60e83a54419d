#ifndef VIRTIO_MMIO_QUEUE_QUEUE_H
#define VIRTIO_MMIO_QUEUE_QUEUE_H
/*
 * The device's side of a split virtqueue (virtio 1.2, 2.7).
 *
 * Everything in guest memory is the driver's to write at any moment: each field is read once, the
 * copy is judged and the copy is used. Whatever breaks the rules makes the queue faulty: from then
 * on it gives no chain, until it is reset. Pure: no descriptor, clock or thread; whoever owns the
 * queue (in a running device the loop thread) calls from one thread at a time.
 *
 * A device takes chains, answers them in any order, and makes the answers visible in batches:
 *
 *   do {
 *       virtq_kicks_off(q);
 *       while (virtq_pop(q, &chain) > 0)
 *           ...                            now or later: virtq_push(q, chain.head, written);
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
    VIRTQ_BAD_NEXT,     /* a head or a next that is no descriptor (2.7.5) */
    VIRTQ_TOO_LONG,     /* a chain of more descriptors than the queue has, or a loop (2.7.5.3.1) */
    VIRTQ_TOO_MANY,     /* more buffers than the device takes in one chain */
    VIRTQ_TOO_BIG,      /* more than 2^32 bytes in one chain (2.7.5.2) */
    VIRTQ_BAD_BUFFER,   /* not in one piece of RAM */
    VIRTQ_BAD_ORDER,    /* device-readable behind device-writable (2.7.4.2) */
    VIRTQ_BAD_INDIRECT, /* not negotiated, nested, with NEXT, or no whole table in RAM (2.7.5.3) */
    VIRTQ_FAULTS,
};

struct virtq {
    /* As the driver set it up. */
    gpa_t desc_gpa;    /* descriptor table */
    gpa_t avail_gpa;   /* available ring: the driver area */
    gpa_t used_gpa;    /* used ring: the device area */
    uint32_t size;     /* descriptors; any number until ready */
    uint32_t size_max; /* what the device offers, a power of two up to VIRTQ_SIZE_MAX */
    bool ready;
    bool indirect;  /* VIRTIO_F_INDIRECT_DESC */
    bool event_idx; /* VIRTIO_F_EVENT_IDX */

    /* How far the device got. Ring indices are free-running, as the specification has them. */
    uint8_t fault; /* enum virtq_fault */
    bool stopped;  /* its device gives up: no chain comes, no kick is wanted */
    uint16_t next_avail;
    uint16_t next_used;
    uint16_t published; /* used index that the driver sees */
    uint16_t in_flight; /* chains popped and not pushed; at most size */

    /* Found again from the above. */
    uint16_t avail_seen; /* the driver's available index when last read */
    const struct mem *mem;
    const struct vring_desc *desc;
    struct vring_avail *avail;
    struct vring_used *used;
    uint16_t *used_event;  /* behind the available ring; the driver's */
    uint16_t *avail_event; /* behind the used ring; the device's */
};

/* A chain of buffers. The caller gives iov; the buffers stay the guest's, and what they hold may
 * change while the device looks at it. */
struct virtq_chain {
    struct iovec *iov; /* device-readable buffers first, then device-writable ones */
    uint16_t iov_max;  /* a chain with more buffers is a fault: offer the driver no more than it */
    uint16_t head;     /* what virtq_push wants back */
    uint16_t readable; /* buffers of iov */
    uint16_t writable;
    uint64_t readable_len; /* bytes, each at most 2^32 together */
    uint64_t writable_len;
};

/* For the log: "a chain loops or is too long". */
const char *virtq_fault_text(enum virtq_fault fault);

/* The transport's part. */

/* Also the way back: nothing is set up, nothing in flight. Keeps size_max. */
void virtq_reset(struct virtq *q);

/* Checks what the driver set up and, if it is sound, makes the queue ready; features are those
 * negotiated. The three areas must each lie in one region of mem, which outlives the queue's
 * readiness. On a fault the queue is not ready and faulty. */
enum virtq_fault virtq_enable(struct virtq *q, const struct mem *mem, uint64_t features);

/* No chain comes any more; what is in flight may still be answered. */
void virtq_stop(struct virtq *q);

/* The device's part. A queue that is not ready is one without chains, and wants no kick. */

/* The next available chain. 1: *chain is it. 0: there is none. -EPROTO: the queue is faulty; what
 * chain holds then is nothing. Buffers of length 0, which the specification does not forbid, are
 * left out. */
int virtq_pop(struct virtq *q, struct virtq_chain *chain);

/* Gives back the `count` chains popped last, so that they are popped again. None of them was
 * pushed. */
void virtq_unpop(struct virtq *q, unsigned count);

/* Answers a chain that was popped: len bytes were written, from the first writable one on without a
 * gap (2.7.8). Chains may be answered in any order. The driver sees none of it until... */
void virtq_push(struct virtq *q, uint16_t head, uint32_t len);

/* ...this makes visible all that was pushed, at once. True: the driver wants an interrupt for it.
 */
bool virtq_publish(struct virtq *q);

/* Whether virtq_pop has something to give or to say. */
bool virtq_has_chain(struct virtq *q);

/* Asks the driver not to kick: a wish, it may do so all the same (2.7.10). */
void virtq_kicks_off(struct virtq *q);

/* Asks for a kick when the next chain becomes available. True: there already is one and no kick
 * will come for it, pop. Never true where pop gives none for good. */
bool virtq_kicks_on(struct virtq *q);

#endif
