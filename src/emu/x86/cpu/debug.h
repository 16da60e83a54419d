#ifndef EMU_X86_CPU_DEBUG_H
#define EMU_X86_CPU_DEBUG_H
/*
 * Debug registers and breakpoints (SDM 3B, 17.2 and 17.3).
 *
 * While DR7 enables any breakpoint each instruction has a block of its own (CPU_ALONE_WATCHED), and
 * pages that hold a watched address have no entry in the translation tables: every access to them
 * comes through the slow door of mmu.c, which asks here. Without one nothing costs anything.
 *
 * That vCPU's thread.
 */
#include <stdbool.h>
#include <stdint.h>

struct cpu;

/* In cpu.debug_met and DR6; bits 0 to 3 there are the breakpoints. */
#define DEBUG_BS UINT16_C(0x4000) /* single step */

/* MOV to and from DR0 to 7, inside the instruction; false: the fault is recorded. */
bool debug_read(struct cpu *c, unsigned number, uint64_t *value);
bool debug_write(struct cpu *c, unsigned number, uint64_t value);

/* Whether the instruction at cpu.rip may begin; false: it has a breakpoint, and the #DB is
 * recorded. */
bool debug_may_begin(struct cpu *c);

/* Records the #DB that cpu.debug_met asks for; cpu.rip is where it is taken. */
void debug_trap(struct cpu *c);

/* From inside an instruction with CPU_ALONE_WATCHED: it accessed this. */
void debug_access(struct cpu *c, uint64_t linear, unsigned size, bool write);
void debug_port(struct cpu *c, uint16_t port, unsigned size);

/* Whether the page of this address has to stay out of the translation tables. */
bool debug_watches_page(const struct cpu *c, uint64_t linear);

#endif
