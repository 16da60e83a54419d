#ifndef EMU_X86_LEAVE_H
#define EMU_X86_LEAVE_H
/*
 * What an instruction leaves to the loop in exec.c, in cpu.leave and cpu.shadow.
 */

/* What an instruction left to do. */
enum cpu_leave {
    CPU_ON,           /* nothing: go on at rip */
    CPU_STEP,         /* as CPU_ON; RFLAGS.TF as it is now says whether that was a single step */
    CPU_FAULT,        /* deliver cpu.fault; rip is the faulting instruction (trap: the next one) */
    CPU_HALT,         /* HLT: sleep until an interrupt */
    CPU_TRIPLE_FAULT, /* delivering failed three times */
};

/* What waits for the end of the next instruction (SDM 3A, 6.8.3; 2B, "STI"). */
enum cpu_shadow {
    CPU_SHADOW_NONE,
    CPU_SHADOW_STI, /* interrupts */
    CPU_SHADOW_SS,  /* interrupts, NMI and debug exceptions, for the stack's other half to come */
};

#endif
