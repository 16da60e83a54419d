#ifndef EMU_X86_CPU_DEBUG_H
#define EMU_X86_CPU_DEBUG_H
/*
 * Debug registers and breakpoints (SDM 3B, 18.2 and 18.3).
 *
 * While DR7 enables any breakpoint, each instruction runs in a block of its own
 * (CPU_ALONE_WATCHED), and pages that hold a watched address have no entry in the translation
 * tables: every access to them takes the slow path in mmu.c, which reports it here. While DR7
 * enables none, breakpoints cost nothing.
 *
 * That vCPU's thread.
 */
#include <stdbool.h>
#include <stdint.h>

struct cpu;

/* A bit of cpu.debug_met and DR6: single step. Bits 0 to 3 of both are the breakpoints. */
#define DEBUG_BS UINT16_C(0x4000)

/* MOV from and MOV to debug register `number`, 0 to 7, from inside the instruction. False: the
 * fault is recorded. */
bool debug_read(struct cpu *c, unsigned number, uint64_t *value);
bool debug_write(struct cpu *c, unsigned number, uint64_t value);

/* Whether the instruction at cpu.rip may begin. False: it has a breakpoint, and the #DB is
 * recorded. */
bool debug_may_begin(struct cpu *c);

/* Records a #DB for what cpu.debug_met holds, at cpu.rip. */
void debug_trap(struct cpu *c);

/* To be called when an instruction accesses memory or a port while CPU_ALONE_WATCHED is set. Adds
 * the breakpoints that the access meets to cpu.debug_met. */
void debug_access(struct cpu *c, uint64_t linear, unsigned size, bool write);
void debug_port(struct cpu *c, uint16_t port, unsigned size);

/* Whether the page of this address has to stay out of the translation tables. */
bool debug_watches_page(const struct cpu *c, uint64_t linear);

#endif
