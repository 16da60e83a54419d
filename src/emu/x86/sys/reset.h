#ifndef EMU_X86_SYS_RESET_H
#define EMU_X86_SYS_RESET_H
/*
 * How a processor begins: its state after RESET and INIT, and which instructions it has.
 */
#include <stdbool.h>

struct cpu;

/* That vCPU's thread, or while building. The state of SDM 3A table 9-1; processors other than 0
 * wait for SIPI. */
void cpu_reset(struct cpu *c, bool init);

/* Gathers from cpu.cpuid what cpu_offers answers, and cpu.vendor. */
void cpu_features_update(struct cpu *c);

#endif
