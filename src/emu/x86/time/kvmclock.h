#ifndef EMU_X86_TIME_KVMCLOCK_H
#define EMU_X86_TIME_KVMCLOCK_H
/*
 * The paravirtual clock of KVM's ABI (Linux Documentation/virt/kvm/x86/msr.rst): the guest's time
 * as a function of its TSC, in a structure at an address that the guest chooses.
 *
 * That vCPU's thread; kvmclock_update on any vCPU's. Addresses that are not RAM are ignored.
 */
#include <stdint.h>

struct cpu;
struct emu;

/* A write of MSR_KVM_WALL_CLOCK_NEW: fills in a struct pvclock_wall_clock at this address, once. */
void kvmclock_wall_write(struct cpu *c, uint64_t value);

/* A write of MSR_KVM_SYSTEM_TIME_NEW: bit 0 enables the clock; the rest is the address of a struct
 * pvclock_vcpu_time_info. */
void kvmclock_system_write(struct cpu *c, uint64_t value);

/* To be called when the host has not run this processor for so long that Linux in the guest may
 * think that the processor hung. Sets the flag that tells Linux's watchdogs otherwise; they clear
 * it. */
void kvmclock_stopped(struct cpu *c);

/* To be called when a processor's TSC was moved: writes the structures of all processors again. */
void kvmclock_update(struct emu *m);

#endif
