#ifndef EMU_X86_SEG_FAR_H
#define EMU_X86_SEG_FAR_H
/*
 * Far transfers by instruction: JMP, CALL and RET that load CS (SDM 3A, 5.8).
 *
 * All functions run on that vCPU's thread, inside the instruction. True: cpu.rip is the address of
 * the next instruction. False: the fault is recorded. If the selector names a system descriptor,
 * gate.h takes over.
 *
 * `size` is the operand size, 2, 4 or 8; `next_rip` is the address that a call returns to; `drop`
 * is how many bytes of parameters RETF removes.
 */
#include <stdbool.h>
#include <stdint.h>

struct cpu;

bool far_jump(struct cpu *c, uint16_t selector, uint64_t offset);
bool far_call(struct cpu *c, uint16_t selector, uint64_t offset, unsigned size, uint64_t next_rip);
bool far_return(struct cpu *c, unsigned size, uint16_t drop);

#endif
