#ifndef VIRTIO_MMIO_MMIO_H
#define VIRTIO_MMIO_MMIO_H
/*
 * The register window by which a driver sees a virtio device (virtio 1.2, 4.2.2, version 2).
 *
 * Registers below 0x100 are 32 bits wide at multiples of 4; an access of another size or place
 * reads 0 and writes nothing, as does one to a register that is not there or goes the other way.
 * Behind them the device's configuration space takes accesses of 1, 2, 4 and 8 bytes at any place;
 * what lies behind its end reads 0, and a write that is not wholly inside changes nothing. There is
 * no shared memory (4.2.2.1: base and length read all ones) and no reset of single queues.
 */
#include "core/vm/device.h"

#define MMIO_WINDOW_SIZE 0x1000u

/* What plug.c gives the bus; the struct device is a virtio_device's first member. */
extern const struct device_ops mmio_device_ops;

#endif
