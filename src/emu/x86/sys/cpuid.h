#ifndef EMU_X86_SYS_CPUID_H
#define EMU_X86_SYS_CPUID_H
/*
 * What the software processors offer: those of the host's features that the interpreter can do, and
 * no others.
 *
 * The table is the offer that core/x86/cpuid.h shapes for one processor, as it shapes KVM's.
 */
#include <stdint.h>

#include "core/x86/cpuid.h"

struct cpu;
struct err;

/* Fills the offer. -EOPNOTSUPP where the host lacks what every x86-64-v2 guest needs. */
int emu_cpuid_offer(struct cpuid_table *t, struct err *e);

/* State components XCR0 may enable on this host: x87, SSE and, where there is AVX, its upper
 * halves. */
uint64_t emu_cpuid_xcr0(void);

/* That vCPU's thread: the CPUID instruction. */
void emu_cpuid(struct cpu *c);

#endif
