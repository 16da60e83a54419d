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
 * a whole. A bit that the device refuses stays clear, so that the driver can read the refusal. The
 * device refuses FEATURES_OK if the driver accepted a feature that was not offered, or did not
 * accept VERSION_1. It refuses DRIVER_OK without FEATURES_OK.
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
 * (2.4.2). */
enum status_effect status_write(struct virtio_status *s, uint32_t value);

/* Sets a status that a driver reached with another device. Returns false and changes nothing if no
 * driver could have reached it with the features that are offered here. */
bool status_restore(struct virtio_status *s, uint8_t bits, uint64_t accepted);

/* Everything back to 0 except `offered`. */
void status_clear(struct virtio_status *s);

/* A read of DeviceFeatures and a write of DriverFeatures: features 32 * window to 32 * window + 31.
 * From window 2 on reads return 0 and writes are ignored. Once FEATURES_OK is set, and during a
 * reset, all writes are ignored. */
uint32_t status_offered(const struct virtio_status *s, uint32_t window);
void status_accept(struct virtio_status *s, uint32_t window, uint32_t features);

static inline bool status_has(const struct virtio_status *s, uint8_t bit)
{
    return s->bits & bit;
}

#endif
