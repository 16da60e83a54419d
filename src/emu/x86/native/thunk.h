#ifndef EMU_X86_NATIVE_THUNK_H
#define EMU_X86_NATIVE_THUNK_H
/*
 * Thunks: guest instructions executed by the host's own units.
 *
 * Guest and host speak the same ISA, so data-processing instructions, integer, vector or x87, are
 * not written again in C. A thunk is a few generated instructions: load the registers the
 * instruction names from struct cpu, execute the instruction itself with other register numbers and
 * its memory operand (if any) turned into [r11], store what it wrote. Results, flags (the undefined
 * ones too) and exceptions are the silicon's.
 *
 *   register form   an op's handler itself (op.h): goes on with the next op
 *   memory form     a function called by one: thunk_memory_fn
 *
 * Code is generated into memory that is mapped twice, writable for the generator and executable for
 * the processor, so that no page is ever both. It depends only on the encoding without its
 * addressing, so that equal sites share a thunk.
 */
#include <stdbool.h>
#include <stdint.h>

#include "emu/x86/op/op.h"

struct build;
struct err;
struct thunks;

/* op is passed along so that a fault inside knows its instruction; operand is the memory operand's
 * host address. */
typedef void thunk_memory_fn(struct cpu *c, const struct op *op, void *operand);

int thunks_create(struct thunks **out, struct err *e);
void thunks_destroy(struct thunks *t);

/* That vCPU's thread. The thunk for the instruction being built, made if need be. NULL: no room is
 * left. */
const void *thunk_for(struct thunks *t, const struct build *b);

/* Forgets all thunks; no block may hold one any more. */
void thunks_clear(struct thunks *t);

/* True when there is room for the thunks of one more block. */
bool thunks_have_room(const struct thunks *t);

/* From a signal handler: whether this is generated code. */
bool thunks_hold(const struct thunks *t, uint64_t rip);

#endif
