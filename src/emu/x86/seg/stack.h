#ifndef EMU_X86_SEG_STACK_H
#define EMU_X86_SEG_STACK_H
/*
 * The guest's stack, in any mode: what PUSH, POP, CALL, RET and the delivery of interrupts have in
 * common.
 *
 * All functions run on that vCPU's thread, inside an instruction or a delivery. A value has `size`
 * bytes: 2, 4 or 8. Push and pop move only the caller's `sp`. The caller writes it to rSP with
 * stack_commit once nothing can fail any more. False means that the fault is recorded.
 */
#include <stdbool.h>
#include <stdint.h>

#include "emu/x86/cpu/cpu.h"

uint64_t stack_pointer(const struct cpu *c);
bool stack_push(struct cpu *c, uint64_t *sp, uint64_t value, unsigned size);

#define STACK_PUSH_MAX 35u /* values; what a call through a gate pushes with 31 parameters */

/* Pushes several values, values[0] first. Nothing is written unless all can be written. */
bool stack_push_all(struct cpu *c, uint64_t *sp, const uint64_t *values, unsigned count,
                    unsigned size);

bool stack_pop(struct cpu *c, uint64_t *sp, uint64_t *value, unsigned size);

/* Whether a value could be written at sp itself. */
bool stack_writable(struct cpu *c, uint64_t sp, unsigned size);

void stack_commit(struct cpu *c, uint64_t sp);

#endif
