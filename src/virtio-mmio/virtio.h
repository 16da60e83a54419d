#ifndef VIRTIO_MMIO_VIRTIO_H
#define VIRTIO_MMIO_VIRTIO_H
/*
 * What all virtio devices have in common: block, net and the others embed it (virtio 1.2, 2 and 3).
 *
 * This room is the transport: the life, registers and snapshot state of any virtio device, and what
 * several kinds share (rate_limit.h, linger.h). It knows queues, the event loop, buses, interrupt
 * lines and vCPU gates; it must not know any kind of device. The queues, and each kind of device,
 * have a room of their own in this folder.
 *
 * A device embeds struct virtio_device as its first member, fills a struct virtio_ops and calls
 * virtio_init. plug.h connects it to a machine, mmio.h is its registers, and virtio_state.h saves
 * and restores it; all three call transport.h.
 *
 * The queues, and everything the device does, belong to the loop thread. A vCPU's register access
 * holds device.lock. It may change the fields marked (lock) and the configuration space, and post
 * `work`. The data path takes no lock: kicks arrive on eventfds, interrupts leave by the line.
 */
#include <stdbool.h>
#include <stdint.h>

#include "core/base/metrics.h"
#include "core/loop/loop.h"
#include "core/vm/device.h"
#include "core/vm/vcpu.h"
#include "virtio-mmio/queue/queue.h"
#include "virtio-mmio/rate_limit.h"
#include "virtio-mmio/status.h"
#include "virtio-mmio/virtio_late.h"
#include "virtio-mmio/virtio_ops.h"

struct accel;
struct irq_line;
struct virtio_device;

/*
 *                 DRIVER_OK
 *    SETUP ----------------------> LIVE
 *    |   ^                          |  reset, or virtio_unplug
 *    |   |    virtio_reset_done     v
 *    |   +---------------------- DRAINING
 *    |                              ^
 *    +------------------------------+
 *         reset after FEATURES_OK
 *
 * A reset is the driver's write of 0 to Status. Before FEATURES_OK it is over at once, and the
 * phase stays SETUP. Only the loop thread moves the phase. The vCPU that wrote 0 runs no guest
 * instruction until the phase is SETUP again (core/vm/vcpu.h, struct vcpu_gate), because drivers
 * reuse their buffers as soon as that write returns.
 */
enum virtio_phase { VIRTIO_SETUP, VIRTIO_LIVE, VIRTIO_DRAINING };

struct virtio_queue {
    struct virtio_device *owner;
    struct virtq ring;       /* (lock) in SETUP, then the loop thread's */
    struct loop_watch watch; /* looks for chains while the device waits for them */
    struct loop_op bell;     /* plug.c: reads the eventfd into `rung`, through `iov` */
    struct iovec iov;
    uint64_t rung;
    int eventfd; /* the doorbell's; -1 while unplugged */
};

struct virtio_counters {
    uint64_t kicks;
    uint64_t interrupts; /* raised for used buffers */
    uint64_t faults;     /* (lock) times that NEEDS_RESET was set */
    uint64_t resets;     /* times that the device was drained */
};

struct virtio_device {
    struct device device; /* first member */
    const struct virtio_ops *ops;
    struct virtio_setup setup;

    /* The machine's. Set while plugged. */
    struct loop *loop;
    struct accel *accel;
    struct irq_line *irq;
    const struct mem *mem;
    struct metrics *metrics; /* or NULL */

    /* What the driver sees (lock). */
    struct virtio_status status;
    uint32_t generation; /* of the configuration space (2.5) */
    uint32_t interrupts; /* VIRTIO_MMIO_INT_* not acknowledged; atomic */
    uint32_t device_features_sel, driver_features_sel, queue_sel; /* 4.2.2 */
    struct vcpu_gate gate;
    const char *untold; /* why it needs a reset, until the loop thread has logged that; or NULL */

    /* The loop thread's. */
    enum virtio_phase phase;
    bool failed; /* LIVE, but NEEDS_RESET is set: no chain, no kick */
    bool held;   /* from quiesce or restore to resume: no chain, no kick */
    void (*quiet)(struct virtio_device *v); /* called once it is at rest (virtio_state.h) */
    struct loop_post work;                  /* moves the phase after a change of status */
    void (*gone)(struct virtio_device *v);  /* not NULL: it is being unplugged (plug.h) */
    bool leaving;                           /* unplugging waits only for posts still queued */
    unsigned bells;                         /* eventfd reads under way */
    struct rate_limiter resets;             /* how fast resets may follow each other */
    struct loop_op pace;                    /* timer: ends a reset that came too soon */
    bool paced;                             /* that timer runs */
    struct virtio_late late;
    struct metrics_group group;
    struct virtio_counters counters;
    struct virtio_queue queue[VIRTIO_QUEUES_MAX];
};

void virtio_init(struct virtio_device *v, const struct virtio_ops *ops,
                 const struct virtio_setup *setup);

/* Loop thread, without the lock, LIVE or DRAINING. */

/* Whether the driver accepted the feature with this bit number. */
static inline bool virtio_has(const struct virtio_device *v, unsigned bit)
{
    return v->status.accepted >> bit & 1; /* final by now */
}

/* virtq_pop, while LIVE. False: no chain now. If the driver broke the rules, the device fails. */
bool virtio_pop(struct virtio_device *v, unsigned queue, struct virtq_chain *chain);

/* Call after virtio_pop found no chain: ops->kick follows once there is one. While the loop is
 * awake it looks for chains itself; before it sleeps it asks the driver to ring the doorbell. */
void virtio_await(struct virtio_device *v, unsigned queue);

/* Tells the accelerator that the device wrote the first len bytes of these buffers. Call before the
 * driver can know. virtio_push does so for a chain's writable buffers, then calls virtq_push. */
void virtio_wrote(struct virtio_device *v, const struct iovec *iov, unsigned count, uint64_t len);
void virtio_push(struct virtio_device *v, unsigned queue, const struct virtq_chain *chain,
                 uint32_t len);

/* Calls virtq_publish and, while LIVE, raises the interrupt if the driver wants it. Does nothing in
 * SETUP, because a device's post may still be called after its reset. */
void virtio_publish(struct virtio_device *v, unsigned queue);

/* The driver broke the rules: sets NEEDS_RESET (2.1.2) and logs why. No chain and no kick comes
 * until the reset. */
void virtio_fail(struct virtio_device *v, const char *why);

/* Call once all that ops->reset waits for is over; then do not touch the queues before activate.
 * The reset ends later than this call if the driver resets too often (virtio.c). */
void virtio_reset_done(struct virtio_device *v);

/* Call while held, once all that ops->quiesce waits for is over. Calling it again does nothing. */
void virtio_quiet(struct virtio_device *v);

/* Any phase, plugged. Changes configuration space and generation; interrupts a ready driver. */
void virtio_config_update(struct virtio_device *v, uint32_t offset, const void *data, uint32_t len);

#endif
