#ifndef EMU_X86_FPU_H
#define EMU_X86_FPU_H
/*
 * The guest's x87, MMX and MXCSR state in the host's registers, while a processor runs (cpu.h).
 */

struct cpu;

/* That vCPU's thread, around exec_run's loop. */
void fpu_enter(struct cpu *c);
void fpu_exit(struct cpu *c);

#endif
