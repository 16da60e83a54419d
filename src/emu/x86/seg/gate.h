#ifndef EMU_X86_SEG_GATE_H
#define EMU_X86_SEG_GATE_H
/*
 * Far transfers whose selector names a system descriptor: call gates and tasks (SDM 3A, 5.8.3 to
 * 5.8.5; chapter 8).
 *
 * There are no task switches. Outside IA-32e mode a transfer to a task first checks selector, type,
 * privilege levels and presence, but not the limit of the TSS. If nothing is wrong it ends the run
 * (cpu_unable). In IA-32e mode such a transfer is #GP, as on silicon.
 *
 * All functions run on that vCPU's thread, inside the instruction or the delivery. `raw` is the
 * first eight bytes of the system descriptor. True: cpu.rip is the address of the next instruction.
 */
#include <stdbool.h>
#include <stdint.h>

struct cpu;

bool gate_jump(struct cpu *c, uint16_t selector, uint64_t raw);
bool gate_call(struct cpu *c, uint16_t selector, uint64_t raw, uint64_t next_rip);

/* Checks the task that a task gate names, and ends the run if nothing is wrong with it. The caller
 * has checked the gate. Always false. */
bool gate_task(struct cpu *c, uint64_t raw);

#endif
