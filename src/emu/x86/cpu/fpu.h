#ifndef EMU_X86_CPU_FPU_H
#define EMU_X86_CPU_FPU_H
/*
 * The guest's x87, MMX and MXCSR state, which is in the host's registers while a processor runs
 * (cpu.h).
 *
 * The host's x87 remembers the addresses of the last instruction and its operand. These are
 * addresses in this process, in generated code and in host memory. No image given to a guest or a
 * snapshot may hold them, so they read as 0.
 */
#include <stdint.h>

struct cpu;

/* The bits of MXCSR that LDMXCSR, FXRSTOR and XRSTOR accept: all but the reserved ones (SDM 1,
 * 10.2.3). */
#define FPU_MXCSR_MASK  0xffffu
#define FPU_MXCSR_RESET 0x1f80u

#define FPU_FCW_RESET 0x37fu /* after FNINIT */

/* Bit of the status word: an unmasked x87 exception is pending. */
#define FPU_FSW_ES 0x80u

/* An FXSAVE image (SDM 1, table 10-2). */
struct fpu_image {
    uint16_t fcw;
    uint16_t fsw;
    uint8_t ftw; /* abridged: one bit per register, set if it is in use */
    uint8_t reserved;
    uint16_t fop;
    uint64_t fip;
    uint64_t fdp;
    uint32_t mxcsr;
    uint32_t mxcsr_mask;
    uint8_t st[8][16];
    uint8_t xmm[16][16];
    uint8_t unused[96];
} __attribute__((aligned(16)));

_Static_assert(sizeof(struct fpu_image) == 512, "FXSAVE image");

/* That vCPU's thread, around exec_run's loop. fpu_enter loads the host's registers from cpu.fx;
 * fpu_exit stores them there and leaves the registers as C code expects them. */
void fpu_enter(struct cpu *c);
void fpu_exit(struct cpu *c);

/* That vCPU's thread, inside an instruction: gets and sets the state in the host's registers, all
 * but the XMM registers, which are in cpu.vec. mxcsr must have no reserved bit set. */
void fpu_get(struct fpu_image *image);
void fpu_put(const struct fpu_image *image);

/* Sets the x87 stack's TOP to 0. Contents and tags of the physical registers stay. */
void fpu_top_clear(void);

#endif
