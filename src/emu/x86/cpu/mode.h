#ifndef EMU_X86_CPU_MODE_H
#define EMU_X86_CPU_MODE_H
/*
 * What a processor's control registers and segments come down to for whoever decodes, executes and
 * translates addresses.
 */
#include <stdint.h>

struct cpu;

/* What decoding depends on besides the bytes: a block is known by them too (cpu.mode). */
enum cpu_mode {
    MODE_64 = 1u << 0,      /* CS.L in IA-32e mode */
    MODE_CODE32 = 1u << 1,  /* CS.D */
    MODE_USER = 1u << 2,    /* CPL 3 */
    MODE_FLAT = 1u << 3,    /* ES, CS, SS, DS: base 0, limit 4 GiB (always in 64-bit mode) */
    MODE_STEP = 1u << 4,    /* RFLAGS.TF: one instruction a block; so decoded for cpu.alone too */
    MODE_STACK32 = 1u << 5, /* SS.B */
    MODE_REAL = 1u << 6,    /* CR0.PE clear */
    MODE_NO_X87 = 1u << 7,  /* CR0.TS or CR0.EM: x87 and MMX fault */
    MODE_NO_SSE = 1u << 8,  /* CR0.TS, CR0.EM or no CR4.OSFXSR */
    MODE_NO_AVX = 1u << 9,  /* CR0.TS, no CR4.OSXSAVE or not in XCR0 */
    MODE_CPL0 = 1u << 11,
    MODE_EM = 1u << 10, /* CR0.EM: with it NO_X87 is #NM for x87 and #UD for MMX */
};

/* That vCPU's thread, between instructions or at the end of one: recomputes cpu.mode, cpu.tlb and
 * the segment bases in cpu.gpr after control registers, EFER, RFLAGS.TF or AC, segments or CPL
 * changed. */
void cpu_mode_update(struct cpu *c);

#endif
