/* The register window: maps offsets to fields and calls, nothing else. */
#include "virtio-mmio/mmio.h"

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <string.h>
#include <unistd.h>

#include "virtio-mmio/transport.h"
#include "virtio-mmio/virtio.h"

#define MAGIC   0x74726976u /* "virt" */
#define VERSION 2u
#define VENDOR  0x65746f6du /* "mote" */
#define NO_SHM  0xffffffffu /* base and length of a shared memory region that does not exist */

/* The queue that QueueSel names, or NULL. */
static struct virtq *queue_selected(struct virtio_device *v)
{
    return v->queue_sel < v->setup.queue_count ? &v->queue[v->queue_sel].ring : NULL;
}

static uint32_t queue_register_read(const struct virtq *q, uint64_t offset)
{
    if (!q)
        return 0;
    return offset == VIRTIO_MMIO_QUEUE_NUM_MAX ? q->size_max : q->ready;
}

static uint32_t mmio_register_read(struct virtio_device *v, uint64_t offset)
{
    switch (offset) {
    case VIRTIO_MMIO_MAGIC_VALUE:
        return MAGIC;
    case VIRTIO_MMIO_VERSION:
        return VERSION;
    case VIRTIO_MMIO_DEVICE_ID:
        return v->ops->id;
    case VIRTIO_MMIO_VENDOR_ID:
        return VENDOR;
    case VIRTIO_MMIO_DEVICE_FEATURES:
        return status_offered(&v->status, v->device_features_sel);
    case VIRTIO_MMIO_QUEUE_NUM_MAX:
    case VIRTIO_MMIO_QUEUE_READY:
        return queue_register_read(queue_selected(v), offset);
    case VIRTIO_MMIO_INTERRUPT_STATUS:
        return __atomic_load_n(&v->interrupts, __ATOMIC_ACQUIRE);
    case VIRTIO_MMIO_STATUS:
        return v->status.bits;
    case VIRTIO_MMIO_SHM_LEN_LOW:
    case VIRTIO_MMIO_SHM_LEN_HIGH:
    case VIRTIO_MMIO_SHM_BASE_LOW:
    case VIRTIO_MMIO_SHM_BASE_HIGH:
        return NO_SHM;
    case VIRTIO_MMIO_CONFIG_GENERATION:
        return v->generation;
    default:
        return 0;
    }
}

static void gpa_half_set(gpa_t *gpa, bool high, uint32_t value)
{
    unsigned shift = high ? 32 : 0;

    *gpa = (*gpa & ~(UINT64_C(0xffffffff) << shift)) | (uint64_t)value << shift;
}

/* A write of one of the selected queue's registers. All but QueueReady are fixed while the queue is
 * ready (4.2.2.2), and from DRIVER_OK on. */
static void queue_register_write(struct virtio_device *v, uint64_t offset, uint32_t value)
{
    struct virtq *q = queue_selected(v);

    if (!q)
        return;
    if (offset == VIRTIO_MMIO_QUEUE_READY) {
        virtio_queue_ready(v, q, value & 1);
        return;
    }
    if (q->ready || v->status.resetting || status_has(&v->status, VIRTIO_CONFIG_S_DRIVER_OK))
        return;
    switch (offset) {
    case VIRTIO_MMIO_QUEUE_NUM:
        q->size = value;
        break;
    case VIRTIO_MMIO_QUEUE_DESC_LOW:
    case VIRTIO_MMIO_QUEUE_DESC_HIGH:
        gpa_half_set(&q->desc_gpa, offset == VIRTIO_MMIO_QUEUE_DESC_HIGH, value);
        break;
    case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
    case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
        gpa_half_set(&q->avail_gpa, offset == VIRTIO_MMIO_QUEUE_AVAIL_HIGH, value);
        break;
    case VIRTIO_MMIO_QUEUE_USED_LOW:
    case VIRTIO_MMIO_QUEUE_USED_HIGH:
        gpa_half_set(&q->used_gpa, offset == VIRTIO_MMIO_QUEUE_USED_HIGH, value);
        break;
    }
}

/* An accelerator writes the eventfd itself (accel_ops.doorbell_add). So a store gets here only if
 * it names no queue, or if whoever makes it has no doorbells, like some tests. */
static void queue_notify(struct virtio_device *v, uint32_t queue)
{
    const uint64_t one = 1;

    if (queue < v->setup.queue_count)
        (void)!write(v->queue[queue].eventfd, &one, sizeof(one));
}

static void mmio_register_write(struct virtio_device *v, uint64_t offset, uint32_t value)
{
    switch (offset) {
    case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
        v->device_features_sel = value;
        break;
    case VIRTIO_MMIO_DRIVER_FEATURES:
        status_accept(&v->status, v->driver_features_sel, value);
        break;
    case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
        v->driver_features_sel = value;
        break;
    case VIRTIO_MMIO_QUEUE_SEL:
        v->queue_sel = value;
        break;
    case VIRTIO_MMIO_QUEUE_NOTIFY:
        queue_notify(v, value);
        break;
    case VIRTIO_MMIO_INTERRUPT_ACK:
        __atomic_fetch_and(&v->interrupts, ~value, __ATOMIC_ACQ_REL);
        break;
    case VIRTIO_MMIO_STATUS:
        virtio_status_write(v, value);
        break;
    default:
        queue_register_write(v, offset, value);
        break;
    }
}

/* Offsets are into the configuration space. */

static void config_read(const struct virtio_device *v, uint64_t offset, void *data, unsigned size)
{
    uint64_t left = offset < v->setup.config_len ? v->setup.config_len - offset : 0;

    memset(data, 0, size);
    if (left > 0)
        memcpy(data, (const uint8_t *)v->setup.config + offset, size < left ? size : left);
}

static void config_write(struct virtio_device *v, uint64_t offset, const void *data, unsigned size)
{
    uint32_t len = v->setup.config_len;

    if (offset >= len || size > len - offset || !v->ops->config_write || v->status.resetting)
        return;
    v->ops->config_write(v, (uint32_t)offset, data, size);
}

static bool is_register(uint64_t offset, unsigned size)
{
    return size == 4 && offset % 4 == 0;
}

static void window_read(struct device *d, uint64_t offset, void *data, unsigned size)
{
    struct virtio_device *v = (struct virtio_device *)d;
    uint32_t value;

    if (offset >= VIRTIO_MMIO_CONFIG) {
        config_read(v, offset - VIRTIO_MMIO_CONFIG, data, size);
        return;
    }
    memset(data, 0, size);
    if (!is_register(offset, size))
        return;
    value = mmio_register_read(v, offset);
    memcpy(data, &value, sizeof(value));
}

static void window_write(struct device *d, uint64_t offset, const void *data, unsigned size)
{
    struct virtio_device *v = (struct virtio_device *)d;
    uint32_t value;

    if (offset >= VIRTIO_MMIO_CONFIG) {
        config_write(v, offset - VIRTIO_MMIO_CONFIG, data, size);
        return;
    }
    if (!is_register(offset, size))
        return;
    memcpy(&value, data, sizeof(value));
    mmio_register_write(v, offset, value);
}

const struct device_ops mmio_device_ops = {
    .name = "virtio-mmio",
    .read = window_read,
    .write = window_write,
};
