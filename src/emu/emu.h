#ifndef EMU_EMU_H
#define EMU_EMU_H
/*
 * The software CPU behind the accelerator table: the same machine where there is no usable KVM.
 */
#include "core/vm/accel.h"

extern const struct accel_ops emu_accel;

#endif
