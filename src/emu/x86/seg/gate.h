#ifndef EMU_X86_SEG_GATE_H
#define EMU_X86_SEG_GATE_H
/*
 * Call gates, and what else far transfers find in place of code (SDM 3A, 5.8.3 to 5.8.5; chapter
 * 8).
 *
 * Outside IA-32e mode that may be a task: who would switch to one is told that there is no such
 * thing (cpu_unable), once all that silicon would say first has been said. In IA-32e mode a task is
 * #GP, as on silicon.
 *
 * That vCPU's thread, inside the instruction or the delivery. `raw` are the descriptor's first
 * eight bytes, those of a system descriptor. True: cpu.rip is where it goes on.
 */
#include <stdbool.h>
#include <stdint.h>

struct cpu;

bool gate_jump(struct cpu *c, uint16_t selector, uint64_t raw);
bool gate_call(struct cpu *c, uint16_t selector, uint64_t raw, uint64_t next_rip);

/* Through a task gate, already judged, to the task it names. */
bool gate_task(struct cpu *c, uint64_t raw);

#endif
