#ifndef EMU_X86_SEG_INTR_H
#define EMU_X86_SEG_INTR_H
/*
 * Interrupts and exceptions into the guest, and the way back (SDM 3A, chapter 6).
 */
#include <stdbool.h>
#include <stdint.h>

#include "emu/x86/cpu/cpu.h"

/* That vCPU's thread, between instructions. */

/* Delivers cpu.fault at cpu.rip. Faults on the way become double and triple faults as SDM 3A table
 * 6-5 says; false: the processor shut down. */
bool intr_deliver_fault(struct cpu *c);

/* Delivers an external interrupt or NMI. false as above. */
bool intr_deliver(struct cpu *c, uint8_t vector);

/* That vCPU's thread, inside the instruction. `size` is the operand size, 2, 4 or 8. On success
 * cpu.rip is where it goes on; on failure the fault is recorded. */
bool intr_return(struct cpu *c, unsigned size);

#endif
