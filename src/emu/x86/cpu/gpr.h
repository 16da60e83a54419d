#ifndef EMU_X86_CPU_GPR_H
#define EMU_X86_CPU_GPR_H
/*
 * The indices of cpu.gpr: the sixteen general registers, then the other values that an address can
 * be made of.
 */
#include "core/x86/regs.h"

enum cpu_gpr {
    CPU_ZERO = X86_GPRS, /* always 0; stands for "no base" and "no index" */
    CPU_BLOCK_RIP,       /* RIP of the running block's first instruction */
    CPU_ES_BASE,         /* ES to DS are 0 in 64-bit mode, whatever the segment register holds */
    CPU_CS_BASE,
    CPU_SS_BASE,
    CPU_DS_BASE,
    CPU_FS_BASE,
    CPU_GS_BASE,
    CPU_ADDRESS, /* an address that the op before has computed (op.h) */
    CPU_GPRS,
};

#endif
