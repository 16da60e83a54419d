#ifndef EMU_X86_SYS_HYPERCALL_H
#define EMU_X86_SYS_HYPERCALL_H
/*
 * Hypercalls, as Linux's KVM answers them (Documentation/virt/kvm/x86/hypercalls.rst): that is what
 * showing its signature in CPUID promises. VMCALL and VMMCALL are the same here, whatever the
 * vendor.
 *
 * The number is in RAX, arguments in RBX, RCX, RDX, RSI; the answer in RAX is 0 or more, or an
 * error below 0. Those that CPUID's KVM features do not offer are not there.
 */

struct cpu;

/* That vCPU's thread, inside the instruction; never a fault. */
void hypercall(struct cpu *c);

#endif
