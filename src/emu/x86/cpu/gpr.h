#ifndef EMU_X86_CPU_GPR_H
#define EMU_X86_CPU_GPR_H
/*
 * What stands in cpu.gpr: the sixteen general registers, and behind them what an address is made of
 * besides.
 */
#include "core/x86/regs.h"

enum cpu_gpr {
    CPU_ZERO = X86_GPRS, /* always 0: "no base", "no index" */
    CPU_BLOCK_RIP,       /* virtual address of the running block's first instruction */
    CPU_ES_BASE,         /* these four are 0 in 64-bit mode, whatever the segment says */
    CPU_CS_BASE,
    CPU_SS_BASE,
    CPU_DS_BASE,
    CPU_FS_BASE,
    CPU_GS_BASE,
    CPU_ADDRESS, /* an address computed by an op of its own (op.h) */
    CPU_GPRS,
};

#endif
