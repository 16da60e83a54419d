#ifndef VIRTIO_MMIO_VIRTIO_H
#define VIRTIO_MMIO_VIRTIO_H
/*
 * A virtio device, whatever it does: what block, net and the others stand on (virtio 1.2, 2 and 3).
 *
 * A device embeds struct virtio_device as its first member, fills a struct virtio_ops and calls
 * virtio_init. plug.h connects it to a machine, mmio.h is its registers; both call transport.h.
 *
 * Queues and whatever the device does belong to the loop thread. A vCPU comes in by a register
 * access, which holds device.lock: it may touch what is marked (lock), and the configuration space.
 * The data path takes no lock: kicks come as eventfds, interrupts leave by the line.
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
 *         DRIVER_OK           0 to Status            virtio_reset_done
 *   SETUP ----------> LIVE ------------------> DRAINING ---------------> SETUP
 *        \___________________________________/
 *          0 to Status, once FEATURES_OK is set
 *
 * The loop thread alone moves it. A vCPU that wrote 0 runs no guest instruction until it is SETUP
 * again (core/vm/vcpu.h, struct vcpu_gate): drivers reuse their buffers at once.
 */
enum virtio_phase { VIRTIO_SETUP, VIRTIO_LIVE, VIRTIO_DRAINING };

struct virtio_queue {
    struct virtio_device *owner;
    struct virtq ring;       /* in SETUP the lock's, then the loop thread's */
    struct loop_watch watch; /* while the device waits for chains */
    struct loop_op bell;     /* plug.c: reads the eventfd into rung, through iov */
    struct iovec iov;
    uint64_t rung;
    int eventfd; /* of its doorbell; -1 while unplugged */
};

struct virtio_counters {
    uint64_t kicks;
    uint64_t interrupts; /* raised for used buffers */
    uint64_t faults;     /* (lock) times the device came to need a reset */
    uint64_t resets;     /* that the device had a part in */
};

struct virtio_device {
    struct device device; /* first member */
    const struct virtio_ops *ops;
    struct virtio_setup setup;

    /* The machine's, while plugged. */
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
    const char *untold; /* why it needs a reset, for the loop thread to log; or NULL */

    /* The loop thread's. */
    enum virtio_phase phase;
    bool failed;                            /* LIVE in vain: NEEDS_RESET is set */
    bool held;                              /* at rest, or to be: no chain, no kick comes */
    void (*quiet)(struct virtio_device *v); /* to be called once it is (virtio_state.h) */
    struct loop_post work;                  /* status changed: phase may have to follow */
    void (*gone)(struct virtio_device *v);  /* set: it is being unplugged (plug.h) */
    bool leaving;                           /* nothing is left of it but posts that are queued */
    unsigned bells;                         /* under way */
    struct rate_limiter resets;             /* how fast they may follow each other */
    struct loop_op pace;                    /* the end of one that came too soon; a timer */
    bool paced;                             /* it runs */
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

/* virtq_pop, LIVE. False: no chain now. Where the driver broke the rules the device fails. */
bool virtio_pop(struct virtio_device *v, unsigned queue, struct virtq_chain *chain);

/* Every chain is taken: kick the device for the next one. Only a sleeping loop has to be rung. */
void virtio_await(struct virtio_device *v, unsigned queue);

/* The device wrote the first len bytes of these buffers: the accelerator has to know before the
 * driver does. virtio_push is that, for the chain's writable buffers, and virtq_push. */
void virtio_wrote(struct virtio_device *v, const struct iovec *iov, unsigned count, uint64_t len);
void virtio_push(struct virtio_device *v, unsigned queue, const struct virtq_chain *chain,
                 uint32_t len);

/* virtq_publish, and the interrupt if the driver wants one. SETUP: nothing, as a device's post may
 * come behind its reset. */
void virtio_publish(struct virtio_device *v, unsigned queue);

/* The driver broke the rules: NEEDS_RESET (2.1.2), the log says why. No chain, no kick comes. */
void virtio_fail(struct virtio_device *v, const char *why);

/* All that reset waited for is over. Last touch of the queues until activate. A driver that resets
 * too often waits for it. */
void virtio_reset_done(struct virtio_device *v);

/* All that quiesce waited for is over, held; again is nothing. */
void virtio_quiet(struct virtio_device *v);

/* Any phase, plugged: changes the configuration space and its generation, tells a ready driver. */
void virtio_config_update(struct virtio_device *v, uint32_t offset, const void *data, uint32_t len);

#endif
