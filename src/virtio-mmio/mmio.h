#ifndef VIRTIO_MMIO_MMIO_H
#define VIRTIO_MMIO_MMIO_H
/*
 * The register window by which a driver sees a virtio device (virtio 1.2, 4.2.2, version 2).
 *
 * Registers lie below 0x100, 32 bits wide and at multiples of 4. A read of another size or at
 * another offset returns 0, and such a write changes nothing. The same holds for a register that
 * does not exist, for reading a write-only one and for writing a read-only one. From 0x100 on lies
 * the device's configuration space. It takes accesses of 1, 2, 4 and 8 bytes at any offset: bytes
 * beyond its end read 0, and a write that is not wholly inside changes nothing. There is no shared
 * memory (4.2.2: base and length read all ones), and single queues cannot be reset.
 */
#include "core/vm/device.h"

#define MMIO_WINDOW_SIZE 0x1000u

/* plug.c gives this table to the bus. The struct device is a virtio_device's first member. */
extern const struct device_ops mmio_device_ops;

#endif
