#ifndef VIRTIO_MMIO_VIRTIO_H
#define VIRTIO_MMIO_VIRTIO_H
/*
 * What all virtio devices have in common: block, net and the others embed it (virtio 1.2, 2 and 3).
 *
 * This room is the transport: the life, registers and snapshot state of any virtio device, and what
 * several kinds share (rate_limit.h, linger.h). It knows queues, the event loop, buses, interrupt
 * lines and vCPU gates; it must not know any kind of device. Each kind has a room in this folder,
 * as have the queues, which know guest memory only.
 *
 * A device embeds struct virtio_device as its first member, fills a struct virtio_ops and calls
 * virtio_init. plug.h connects it to a machine, and mmio.h is its registers; both call transport.h.
 *
 * The queues, and everything the device does, belong to the loop thread. A vCPU's register access
 * holds device.lock and may touch the fields marked (lock) and the configuration space, no others.
 * The data path takes no lock: kicks come through eventfds, interrupts leave through the line.
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
    struct loop_watch watch; /* while the device waits for chains */
    struct loop_op bell;     /* plug.c: reads the eventfd into `rung`, through `iov` */
    struct iovec iov;
    uint64_t rung;
    int eventfd; /* of its doorbell; -1 while unplugged */
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
    const char *untold; /* why it needs a reset; the loop thread is yet to log it. Or NULL */

    /* The loop thread's. */
    enum virtio_phase phase;
    bool failed;                            /* LIVE, but NEEDS_RESET is set: no chain, no kick */
    bool held;                              /* at rest, or coming to it: no chain, no kick */
    void (*quiet)(struct virtio_device *v); /* called once it is at rest (virtio_state.h) */
    struct loop_post work;                  /* status has changed, phase may have to follow */
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

/* The device has taken every chain and wants a kick for the next one. A loop that is awake looks
 * for it; only when the loop is about to sleep is the driver asked to ring the doorbell. */
void virtio_await(struct virtio_device *v, unsigned queue);

/* Tells the accelerator that the device wrote the first len bytes of these buffers; it must know
 * before the driver does. virtio_push does so for the chain's writable buffers, then virtq_push. */
void virtio_wrote(struct virtio_device *v, const struct iovec *iov, unsigned count, uint64_t len);
void virtio_push(struct virtio_device *v, unsigned queue, const struct virtq_chain *chain,
                 uint32_t len);

/* virtq_publish, and while LIVE the interrupt if the driver wants one. In SETUP it does nothing: a
 * device's post may still be called after its reset. */
void virtio_publish(struct virtio_device *v, unsigned queue);

/* The driver broke the rules: sets NEEDS_RESET (2.1.2) and logs why. No chain and no kick comes
 * until the reset. */
void virtio_fail(struct virtio_device *v, const char *why);

/* All that ops->reset waited for is over; the device does not touch its queues again before
 * activate. If the driver resets too often, its reset ends later than this call (virtio.c). */
void virtio_reset_done(struct virtio_device *v);

/* All that ops->quiesce waited for is over. While held; calling it again does nothing. */
void virtio_quiet(struct virtio_device *v);

/* Any phase, plugged. Changes the configuration space and its generation; tells a ready driver. */
void virtio_config_update(struct virtio_device *v, uint32_t offset, const void *data, uint32_t len);

#endif
