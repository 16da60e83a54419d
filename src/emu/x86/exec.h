#ifndef EMU_X86_EXEC_H
#define EMU_X86_EXEC_H
/*
 * The loop that runs one processor: blocks, and between them faults, interrupts and what other
 * threads ask for.
 */
#include "core/vm/accel.h"

struct cpu;

/* That vCPU's thread. */
enum vcpu_exit exec_run(struct cpu *c);

#endif
