#ifndef TESTS_VIRTIO_DRIVER_H
#define TESTS_VIRTIO_DRIVER_H
/*
 * A driver for one virtio device, without a guest: plain memory, the register window, and a loop
 * that runs when the driver lets it. One thread plays the guest and the loop thread in turn.
 *
 *   struct vd d;
 *   vd_init(&d, LOOP_AUTO);
 *   vd_plug(&d, &mine.virtio);                 initialised, not plugged
 *   vd_start(&d, 0);                           to DRIVER_OK, all features that are offered
 *   vd_chain(&d, 0, (struct vd_buf[]){ { at, 16 }, { at + 16, 512, VD_WRITE } }, 2);
 *   vd_kick(&d, 0);
 *   used = vd_await(&d, 0);                    runs the loop until something was used
 *   ...
 *   vd_finish(&d);                             unplugs; then free the device
 *
 * A device must tell the accelerator of what it wrote (memory_written) before it reports it as
 * written: vd_reap checks that.
 *
 * A fact that does not hold ends the process with its place and text (lib/check.h).
 *
 * Queues are at fixed places in memory (vd_queue.desc, avail, used), where a test may scribble;
 * vd_desc, vd_offer and vd_publish are the pieces of which malformed chains are made. Buffers come
 * from vd_alloc, or are at any address above VD_BUFFERS.
 */
#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/metrics.h"
#include "core/loop/loop.h"
#include "core/vm/accel.h"
#include "core/vm/bus.h"
#include "core/vm/irq.h"
#include "core/vm/mem.h"
#include "virtio-mmio/virtio.h"

/* RAM is two regions, so that a buffer can try to span them. */
#define VD_LOW_END  (UINT64_C(4) << 20) /* [0, 4 MiB) */
#define VD_HIGH     (UINT64_C(8) << 20) /* [8 MiB, 12 MiB) */
#define VD_HIGH_END (UINT64_C(12) << 20)
#define VD_BUFFERS  (UINT64_C(1) << 20) /* queues are below */
#define VD_WINDOW   UINT64_C(0xc0001000)

#define VD_WRITE VRING_DESC_F_WRITE

struct vd_buf {
    gpa_t at;
    uint32_t len;
    uint16_t flags; /* VD_WRITE */
};

struct vd_used {
    uint16_t head;
    uint32_t len;
};

struct vd_queue {
    uint16_t size;
    struct vring_desc *desc;
    struct vring_avail *avail;
    struct vring_used *used;
    uint16_t next_desc; /* first descriptor of the next chain; they are used round and round */
    uint16_t offered;   /* the available index that vd_publish publishes */
    uint16_t kicked;    /* the available index at the last vd_kick */
    uint16_t reaped;    /* the used index that vd_reap has come to */
    int doorbell;       /* the eventfd that the accelerator was given, or -1 */
};

struct vd_accel {
    struct accel accel; /* first member; only doorbell_add and memory_written work */
    struct vd *driver;
};

struct vd {
    struct loop *loop;
    struct mem mem;
    struct bus bus;
    struct vd_accel accel;
    struct irq_line line;
    struct metrics metrics;
    struct virtio_device *device;
    uint64_t features;   /* accepted */
    unsigned interrupts; /* raised so far */
    bool by_register;    /* kicks go to QueueNotify instead of the doorbell's eventfd */
    bool no_interrupts;  /* what vd_reap asks the device for: used_event or NO_INTERRUPT */
    bool hostile;        /* chains change behind the device's back: memory_written is not checked */
    gpa_t free;          /* where vd_alloc goes on */
    bool *told; /* by address: memory_written told of it, vd_reap has not checked it yet; or NULL */
    bool gone;
    struct vd_queue queue[VIRTIO_QUEUES_MAX];
};

/* Life. */

void vd_init(struct vd *d, enum loop_backend backend);
void vd_plug(struct vd *d, struct virtio_device *device);
void vd_finish(struct vd *d);

/* Registers. The test itself has to set Status and QueueSel. */

uint32_t vd_read(struct vd *d, uint32_t reg);
void vd_write(struct vd *d, uint32_t reg, uint32_t value);
void vd_config_read(struct vd *d, uint32_t offset, void *to, uint32_t len); /* byte by byte */

/* Bring-up (3.1.1). */

/* From a reset to FEATURES_OK, with all offered features but `without`. Returns whether the device
 * accepted them. */
bool vd_negotiate(struct vd *d, uint64_t without);

/* Configures and readies a queue of this size; 0: of the largest size that the device allows. */
void vd_queue_set_up(struct vd *d, unsigned queue, uint16_t size);

/* Negotiates, sets up all queues, sets DRIVER_OK and runs the loop until it has settled. */
void vd_start(struct vd *d, uint64_t without);

/* Writes 0 to Status and runs the loop until it reads 0. */
void vd_reset(struct vd *d);

/* Chains. */

/* Allocates len bytes, 16-aligned, zeroed. vd_finish frees all. */
gpa_t vd_alloc(struct vd *d, uint32_t len);
void *vd_at(struct vd *d, gpa_t at, uint32_t len);

/* Makes a chain of buffers available; the second form as an indirect table. Returns its head. */
uint16_t vd_chain(struct vd *d, unsigned queue, const struct vd_buf *bufs, unsigned count);
uint16_t vd_indirect(struct vd *d, unsigned queue, const struct vd_buf *bufs, unsigned count);

/* The pieces: writes a descriptor; puts a head into the available ring; publishes the index. */
void vd_desc(struct vd *d, unsigned queue, uint16_t index, struct vring_desc desc);
void vd_offer(struct vd *d, unsigned queue, uint16_t head);
void vd_publish(struct vd *d, unsigned queue);

/* Notifies the device if it wants that; returns whether it did. vd_kick_hard always notifies. */
bool vd_kick(struct vd *d, unsigned queue);
void vd_kick_hard(struct vd *d, unsigned queue);

/* What comes back. */

/* Runs the loop until nothing is due any more. I/O that the host has yet to finish is not due. */
void vd_settle(struct vd *d);

/* Runs the loop until done(arg) is true, for a test that waits for real I/O. Fails after 10 s. */
void vd_run_until(struct vd *d, bool (*done)(void *arg), void *arg);

/* Takes the next used element, if there is one; vd_await runs the loop until there is. */
bool vd_reap(struct vd *d, unsigned queue, struct vd_used *used);
struct vd_used vd_await(struct vd *d, unsigned queue);

/* Whether NEEDS_RESET is set. */
bool vd_failed(struct vd *d);

/* The number of interrupts since the last call. Acknowledges InterruptStatus; what it held goes to
 * *why unless NULL. */
unsigned vd_interrupts(struct vd *d, uint32_t *why);

#endif
