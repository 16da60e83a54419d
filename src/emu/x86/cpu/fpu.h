#ifndef EMU_X86_CPU_FPU_H
#define EMU_X86_CPU_FPU_H
/*
 * The guest's x87, MMX and MXCSR state in the host's registers, while a processor runs (cpu.h).
 *
 * The host's x87 remembers where the last instruction and operand were. Those are addresses in
 * this process, in generated code, and no image given to a guest or a snapshot may hold them: they
 * read as 0.
 */
#include <stdint.h>

struct cpu;

/* What LDMXCSR and their kin accept: all but the bits that SDM 1, 10.2.3 reserves. */
#define FPU_MXCSR_MASK  0xffffu
#define FPU_MXCSR_RESET 0x1f80u

#define FPU_FCW_RESET 0x37fu /* by FNINIT */

/* An FXSAVE image (SDM 1, table 10-2). */
struct fpu_image {
    uint16_t fcw;
    uint16_t fsw;
    uint8_t ftw; /* abridged: a bit a register, set where it is in use */
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

/* That vCPU's thread, around exec_run's loop. */
void fpu_enter(struct cpu *c);
void fpu_exit(struct cpu *c);

/* That vCPU's thread, inside an instruction: the live state but for the XMM registers, which are in
 * cpu.vec. mxcsr must have no reserved bit set. */
void fpu_get(struct fpu_image *image);
void fpu_put(const struct fpu_image *image);

/* Makes register 0 the top of the live stack; contents and tags of the registers stay. */
void fpu_top_clear(void);

#endif
