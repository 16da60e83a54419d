#ifndef EMU_X86_CPU_MODE_H
#define EMU_X86_CPU_MODE_H
/*
 * The mode of a processor: a summary of its control registers, EFER, RFLAGS and segments, for the
 * decoding and execution of instructions and the translation of addresses.
 */
#include <stdint.h>

struct cpu;

/* Bits of cpu.mode: what decoding depends on besides the bytes, and so part of a block's key
 * (block.h). */
enum cpu_mode {
    MODE_64 = 1u << 0,      /* CS.L in IA-32e mode */
    MODE_CODE32 = 1u << 1,  /* CS.D */
    MODE_USER = 1u << 2,    /* CPL 3 */
    MODE_FLAT = 1u << 3,    /* ES, CS, SS, DS: base 0, limit 4 GiB (always in 64-bit mode) */
    MODE_STEP = 1u << 4,    /* one instruction per block: for RFLAGS.TF, or for cpu.alone */
    MODE_STACK32 = 1u << 5, /* SS.B */
    MODE_REAL = 1u << 6,    /* CR0.PE clear */
    MODE_NO_X87 = 1u << 7,  /* CR0.TS or CR0.EM: x87 is #NM; so are MMX, SSE and AVX, if not #UD */
    MODE_NO_SSE = 1u << 8,  /* CR0.EM set or CR4.OSFXSR clear: SSE is #UD */
    MODE_NO_AVX = 1u << 9,  /* CR4.OSXSAVE, XCR0's SSE bit or its AVX bit clear: AVX is #UD */
    MODE_EM = 1u << 10,     /* CR0.EM: MMX is #UD */
    MODE_CPL0 = 1u << 11,
};

/* That vCPU's thread, between instructions or at the end of one: recomputes cpu.mode, cpu.tlb, the
 * segment bases in cpu.gpr and CPU_ALONE_STEP, after a change of control registers, EFER, XCR0,
 * RFLAGS.TF, RFLAGS.AC, segments or CPL. */
void cpu_mode_update(struct cpu *c);

#endif
