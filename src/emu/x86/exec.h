#ifndef EMU_X86_EXEC_H
#define EMU_X86_EXEC_H
/*
 * The loop that runs one processor: it executes blocks, and between them delivers faults and
 * interrupts and does what other threads ask for.
 *
 * This room is the top of the software CPU: emu.c creates the machine's processors and interrupt
 * controllers, block.c and block_build.c decode and cache, exec.c runs. It puts the rooms below it
 * together; none of them may include a header of this one.
 */
#include "core/vm/accel.h"

struct cpu;

/* That vCPU's thread. */
enum vcpu_exit exec_run(struct cpu *c);

#endif
