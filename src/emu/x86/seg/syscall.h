#ifndef EMU_X86_SEG_SYSCALL_H
#define EMU_X86_SEG_SYSCALL_H
/*
 * The fast system calls: SYSCALL, SYSRET, SYSENTER, SYSEXIT (SDM 2B, APM 3). vendor.def lists where
 * the vendors differ.
 *
 * All functions run on that vCPU's thread, inside the instruction. `next_rip` is the address to
 * return to, just behind SYSCALL; `size` is the operand size of a return, 4 or 8. True: cpu.rip is
 * the address of the next instruction. False: the fault is recorded.
 */
#include <stdbool.h>
#include <stdint.h>

struct cpu;

bool syscall_enter(struct cpu *c, uint64_t next_rip);
bool syscall_return(struct cpu *c, unsigned size);
bool sysenter(struct cpu *c);
bool sysexit(struct cpu *c, unsigned size);

#endif
