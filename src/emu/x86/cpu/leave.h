#ifndef EMU_X86_CPU_LEAVE_H
#define EMU_X86_CPU_LEAVE_H
/*
 * What an instruction tells the loop in exec.c, in cpu.leave and cpu.alone.
 */

/* What the loop has to do after the block. */
enum cpu_leave {
    CPU_ON,     /* nothing: go on at rip */
    CPU_STEP,   /* as CPU_ON, but the new RFLAGS.TF decides on a single step (SYSCALL, SYSRET) */
    CPU_FAULT,  /* deliver cpu.fault; rip is at the instruction, or after it for a trap */
    CPU_HALT,   /* HLT: sleep until an interrupt */
    CPU_UNABLE, /* the guest wants what the software CPU does not have (cpu_unable) */
};

/* Why the next instruction runs in a block of its own. */
enum cpu_alone {
    /* It follows STI, MOV SS or POP SS: interrupts and NMIs wait (SDM 2B, "STI"). */
    CPU_ALONE_NO_INTERRUPT = 1u << 0,
    /* It follows MOV SS or POP SS, and usually loads the stack pointer: debug exceptions wait too
     * (SDM 3A, 6.8.3). */
    CPU_ALONE_NO_DEBUG = 1u << 1,
    CPU_ALONE_RESUMED = 1u << 2, /* RFLAGS.RF: a breakpoint on it is ignored */
    CPU_ALONE_STEP = 1u << 3,    /* RFLAGS.TF */
    CPU_ALONE_WATCHED = 1u << 4, /* breakpoints are enabled (debug.h) */
};

#define CPU_ALONE_SHADOW (CPU_ALONE_NO_INTERRUPT | CPU_ALONE_NO_DEBUG)

/* The reasons that hold for one instruction only. */
#define CPU_ALONE_ONCE (CPU_ALONE_SHADOW | CPU_ALONE_RESUMED)

#endif
