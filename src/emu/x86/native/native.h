#ifndef EMU_X86_NATIVE_NATIVE_H
#define EMU_X86_NATIVE_NATIVE_H
/*
 * The instructions that the host's own units execute: all that need no handler of their own.
 */
#include <stdbool.h>

struct build;

/* The build function of last resort (op/build.h): always true. */
bool build_native(struct build *b);

#endif
