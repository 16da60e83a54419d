#ifndef EMU_X86_EXEC_H
#define EMU_X86_EXEC_H
/*
 * The loop that runs one processor: it executes blocks, and between them delivers faults and
 * interrupts and does what other threads ask for.
 *
 * This room, the files of src/emu/x86 itself, is the top of the software CPU. emu.c creates the
 * machine's processors and interrupt controllers, block_build.c turns code into blocks, block.c
 * caches them, and exec.c runs them. The room connects the rooms in its folders; none of those may
 * include one of its headers.
 */
#include "core/vm/accel.h"

struct cpu;

/* That vCPU's thread. */
enum vcpu_exit exec_run(struct cpu *c);

#endif
