/*
 * A virtio device's life on the loop thread, and the register writes by which vCPUs steer it.
 *
 * A vCPU changes the status under the lock and posts `work`; the loop thread then reads the status
 * and moves the phase. The order of a kick and DRIVER_OK does not matter: a kick that is seen
 * before the device is LIVE is dropped, and becoming LIVE kicks each queue.
 *
 * A reset begins under the lock: the vCPU sets status.resetting, holds itself at the gate and posts
 * `work`. The loop thread sees that, gives no more chains to the device and asks it to drain. Once
 * the device has drained, the loop thread takes the lock again, clears everything that the driver
 * sees and opens the gate. Until then other vCPUs find the device as it was, and cannot change its
 * status, features, queues or configuration space.
 *
 * Resets cost the host more than the guest, so a driver that resets without end is paced. The first
 * RESETS_PER_S resets end without delay, which is enough for a boot or two. After that a timer ends
 * them, at most RESETS_PER_S a second. The vCPU waits at its gate for the timer; the loop does not.
 */
#include "virtio-mmio/virtio.h"

#include <assert.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <stddef.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/container.h"
#include "core/log/log.h"
#include "core/vm/accel.h"
#include "core/vm/irq.h"
#include "virtio-mmio/transport.h"

static_assert(offsetof(struct virtio_device, device) == 0, "the buses find the device by it");

#define RESETS_PER_S 100u

#define TRANSPORT_FEATURES                                                            \
    (UINT64_C(1) << VIRTIO_F_VERSION_1 | UINT64_C(1) << VIRTIO_RING_F_INDIRECT_DESC | \
     UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX)

static const struct metric metrics[] = {
    METRIC(struct virtio_counters, kicks),
    METRIC(struct virtio_counters, interrupts),
    METRIC(struct virtio_counters, faults),
    METRIC(struct virtio_counters, resets),
};
static_assert(sizeof(metrics) / sizeof(metrics[0]) ==
                  sizeof(struct virtio_counters) / sizeof(uint64_t),
              "every counter has a name");

/* Sets the bit first, so that the driver finds it when the interrupt comes. */
static void virtio_interrupt(struct virtio_device *v, uint32_t why)
{
    __atomic_fetch_or(&v->interrupts, why, __ATOMIC_RELEASE);
    irq_line_raise(v->irq);
}

/* Call with the lock held. Clears all that the driver sees, except the configuration space and its
 * generation, which goes on counting. */
static void virtio_clear(struct virtio_device *v)
{
    for (unsigned i = 0; i < v->setup.queue_count; i++)
        virtq_reset(&v->queue[i].ring);
    status_clear(&v->status);
    v->device_features_sel = 0;
    v->driver_features_sel = 0;
    v->queue_sel = 0;
    __atomic_store_n(&v->interrupts, 0, __ATOMIC_RELAXED);
}

/* Call with the lock held. Only the first fault before a reset counts: returns true for that one,
 * which the caller then logs. */
static bool fault_mark(struct virtio_device *v)
{
    if (status_has(&v->status, VIRTIO_CONFIG_S_NEEDS_RESET))
        return false;
    v->status.bits |= VIRTIO_CONFIG_S_NEEDS_RESET;
    metric_add(&v->counters.faults, 1);
    return true;
}

/* Call without the lock. */
static void fault_log(const struct virtio_device *v, const char *why)
{
    LOG_LIMITED(LOG_WARN, "%s: the driver has to reset the device: %s", v->setup.name, why);
}

/* Stops every queue: even a device that looks for chains without a kick finds none from now on. */
static void queues_stop(struct virtio_device *v)
{
    for (unsigned i = 0; i < v->setup.queue_count; i++) {
        virtq_stop(&v->queue[i].ring);
        loop_unwatch(v->loop, &v->queue[i].watch);
    }
}

static bool queue_kick_if(struct loop_watch *w, bool (*has)(struct virtq *q))
{
    struct virtio_queue *q = container_of(w, struct virtio_queue, watch);

    if (!has(&q->ring))
        return false;
    virtio_kick(q->owner, (unsigned)(q - q->owner->queue));
    return true;
}

static bool queue_look(struct loop_watch *w)
{
    return queue_kick_if(w, virtq_has_chain);
}

static bool queue_rest(struct loop_watch *w)
{
    return queue_kick_if(w, virtq_kicks_on);
}

