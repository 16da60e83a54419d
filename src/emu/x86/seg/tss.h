#ifndef EMU_X86_SEG_TSS_H
#define EMU_X86_SEG_TSS_H
/*
 * The task state segment as the processor reads it: the stacks of inner levels (SDM 3A, 8.2.1, 8.6
 * and 8.7).
 *
 * That vCPU's thread, inside an instruction or a delivery. False: the fault is recorded.
 */
#include <stdbool.h>
#include <stdint.h>

#include "emu/x86/cpu/cpu.h"

/* In IA-32e mode: the stack pointer of level `cpl`, or that of `ist` where it is not 0. */
bool tss_stack_long(struct cpu *c, unsigned ist, unsigned cpl, uint64_t *rsp);

/* Outside it: SS and stack pointer of level `cpl`, out of a segment of 32 or 16 bits. */
bool tss_stack(struct cpu *c, unsigned cpl, struct x86_segment *ss, uint64_t *sp);

/* What is wrong with pushing on such a stack is said of its selector: the #SS recorded. False. */
bool tss_stack_fault(struct cpu *c, const struct x86_segment *ss);

/* The end of a task that was called: IRET with RFLAGS.NT outside IA-32e mode. What is wrong with
 * the link to the caller is #TS; a good one would be a task switch. */
bool tss_return(struct cpu *c);

#endif
