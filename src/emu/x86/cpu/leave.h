#ifndef EMU_X86_CPU_LEAVE_H
#define EMU_X86_CPU_LEAVE_H
/*
 * What an instruction leaves to the loop in exec.c, in cpu.leave and cpu.alone.
 */

/* What an instruction left to do. */
enum cpu_leave {
    CPU_ON,           /* nothing: go on at rip */
    CPU_STEP,         /* as CPU_ON; RFLAGS.TF as it is now says whether that was a single step */
    CPU_FAULT,        /* deliver cpu.fault; rip is the faulting instruction (trap: the next one) */
    CPU_HALT,         /* HLT: sleep until an interrupt */
    CPU_TRIPLE_FAULT, /* delivering failed three times */
    CPU_UNABLE,       /* the guest wants what is not there: cpu.unable names it; run fails */
};

/* Why the next instruction gets a block of its own. */
enum cpu_alone {
    CPU_ALONE_NO_INTERRUPT =
        1u << 0, /* behind STI, MOV SS, POP SS: interrupts and NMI wait (SDM 2B, "STI") */
    CPU_ALONE_NO_DEBUG = 1u << 1, /* behind MOV SS, POP SS: so do debug exceptions, for the
                                     stack's other half to come (SDM 3A, 6.8.3) */
    CPU_ALONE_RESUMED = 1u << 2,  /* RFLAGS.RF: a breakpoint on it does not count */
    CPU_ALONE_STEP = 1u << 3,     /* RFLAGS.TF */
    CPU_ALONE_WATCHED = 1u << 4,  /* breakpoints are armed (debug.h) */
};

#define CPU_ALONE_SHADOW (CPU_ALONE_NO_INTERRUPT | CPU_ALONE_NO_DEBUG)

/* Those that are over with that instruction. */
#define CPU_ALONE_ONCE (CPU_ALONE_SHADOW | CPU_ALONE_RESUMED)

#endif
