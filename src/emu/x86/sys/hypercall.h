#ifndef EMU_X86_SYS_HYPERCALL_H
#define EMU_X86_SYS_HYPERCALL_H
/*
 * Hypercalls, with the numbers and answers of Linux's KVM
 * (Documentation/virt/kvm/x86/hypercalls.rst): KVM's signature in CPUID promises them. VMCALL and
 * VMMCALL do the same, whatever the vendor.
 *
 * RAX holds the number, and RBX, RCX, RDX, RSI the arguments; the answer in RAX is 0 or more, or an
 * error below 0. A call whose KVM feature CPUID does not show answers -KVM_ENOSYS.
 */

struct cpu;

/* That vCPU's thread, inside the instruction. Never faults. */
void hypercall(struct cpu *c);

#endif
