#ifndef EMU_X86_SEG_INTR_H
#define EMU_X86_SEG_INTR_H
/*
 * The delivery of interrupts and exceptions to the guest, and IRET (SDM 3A, chapter 6).
 */
#include <stdbool.h>
#include <stdint.h>

#include "emu/x86/cpu/cpu.h"

/* That vCPU's thread, between instructions. */

/* Delivers cpu.fault at cpu.rip. A fault during the delivery is delivered instead, or becomes a
 * double or triple fault (SDM 3A, table 6-5). False: the processor shuts down or, if cpu.leave is
 * CPU_UNABLE, the run ends. */
bool intr_deliver_fault(struct cpu *c);

/* Delivers an external interrupt or an NMI. False as above. */
bool intr_deliver(struct cpu *c, uint8_t vector);

/* IRET, on that vCPU's thread, inside the instruction. `size` is the operand size, 2, 4 or 8. True:
 * cpu.rip is the address of the next instruction. False: the fault is recorded. */
bool intr_return(struct cpu *c, unsigned size);

#endif
