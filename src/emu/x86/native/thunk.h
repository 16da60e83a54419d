#ifndef EMU_X86_NATIVE_THUNK_H
#define EMU_X86_NATIVE_THUNK_H
/*
 * Thunks: guest instructions executed by the host's own units.
 *
 * Guest and host have the same ISA, so data-processing instructions, integer, vector or x87, are
 * not implemented again in C. A thunk is a few generated instructions: they load the registers that
 * the instruction names from struct cpu, execute the instruction itself with other register numbers
 * and with [r11] as its memory operand (if any), and store what it wrote. Results, flags (the
 * undefined ones too) and exceptions are the silicon's.
 *
 *   register form   is an op's handler itself (op.h) and goes on with the next op
 *   memory form     is a function that a handler calls, a thunk_memory_fn
 *
 * Code is generated into memory that is mapped twice, writable for the generator and executable for
 * the processor, so that no page is ever both. A thunk does not depend on where its instruction is,
 * nor on the address of its memory operand, so that equal instructions share one.
 */
#include <stdbool.h>
#include <stdint.h>

#include "emu/x86/op/op.h"

struct build;
struct err;
struct thunks;

/* operand is the host address of the memory operand. op tells the handler of a fault inside
 * (fault_signal.c) which instruction it was. */
typedef void thunk_memory_fn(struct cpu *c, const struct op *op, void *operand);

/* 0, or -errno. */
int thunks_create(struct thunks **out, struct err *e);
void thunks_destroy(struct thunks *t);

/* That vCPU's thread. Returns the thunk for the instruction being built, and makes it if there is
 * none yet. NULL if no room is left. */
const void *thunk_for(struct thunks *t, const struct build *b);

/* Forgets all thunks. No block may refer to one any more. */
void thunks_clear(struct thunks *t);

/* Whether there is room for the thunks of one more block. */
bool thunks_have_room(const struct thunks *t);

/* Whether rip is in generated code. May be called from a signal handler. */
bool thunks_hold(const struct thunks *t, uint64_t rip);

#endif
