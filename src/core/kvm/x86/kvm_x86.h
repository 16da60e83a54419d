#ifndef CORE_KVM_X86_KVM_X86_H
#define CORE_KVM_X86_KVM_X86_H
/*
 * What the x86 files of the KVM accelerator share; nobody else includes it.
 */
#include <stdbool.h>
#include <stdint.h>

#include "core/x86/cpuid.h"

struct err;
struct kvm_regs;
struct kvm_sregs;
struct mem;
struct vcpu_regs;

struct kvm_arch {
    struct cpuid_table offer; /* what KVM can show a guest, asked once: it is slow */
};

/* kvm_cpuid.c */

/* Everything this KVM offers with its in-kernel interrupt controller. */
int kvm_cpuid_offer(int device_fd, struct cpuid_table *offer, struct err *e);
int kvm_cpuid_set(int vcpu_fd, const struct cpuid_table *t, struct err *e);

/* kvm_boot.c */

/* What firmware would have left in a processor where KVM's reset state differs from it. */
int kvm_boot_msrs(int vcpu_fd, struct err *e);
int kvm_boot_lapic(int vcpu_fd, struct err *e); /* the boot processor only */

/* kvm_regs.c: pure. */

/* Into KVM's two structs. *sregs must hold what KVM last gave: the APIC base and a pending
 * interrupt are not ours and stay. */
void kvm_regs_export(const struct vcpu_regs *from, struct kvm_regs *regs, struct kvm_sregs *sregs);
void kvm_regs_import(struct vcpu_regs *to, const struct kvm_regs *regs,
                     const struct kvm_sregs *sregs);

/* kvm_probe.c: its pure part. */

#define KVM_PROBE_PORT 0xf4 /* neither KVM nor a device of the machine has it */

/* Writes the program and its page tables and says where a processor starts on them; false: there is
 * no RAM. Unloading leaves zeroes. */
bool kvm_probe_load(const struct mem *m, struct vcpu_regs *regs);
void kvm_probe_unload(const struct mem *m);

/* So many instructions in so many nanoseconds, as millions a second; then whether that will do: 0,
 * or -EOPNOTSUPP with how slow it is. */
uint64_t kvm_probe_mips(uint64_t instructions, uint64_t ns);
int kvm_probe_judge(uint64_t mips, struct err *e);

#endif
