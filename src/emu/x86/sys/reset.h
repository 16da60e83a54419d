#ifndef EMU_X86_SYS_RESET_H
#define EMU_X86_SYS_RESET_H
/*
 * How a processor begins: its state after RESET and INIT, and what follows from its CPUID.
 */
#include <stdbool.h>

struct cpu;

/* On that vCPU's thread, or while the machine is built: sets the state of SDM 3A, table 10-1, after
 * INIT if `init`, otherwise after RESET. Processors other than 0 then wait for a SIPI. */
void cpu_reset(struct cpu *c, bool init);

/* Derives the features that cpu_offers knows, and cpu.vendor, from cpu.cpuid. */
void cpu_features_update(struct cpu *c);

#endif
