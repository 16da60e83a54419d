#ifndef CORE_KVM_H
#define CORE_KVM_H
/*
 * KVM behind the accelerator table.
 */
#include "core/accel.h"

extern const struct accel_ops kvm_accel;

#endif
