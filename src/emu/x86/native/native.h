#ifndef EMU_X86_NATIVE_NATIVE_H
#define EMU_X86_NATIVE_NATIVE_H
/*
 * The instructions that the host's own units execute: all that need no handler of their own.
 *
 * This room runs guest instructions on the host's units: it generates a thunk for an instruction,
 * wraps it in the handler that finds its memory operand, and turns the host's faults into the
 * guest's. It knows op/, decode/, the processor's state (cpu/) and memory (mem/); it must not know
 * segments, system registers, where blocks are kept, or devices.
 */
#include <stdbool.h>

struct build;

/* The build function for instructions of no other family (op/build.h). Always true. */
bool build_native(struct build *b);

#endif
