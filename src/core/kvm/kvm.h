#ifndef CORE_KVM_KVM_H
#define CORE_KVM_KVM_H
/*
 * The KVM accelerator.
 */
#include "core/vm/accel.h"

extern const struct accel_ops kvm_accel;

/* Whether this device is a KVM that can run a machine of one processor, as far as can be told
 * without creating one. Any thread. 0, or -errno and a sentence: the device cannot be opened, it is
 * no KVM (-ENOTTY), or it has the wrong API version or lacks a capability (-EOPNOTSUPP). */
int kvm_inspect(const char *device, struct err *e);

#endif
