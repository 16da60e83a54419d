#ifndef EMU_X86_SYS_CPUID_H
#define EMU_X86_SYS_CPUID_H
/*
 * CPUID of the software processors: the features that the interpreter implements, and those that
 * the host's own units can execute for it.
 *
 * emu_cpuid_offer makes the offer. core/x86/cpuid.h shapes it for each processor, as it shapes
 * KVM's.
 */
#include <stdint.h>

#include "core/x86/cpuid.h"

struct cpu;
struct err;

/* Fills the offer. -EOPNOTSUPP if the host lacks what every x86-64-v2 guest needs; -EINVAL if the
 * environment names a vendor that is not known (vendor.h). */
int emu_cpuid_offer(struct cpuid_table *t, struct err *e);

/* The state components that XCR0 may enable on this host: x87, SSE and, if the host has AVX, the
 * upper halves of the YMM registers. */
uint64_t emu_cpuid_xcr0(void);

/* The CPUID instruction, on that vCPU's thread. */
void emu_cpuid(struct cpu *c);

#endif
