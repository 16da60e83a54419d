#ifndef EMU_EMU_H
#define EMU_EMU_H
/*
 * The software CPU behind the accelerator table: it runs the same machine where there is no usable
 * KVM.
 *
 * This room, all of src/emu/, is that accelerator, one folder below for each guest architecture. It
 * knows core/; it must not know api/, virtio-mmio/ or jail/, and it reaches devices only through
 * the buses of accel_config, but for the interrupt controllers and timers that are part of it.
 */
#include "core/vm/accel.h"

extern const struct accel_ops emu_accel;

#endif
