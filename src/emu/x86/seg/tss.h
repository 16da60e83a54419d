#ifndef EMU_X86_SEG_TSS_H
#define EMU_X86_SEG_TSS_H
/*
 * The stacks of the inner privilege levels and the link to the calling task, which the processor
 * reads from the task state segment (SDM 3A, 8.2.1, 8.6 and 8.7). sys/port.c reads the segment's
 * I/O permission bitmap.
 *
 * All functions run on that vCPU's thread, inside an instruction or a delivery. False means that
 * the fault is recorded.
 */
#include <stdbool.h>
#include <stdint.h>

#include "emu/x86/cpu/cpu.h"

/* In IA-32e mode: the stack pointer of level `cpl` or, if `ist` is not 0, that of entry `ist` in
 * the interrupt stack table. */
bool tss_stack_long(struct cpu *c, unsigned ist, unsigned cpl, uint64_t *rsp);

/* Outside IA-32e mode: SS and the stack pointer of level `cpl`, from a 32-bit or 16-bit TSS. */
bool tss_stack(struct cpu *c, unsigned cpl, struct x86_segment *ss, uint64_t *sp);

/* After a failed push on such a stack: if an #SS is recorded, its error code becomes the stack's
 * selector. Always false. */
bool tss_stack_fault(struct cpu *c, const struct x86_segment *ss);

/* IRET with RFLAGS.NT outside IA-32e mode: the return from a nested task. A bad link to the calling
 * task raises #TS, or #NP if that task is not present. A good one ends in cpu_unable, since there
 * are no task switches. Always false. */
bool tss_return(struct cpu *c);

#endif
