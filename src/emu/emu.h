#ifndef EMU_EMU_H
#define EMU_EMU_H
/*
 * The software CPU: an accelerator (core/vm/accel.h) that interprets the guest's instructions, for
 * hosts without a usable KVM.
 *
 * This floor is that accelerator. It has a folder for each guest architecture. It knows core/; it
 * must not know api/, virtio-mmio/ or jail/. Interrupt controllers and timers are part of it; it
 * reaches all other devices only through the buses of accel_config.
 *
 * Comments on this floor name the thread on which a function may be called. "That vCPU's thread" is
 * the thread of the processor that the function is given.
 */
#include "core/vm/accel.h"

extern const struct accel_ops emu_accel;

#endif
