#ifndef EMU_X86_SEG_STACK_H
#define EMU_X86_SEG_STACK_H
/*
 * The guest's stack, in any mode: what PUSH, POP, CALL and RET have in common.
 *
 * That vCPU's thread, inside the instruction. A value is `size` bytes, 2, 4 or 8. Pushing and
 * popping move only the `sp` that is passed; the instruction commits it with stack_commit when
 * nothing can fail any more.
 */
#include <stdbool.h>
#include <stdint.h>

#include "emu/x86/cpu/cpu.h"

uint64_t stack_pointer(const struct cpu *c);
bool stack_push(struct cpu *c, uint64_t *sp, uint64_t value, unsigned size);
/* Several values, each above the next: nothing is written unless all can be. */
#define STACK_PUSH_MAX 35u /* through a call gate */
bool stack_push_all(struct cpu *c, uint64_t *sp, const uint64_t *values, unsigned count,
                    unsigned size);

bool stack_pop(struct cpu *c, uint64_t *sp, uint64_t *value, unsigned size);
/* Whether a value could be stored at sp itself; the fault if not. */
bool stack_writable(struct cpu *c, uint64_t sp, unsigned size);

void stack_commit(struct cpu *c, uint64_t sp);

#endif
