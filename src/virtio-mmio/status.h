#ifndef VIRTIO_MMIO_STATUS_H
#define VIRTIO_MMIO_STATUS_H
/*
 * Status and feature negotiation, as driver and device agree on them (virtio 1.2, 2.1, 2.2, 3.1.1).
 * Pure.
 *
 *   0 - ACKNOWLEDGE - DRIVER - FEATURES_OK - DRIVER_OK       bits the driver adds, in this order
 *                                    \            \
 *                                     \_ features  \_ NEEDS_RESET, FAILED: either side gave up
 *                                        are final
 *
 * A driver never takes a bit away but by writing 0; a write that would is ignored as a whole. Bits
 * that the device refuses (FEATURES_OK for features it did not offer or without VERSION_1,
 * DRIVER_OK without FEATURES_OK) stay clear, which is how the driver learns of it.
 */
#include <stdbool.h>
#include <stdint.h>

struct virtio_status {
    uint64_t offered;  /* features; constant */
    uint64_t accepted; /* by the driver; final once FEATURES_OK */
    uint8_t bits;      /* VIRTIO_CONFIG_S_* */
    bool resetting;    /* 0 was written, and the device is not yet done with it */
};

/* What a write of the Status register asks for. */
enum status_effect {
    STATUS_NOTHING,
    STATUS_READY, /* the driver is: activate */
    STATUS_CLEAR, /* a reset that nothing stands against: clear at once */
    STATUS_DRAIN, /* a reset that is over once the device is: status_clear then */
};

/* While resetting the bits stay as they were, for the driver to see that it is not over (2.1.2). */
enum status_effect status_write(struct virtio_status *s, uint32_t value);

/* Puts the device where a driver had brought another one. False, and nothing is changed: no driver
 * could have, with what is offered. */
bool status_restore(struct virtio_status *s, uint8_t bits, uint64_t accepted);

/* Back to the beginning; `offered` stays. */
void status_clear(struct virtio_status *s);

/* 32 bits of the features, number `window`; there are none beyond 64. Writes count until
 * FEATURES_OK. */
uint32_t status_offered(const struct virtio_status *s, uint32_t window);
void status_accept(struct virtio_status *s, uint32_t window, uint32_t features);

static inline bool status_has(const struct virtio_status *s, uint8_t bit)
{
    return s->bits & bit;
}

#endif
