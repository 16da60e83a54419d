#ifndef TESTS_TOY_H
#define TESTS_TOY_H
/*
 * A guest architecture with one instruction, the byte 0, which stops the machine. It shows that
 * whatever is not in an architecture's own folder runs a machine of any, virtio devices aside.
 *
 * Its kernels are flat files, loaded at TOY_ENTRY, where its one register, the program counter,
 * begins. Its board has a serial port, which no program can reach, and a power switch.
 */
#include "core/vm/accel.h"
#include "core/vm/guest_arch.h"

#define TOY_ENTRY      0x1000u
#define TOY_KERNEL_MAX 0x1000u /* bytes */

extern const struct guest_arch guest_toy;

/* A processor that meets another byte dies of a triple fault. */
extern const struct accel_ops toy_accel;

#endif
