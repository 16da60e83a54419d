/*
 * Coming to rest, saving, restoring.
 *
 * A device that is held gets no chain and no kick. Restoring leaves a device as its driver's
 * register writes would, under the same rules, just before the loop thread acts on DRIVER_OK.
 * virtio_resume then posts `work`, as a driver's write does.
 */
#include "virtio-mmio/virtio_state.h"

#include <assert.h>
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <stdio.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/state.h"
#include "core/vm/irq.h"
#include "virtio-mmio/transport.h"

#define VERSION    1u
#define CONFIG_MAX 256u

enum field {
    DEVICE_ID = 1,
    STATUS = 2,
    ACCEPTED = 3,
    GENERATION = 4,
    INTERRUPTS = 5,
    DEVICE_FEATURES_SEL = 6,
    DRIVER_FEATURES_SEL = 7,
    QUEUE_SEL = 8,
    CONFIG = 9,
    QUEUES = 0x100, /* the first queue's fields; the others' follow, QUEUE_FIELDS apart */
};

enum queue_field {
    QUEUE_SIZE,
    QUEUE_READY,
    QUEUE_DESC,
    QUEUE_AVAIL,
    QUEUE_USED,
    QUEUE_NEXT_AVAIL,
    QUEUE_NEXT_USED,
    QUEUE_FIELDS = 0x100,
};

/* Rest. */

void virtio_quiesce(struct virtio_device *v, void (*quiet)(struct virtio_device *v))
{
    bool resetting;

    assert(v->loop && !v->held);
    v->held = true;
    v->quiet = quiet;
    for (unsigned i = 0; i < v->setup.queue_count; i++)
        loop_unwatch(v->loop, &v->queue[i].watch);
    device_lock(&v->device);
    resetting = v->status.resetting;
    device_unlock(&v->device);
    if (resetting) { /* virtio_quiet follows once the reset is over */
        /* Drains now, not from `work`: a callback of the device that came before `work` would find
         * the device LIVE and held, and call virtio_quiet although the reset is not over. */
        if (v->phase != VIRTIO_DRAINING)
            virtio_drain(v);
        virtio_hurry(v);
        return;
    }
    if (v->phase == VIRTIO_LIVE && v->ops->quiesce)
        v->ops->quiesce(v);
    else
        virtio_quiet(v);
}

void virtio_resume(struct virtio_device *v)
{
    assert(v->held);
    v->held = false;
    v->quiet = NULL;
    if (__atomic_load_n(&v->interrupts, __ATOMIC_RELAXED))
        irq_line_raise(v->irq); /* the last interrupt may be lost; a spurious one does no harm */
    for (unsigned i = 0; i < v->setup.queue_count; i++)
        virtio_kick(v, i);
    loop_post(v->loop, &v->work);
}

/* Saving. */

static void queue_save(const struct virtq *q, uint16_t base, struct state_writer *w)
{
    state_put_u32(w, base + QUEUE_SIZE, q->size);
    state_put_u8(w, base + QUEUE_READY, q->ready);
    state_put_u64(w, base + QUEUE_DESC, q->desc_gpa);
    state_put_u64(w, base + QUEUE_AVAIL, q->avail_gpa);
    state_put_u64(w, base + QUEUE_USED, q->used_gpa);
    state_put_u16(w, base + QUEUE_NEXT_AVAIL, q->next_avail);
    state_put_u16(w, base + QUEUE_NEXT_USED, q->next_used);
}

/* No vCPU runs, so there is nobody to lock out. */
void virtio_save(const struct virtio_device *v, struct state_writer *w)
{
    assert(v->held && !v->quiet && !v->status.resetting);
    state_section(w, v->setup.name, VERSION, 0);
    state_put_u32(w, DEVICE_ID, v->ops->id);
    state_put_u8(w, STATUS, v->status.bits);
    state_put_u64(w, ACCEPTED, v->status.accepted);
    state_put_u32(w, GENERATION, v->generation);
    state_put_u32(w, INTERRUPTS, v->interrupts);
    state_put_u32(w, DEVICE_FEATURES_SEL, v->device_features_sel);
    state_put_u32(w, DRIVER_FEATURES_SEL, v->driver_features_sel);
    state_put_u32(w, QUEUE_SEL, v->queue_sel);
    state_put(w, CONFIG, v->setup.config, v->setup.config_len);
    for (unsigned i = 0; i < v->setup.queue_count; i++)
        queue_save(&v->queue[i].ring, (uint16_t)(QUEUES + i * QUEUE_FIELDS), w);
}

/* Restoring. */

/* What was read. Nothing of it is put into the device before all of it has been judged. */
struct restored {
    struct virtio_status status;
    uint32_t generation, interrupts;
    uint32_t device_features_sel, driver_features_sel, queue_sel;
    uint8_t config[CONFIG_MAX]; /* zero beyond what was saved */
    struct virtq ring[VIRTIO_QUEUES_MAX];
};

