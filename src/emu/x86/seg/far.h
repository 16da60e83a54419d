#ifndef EMU_X86_SEG_FAR_H
#define EMU_X86_SEG_FAR_H
/*
 * Far transfers by instruction: JMP, CALL and RET that load CS (SDM 3A, 5.8).
 *
 * That vCPU's thread, inside the instruction. True: cpu.rip is where it goes on; false: the fault
 * is recorded. What is no code segment is gate.h's.
 */
#include <stdbool.h>
#include <stdint.h>

struct cpu;

bool far_jump(struct cpu *c, uint16_t selector, uint64_t offset);
bool far_call(struct cpu *c, uint16_t selector, uint64_t offset, unsigned size, uint64_t next_rip);
bool far_return(struct cpu *c, unsigned size, uint16_t drop);

#endif
