#ifndef CORE_KVM_KVM_H
#define CORE_KVM_KVM_H
/*
 * KVM behind the accelerator table.
 */
#include "core/vm/accel.h"

extern const struct accel_ops kvm_accel;

/* Is this device a KVM that can run a machine of one processor, as far as it tells without one? Any
 * thread; 0, or why not: it cannot be opened, or its version or a capability is missing
 * (-EOPNOTSUPP). */
int kvm_inspect(const char *device, struct err *e);

#endif
