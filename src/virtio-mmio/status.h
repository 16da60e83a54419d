#ifndef VIRTIO_MMIO_STATUS_H
#define VIRTIO_MMIO_STATUS_H
/*
 * Status and feature negotiation, as driver and device agree on them (virtio 1.2, 2.1, 2.2, 3.1.1).
 * Pure.
 *
 *   0 --> ACKNOWLEDGE --> DRIVER --> FEATURES_OK --> DRIVER_OK
 *                                    |
 *                                    features are final from here on
 *
 * The driver adds its bits in this order. NEEDS_RESET says that the device gave up, FAILED that the
 * driver did. Only a write of 0, a reset, takes bits away; any other write that would is ignored as
 * a whole. Bits that the device refuses stay clear, and by that the driver learns of it:
 * FEATURES_OK for features that were not offered or without VERSION_1, and DRIVER_OK without
 * FEATURES_OK.
 */
#include <stdbool.h>
#include <stdint.h>

struct virtio_status {
    uint64_t offered;  /* features; constant */
    uint64_t accepted; /* features; final once FEATURES_OK is set */
    uint8_t bits;      /* VIRTIO_CONFIG_S_* */
    bool resetting;    /* the driver wrote 0, and the reset is not over */
};

/* What the caller has to do after a write of the Status register. */
enum status_effect {
    STATUS_NOTHING,
    STATUS_READY, /* the driver is ready: activate the device */
    STATUS_CLEAR, /* a reset before FEATURES_OK: call status_clear at once */
    STATUS_DRAIN, /* a reset of a device that may be at work: status_clear once it has drained */
};

/* While `resetting` the bits stay as they were, so that the driver sees that the reset is not over
 * (2.1.2). */
enum status_effect status_write(struct virtio_status *s, uint32_t value);

/* Sets the status that a driver had brought about in another device. Returns false and changes
 * nothing if no driver could have done that with the features that are offered here. */
bool status_restore(struct virtio_status *s, uint8_t bits, uint64_t accepted);

/* Everything back to 0 except `offered`. */
void status_clear(struct virtio_status *s);

/* Features 32 * window to 32 * window + 31. There are none beyond 63: such reads return 0, such
 * writes are ignored. So are all writes from FEATURES_OK on. */
uint32_t status_offered(const struct virtio_status *s, uint32_t window);
void status_accept(struct virtio_status *s, uint32_t window, uint32_t features);

static inline bool status_has(const struct virtio_status *s, uint8_t bit)
{
    return s->bits & bit;
}

#endif
