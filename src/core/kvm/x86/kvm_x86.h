#ifndef CORE_KVM_X86_KVM_X86_H
#define CORE_KVM_X86_KVM_X86_H
/*
 * What the x86 files of the KVM accelerator share; only they and their tests include it.
 *
 * This room is the part of the KVM accelerator that depends on x86: interrupt controllers, CPUID,
 * registers, and whether KVM is fast enough to use. Beyond core/kvm it knows the machine's layout,
 * CPUID and registers (core/x86); it must not know kernel images, boot protocols, tables or
 * devices.
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
    struct cpuid_table offer; /* what KVM can show a guest; asked only once, because it is slow */
};

/* kvm_cpuid.c */

/* Everything that this KVM offers to a guest with in-kernel interrupt controllers. */
int kvm_cpuid_offer(int device_fd, struct cpuid_table *offer, struct err *e);
int kvm_cpuid_set(int vcpu_fd, const struct cpuid_table *t, struct err *e);

/* kvm_boot.c */

/* Set what firmware would have set in a processor, where KVM's reset state differs. */
int kvm_boot_msrs(int vcpu_fd, struct err *e);
int kvm_boot_lapic(int vcpu_fd, struct err *e); /* the boot processor only */

/* kvm_regs.c: pure. */

/* Fills KVM's two structs. *sregs must hold what KVM last gave: its APIC base and pending interrupt
 * belong to KVM and are kept. */
void kvm_regs_export(const struct vcpu_regs *from, struct kvm_regs *regs, struct kvm_sregs *sregs);
void kvm_regs_import(struct vcpu_regs *to, const struct kvm_regs *regs,
                     const struct kvm_sregs *sregs);

/* kvm_probe.c: its pure part. */

#define KVM_PROBE_PORT 0xf4 /* not a port of KVM's or of a device */

/* Loading writes the program and its page tables and sets *regs to start it; false if there is no
 * RAM. Unloading makes the pages zero again. */
bool kvm_probe_load(const struct mem *m, struct vcpu_regs *regs);
void kvm_probe_unload(const struct mem *m);

/* Millions of instructions per second, from their number and the time that they took. */
uint64_t kvm_probe_mips(uint64_t instructions, uint64_t ns);

/* Whether that speed will do: 0, or -EOPNOTSUPP and a sentence that says how slow it is. */
int kvm_probe_judge(uint64_t mips, struct err *e);

#endif
