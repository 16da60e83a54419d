#ifndef CORE_KVM_KVM_H
#define CORE_KVM_KVM_H
/*
 * The KVM accelerator.
 */
#include "core/vm/accel.h"

extern const struct accel_ops kvm_accel;

/* Whether this device is a KVM that can run a machine of one processor, as far as can be told
 * without creating one. Any thread. 0, or -errno and a sentence: it cannot be opened, it is no KVM
 * (-ENOTTY), or its version is another or a capability is missing (-EOPNOTSUPP). */
int kvm_inspect(const char *device, struct err *e);

#endif
