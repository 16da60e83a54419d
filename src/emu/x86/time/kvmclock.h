#ifndef EMU_X86_TIME_KVMCLOCK_H
#define EMU_X86_TIME_KVMCLOCK_H
/*
 * The paravirtual clock of KVM's ABI (Linux Documentation/virt/kvm/x86/msr.rst): the guest's time
 * as a function of its TSC, in a structure the guest names.
 *
 * That vCPU's thread, inside the WRMSR. Addresses that are not RAM are ignored.
 */
#include <stdint.h>

struct cpu;
struct emu;

/* MSR_KVM_WALL_CLOCK_NEW: fills a struct pvclock_wall_clock once. */
void kvmclock_wall_write(struct cpu *c, uint64_t value);

/* MSR_KVM_SYSTEM_TIME_NEW: bit 0 enables; the rest is the address of a struct
 * pvclock_vcpu_time_info. */
void kvmclock_system_write(struct cpu *c, uint64_t value);

/* The host has held this processor up for so long that its guest may believe itself stuck: sets the
 * flag by which Linux's watchdogs know it, and which they clear. That vCPU's thread. */
void kvmclock_stopped(struct cpu *c);

/* A time stamp counter was moved. */
void kvmclock_update(struct emu *m);

#endif