static void virtio_go_live(struct virtio_device *v, bool failed)
{
    v->phase = VIRTIO_LIVE;
    v->failed = failed;
    if (failed) { /* a queue was set up wrongly, when the driver could not get an interrupt yet */
        queues_stop(v);
        virtio_interrupt(v, VIRTIO_MMIO_INT_CONFIG);
        return;
    }
    v->ops->activate(v);
    for (unsigned i = 0; i < v->setup.queue_count; i++)
        virtio_kick(v, i);
}

void virtio_drain(struct virtio_device *v)
{
    v->phase = VIRTIO_DRAINING;
    queues_stop(v);
    metric_add(&v->counters.resets, 1);
    v->ops->reset(v);
    if (v->phase == VIRTIO_DRAINING && !v->paced && !v->gone)
        virtio_late_watch(&v->late);
}

static void phase_follow_status(struct loop_post *post)
{
    struct virtio_device *v = container_of(post, struct virtio_device, work);
    struct virtio_status status;
    const char *untold;

    device_lock(&v->device);
    status = v->status;
    untold = v->untold;
    v->untold = NULL;
    device_unlock(&v->device);
    if (untold)
        fault_log(v, untold);
    if (status.resetting && v->phase != VIRTIO_DRAINING)
        virtio_drain(v);
    else if (v->phase == VIRTIO_SETUP && !v->held && status_has(&status, VIRTIO_CONFIG_S_DRIVER_OK))
        virtio_go_live(v, status_has(&status, VIRTIO_CONFIG_S_NEEDS_RESET));
}

/* The device has drained, and the pace allows the reset to end. */
static void reset_end(struct virtio_device *v)
{
    v->phase = VIRTIO_SETUP;
    v->failed = false;
    device_lock(&v->device);
    virtio_clear(v);
    vcpu_gate_open(&v->gate);
    device_unlock(&v->device);
    if (v->held)
        virtio_quiet(v);
    if (v->gone)
        loop_post(v->loop, &v->work);
}

static void reset_pace_end(struct loop_op *op, int res)
{
    struct virtio_device *v = container_of(op, struct virtio_device, pace);

    (void)res;
    v->paced = false;
    reset_end(v);
}

void virtio_init(struct virtio_device *v, const struct virtio_ops *ops,
                 const struct virtio_setup *setup)
{
    assert(setup->queue_count >= 1 && setup->queue_count <= VIRTIO_QUEUES_MAX);
    assert(setup->queue_size > 0 && setup->queue_size <= VIRTQ_SIZE_MAX);
    assert((setup->queue_size & (setup->queue_size - 1)) == 0);

    *v = (struct virtio_device){ .ops = ops, .setup = *setup };
    v->status.offered = setup->features | TRANSPORT_FEATURES;
    v->work.call = phase_follow_status;
    v->pace.done = reset_pace_end;
    rate_limit_init(&v->resets, (struct rate){ 0 }, (struct rate){ .per_s = RESETS_PER_S },
                    clock_now_ns());
    v->group = (struct metrics_group){ .name = setup->name,
                                       .metrics = metrics,
                                       .count = sizeof(metrics) / sizeof(metrics[0]),
                                       .counters = &v->counters };
    for (unsigned i = 0; i < setup->queue_count; i++) {
        v->queue[i].owner = v;
        v->queue[i].watch = (struct loop_watch){ .look = queue_look, .rest = queue_rest };
        v->queue[i].ring.size_max = setup->queue_size;
        v->queue[i].eventfd = -1;
    }
}

bool virtio_pop(struct virtio_device *v, unsigned queue, struct virtq_chain *chain)
{
    struct virtq *q = &v->queue[queue].ring;
    int ret = v->phase == VIRTIO_LIVE && !v->held ? virtq_pop(q, chain) : 0;

    if (ret < 0)
        virtio_fail(v, virtq_fault_text(q->fault));
    return ret > 0;
}

void virtio_wrote(struct virtio_device *v, const struct iovec *iov, unsigned count, uint64_t len)
{
    if (!v->accel->ops->memory_written)
        return;
    for (unsigned i = 0; i < count && len > 0; i++) {
        uint64_t part = iov[i].iov_len < len ? iov[i].iov_len : len;

        accel_memory_written(v->accel, mem_gpa(v->mem, iov[i].iov_base), part);
        len -= part;
    }
}

void virtio_push(struct virtio_device *v, unsigned queue, const struct virtq_chain *chain,
                 uint32_t len)
{
    virtio_wrote(v, chain->iov + chain->readable, chain->writable, len);
    virtq_push(&v->queue[queue].ring, chain->head, len);
}