static void status_get(struct restored *to, const struct virtio_device *v, struct state_fields *f)
{
    uint8_t bits = (uint8_t)state_get(f, STATUS, UINT8_MAX);
    uint64_t accepted = state_get(f, ACCEPTED, UINT64_MAX);

    to->status = (struct virtio_status){ .offered = v->status.offered };
    if (state_get(f, DEVICE_ID, UINT32_MAX) != v->ops->id)
        state_refuse(f, "it was saved by another kind of device");
    if (bits & VIRTIO_CONFIG_S_FEATURES_OK && accepted & ~v->status.offered)
        state_refuse(f, "its driver uses features that this device does not have");
    if (!status_restore(&to->status, bits, accepted))
        state_refuse(f, "its status is one that no driver can bring about");
}

/* A queue that is ready is judged as if its driver had just written QueueReady. */
static void queue_get(struct virtq *q, const struct virtio_device *v, unsigned index,
                      const struct virtio_status *s, struct state_fields *f)
{
    uint16_t base = (uint16_t)(QUEUES + index * QUEUE_FIELDS);
    bool ready = state_get(f, base + QUEUE_READY, 1);
    enum virtq_fault fault = VIRTQ_SOUND;

    *q = (struct virtq){ .size_max = v->setup.queue_size };
    q->size = (uint32_t)state_get(f, base + QUEUE_SIZE, UINT32_MAX);
    q->desc_gpa = state_get(f, base + QUEUE_DESC, UINT64_MAX);
    q->avail_gpa = state_get(f, base + QUEUE_AVAIL, UINT64_MAX);
    q->used_gpa = state_get(f, base + QUEUE_USED, UINT64_MAX);
    if (ready && !status_has(s, VIRTIO_CONFIG_S_FEATURES_OK))
        state_refuse(f, "a queue is ready although features are not agreed on");
    if (ready && state_done(f) == 0)
        fault = virtq_enable(q, v->mem, s->accepted);
    if (fault != VIRTQ_SOUND)
        state_refuse(f, virtq_fault_text(fault));
    q->next_avail = q->avail_seen = (uint16_t)state_get(f, base + QUEUE_NEXT_AVAIL, UINT16_MAX);
    q->next_used = q->published = (uint16_t)state_get(f, base + QUEUE_NEXT_USED, UINT16_MAX);
}

static void restored_get(struct restored *to, const struct virtio_device *v, struct state_fields *f)
{
    const uint32_t known = VIRTIO_MMIO_INT_VRING | VIRTIO_MMIO_INT_CONFIG;
    const void *config;
    size_t len;

    *to = (struct restored){ .generation = (uint32_t)state_get(f, GENERATION, UINT32_MAX) };
    status_get(to, v, f);
    to->interrupts = (uint32_t)state_get(f, INTERRUPTS, known);
    to->device_features_sel = (uint32_t)state_get(f, DEVICE_FEATURES_SEL, UINT32_MAX);
    to->driver_features_sel = (uint32_t)state_get(f, DRIVER_FEATURES_SEL, UINT32_MAX);
    to->queue_sel = (uint32_t)state_get(f, QUEUE_SEL, UINT32_MAX);
    config = state_get_blob(f, CONFIG, sizeof(to->config), &len);
    if (len > 0)
        memcpy(to->config, config, len);
    for (unsigned i = 0; i < v->setup.queue_count; i++)
        queue_get(&to->ring[i], v, i, &to->status, f);
}

/* Call with the lock held. If the configuration space differs from the saved one, a driver that is
 * ready gets an interrupt. */
static void restored_put(struct virtio_device *v, const struct restored *from)
{
    bool differs =
        v->setup.config_len > 0 && memcmp(v->setup.config, from->config, v->setup.config_len) != 0;

    v->status = from->status;
    v->generation = from->generation + differs;
    v->device_features_sel = from->device_features_sel;
    v->driver_features_sel = from->driver_features_sel;
    v->queue_sel = from->queue_sel;
    v->interrupts = from->interrupts;
    if (differs && status_has(&v->status, VIRTIO_CONFIG_S_DRIVER_OK))
        v->interrupts |= VIRTIO_MMIO_INT_CONFIG;
    for (unsigned i = 0; i < v->setup.queue_count; i++)
        v->queue[i].ring = from->ring[i];
    v->held = true;
}

int virtio_restore(struct virtio_device *v, struct state_reader *r, struct err *e)
{
    struct state_fields f = state_find(r, v->setup.name, VERSION, e);
    struct restored restored;

    assert(v->loop && !v->held && v->phase == VIRTIO_SETUP && v->status.bits == 0);
    assert(v->setup.config_len <= CONFIG_MAX);
    restored_get(&restored, v, &f);
    device_lock(&v->device);
    if (state_done(&f) == 0 && v->ops->restore)
        v->ops->restore(v, restored.config, &f);
    if (state_done(&f) == 0)
        restored_put(v, &restored);
    device_unlock(&v->device);
    return state_done(&f);
}
