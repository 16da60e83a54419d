/* Status and features: which of a driver's writes take effect. */
#include "virtio-mmio/status.h"

#include <linux/virtio_config.h>

#define VERSION_1 (UINT64_C(1) << VIRTIO_F_VERSION_1)

#define DRIVER_BITS                                                                       \
    (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK | \
     VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_FAILED)

static enum status_effect status_reset(struct virtio_status *s)
{
    if (!s->resetting && !status_has(s, VIRTIO_CONFIG_S_FEATURES_OK))
        return STATUS_CLEAR;
    s->resetting = true;
    return STATUS_DRAIN;
}

static bool features_agree(const struct virtio_status *s)
{
    return (s->accepted & ~s->offered) == 0 && s->accepted & VERSION_1;
}

bool status_restore(struct virtio_status *s, uint8_t bits, uint64_t accepted)
{
    const struct virtio_status set = { .offered = s->offered, .accepted = accepted, .bits = bits };

    if (bits & ~(DRIVER_BITS | VIRTIO_CONFIG_S_NEEDS_RESET))
        return false;
    if (bits & VIRTIO_CONFIG_S_FEATURES_OK ? !features_agree(&set)
                                           : bits & VIRTIO_CONFIG_S_DRIVER_OK)
        return false;
    *s = set;
    return true;
}

enum status_effect status_write(struct virtio_status *s, uint32_t value)
{
    uint8_t before = s->bits;
    uint8_t added = (uint8_t)(value & DRIVER_BITS & ~(uint32_t)before);

    if (value == 0)
        return status_reset(s);
    if (s->resetting || before & DRIVER_BITS & ~value)
        return STATUS_NOTHING;
    if (added & VIRTIO_CONFIG_S_FEATURES_OK && !features_agree(s))
        added &= (uint8_t)~VIRTIO_CONFIG_S_FEATURES_OK;
    if (!((before | added) & VIRTIO_CONFIG_S_FEATURES_OK))
        added &= (uint8_t)~VIRTIO_CONFIG_S_DRIVER_OK;
    s->bits |= added;
    return added & VIRTIO_CONFIG_S_DRIVER_OK ? STATUS_READY : STATUS_NOTHING;
}

void status_clear(struct virtio_status *s)
{
    *s = (struct virtio_status){ .offered = s->offered };
}

uint32_t status_offered(const struct virtio_status *s, uint32_t window)
{
    return window < 2 ? (uint32_t)(s->offered >> 32 * window) : 0;
}

void status_accept(struct virtio_status *s, uint32_t window, uint32_t features)
{
    unsigned shift = 32 * window;

    if (window >= 2 || s->resetting || status_has(s, VIRTIO_CONFIG_S_FEATURES_OK))
        return;
    s->accepted &= ~(UINT64_C(0xffffffff) << shift);
    s->accepted |= (uint64_t)features << shift;
}