void virtio_await(struct virtio_device *v, unsigned queue)
{
    if (v->phase == VIRTIO_LIVE && !v->failed && !v->held)
        loop_watch(v->loop, &v->queue[queue].watch);
}

void virtio_publish(struct virtio_device *v, unsigned queue)
{
    struct virtq *q = &v->queue[queue].ring;

    if (v->phase == VIRTIO_SETUP) /* called from a post after a reset; the lock guards the ring */
        return;
    if (!virtq_publish(q) || v->phase != VIRTIO_LIVE)
        return;
    metric_add(&v->counters.interrupts, 1);
    virtio_interrupt(v, VIRTIO_MMIO_INT_VRING);
}

void virtio_fail(struct virtio_device *v, const char *why)
{
    bool tell;

    if (v->phase != VIRTIO_LIVE || v->failed)
        return;
    v->failed = true;
    queues_stop(v);
    device_lock(&v->device);
    tell = fault_mark(v);
    device_unlock(&v->device);
    if (tell)
        fault_log(v, why);
    virtio_interrupt(v, VIRTIO_MMIO_INT_CONFIG);
}

void virtio_reset_done(struct virtio_device *v)
{
    assert(v->phase == VIRTIO_DRAINING && !v->paced);
    virtio_late_over(&v->late);
    rate_limit_take(&v->resets, 0, 1);
    v->paced = !v->held && !v->gone && !rate_limit_ready(&v->resets, clock_now_ns());
    if (v->paced)
        loop_timer(v->loop, &v->pace, rate_limit_ready_at(&v->resets));
    else
        reset_end(v);
}

void virtio_hurry(struct virtio_device *v)
{
    if (v->paced)
        loop_cancel(v->loop, &v->pace);
}

void virtio_quiet(struct virtio_device *v)
{
    void (*quiet)(struct virtio_device * v) = v->quiet;

    assert(v->held);
    for (unsigned i = 0; i < v->setup.queue_count && v->phase == VIRTIO_LIVE; i++) {
        virtio_publish(v, i);
        assert(v->failed || v->queue[i].ring.in_flight == 0);
    }
    v->quiet = NULL;
    if (quiet)
        quiet(v);
}

void virtio_config_update(struct virtio_device *v, uint32_t offset, const void *data, uint32_t len)
{
    bool tell;

    assert(offset <= v->setup.config_len && len <= v->setup.config_len - offset);
    device_lock(&v->device);
    memcpy((uint8_t *)v->setup.config + offset, data, len);
    v->generation++;
    tell = status_has(&v->status, VIRTIO_CONFIG_S_DRIVER_OK) && !v->status.resetting;
    device_unlock(&v->device);
    if (tell)
        virtio_interrupt(v, VIRTIO_MMIO_INT_CONFIG);
}

void virtio_status_write(struct virtio_device *v, uint32_t value)
{
    switch (status_write(&v->status, value)) {
    case STATUS_NOTHING:
        break;
    case STATUS_READY:
        loop_post(v->loop, &v->work);
        break;
    case STATUS_CLEAR:
        virtio_clear(v);
        break;
    case STATUS_DRAIN:
        vcpu_gate_hold(&v->gate);
        loop_post(v->loop, &v->work);
        break;
    }
}

void virtio_queue_ready(struct virtio_device *v, struct virtq *q, bool ready)
{
    enum virtq_fault fault;

    if (v->status.resetting || !status_has(&v->status, VIRTIO_CONFIG_S_FEATURES_OK) ||
        status_has(&v->status, VIRTIO_CONFIG_S_DRIVER_OK))
        return;
    if (!ready) {
        q->ready = false;
        return;
    }
    if (q->ready)
        return;
    fault = virtq_enable(q, v->mem, v->status.accepted);
    if (fault != VIRTQ_SOUND && fault_mark(v)) {
        v->untold = virtq_fault_text(fault);
        loop_post(v->loop, &v->work);
    }
}

void virtio_kick(struct virtio_device *v, unsigned queue)
{
    struct virtio_queue *q = &v->queue[queue];

    if (v->phase != VIRTIO_LIVE || v->failed || v->held || !q->ring.ready)
        return;
    if (q->watch.watched && !virtq_has_chain(&q->ring))
        return; /* the loop found this chain before the kick came */
    loop_unwatch(v->loop, &q->watch);
    virtq_kicks_off(&q->ring);
    v->ops->kick(v, queue);
}
