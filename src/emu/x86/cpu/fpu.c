/* Moves x87, MMX and MXCSR state into and out of the host's registers. */
#include "emu/x86/cpu/fpu.h"

#include <stddef.h>
#include <string.h>

#include "emu/x86/cpu/cpu.h"

_Static_assert(offsetof(struct fpu_image, mxcsr) == 24, "SDM 1, table 10-2");
_Static_assert(sizeof(((struct cpu *)0)->fx) == sizeof(struct fpu_image),
               "cpu.fx holds an fpu_image");

void fpu_get(struct fpu_image *image)
{
    __asm__ volatile("fxsave64 %0" : "=m"(*image));
    memset(image->xmm, 0, sizeof(image->xmm)); /* the emulator's values, not the guest's */
    memset(image->unused, 0, sizeof(image->unused));
    image->fop = 0;
    image->fip = image->fdp = 0;
    image->mxcsr_mask = FPU_MXCSR_MASK;
}

void fpu_put(const struct fpu_image *image)
{
    __asm__ volatile("fxrstor64 %0"
                     :
                     : "m"(*image)
                     : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
                       "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
}

/* An FXSAVE image holds the registers in stack order, from TOP on, but the tags by register. */
void fpu_top_clear(void)
{
    struct fpu_image was, image;
    unsigned top;

    fpu_get(&was);
    image = was;
    top = was.fsw >> 11 & 7u;
    image.fsw = (uint16_t)(was.fsw & ~0x3800u);
    for (unsigned i = 0; i < 8; i++)
        memcpy(image.st[i], was.st[(i - top) & 7u], sizeof(image.st[i]));
    fpu_put(&image);
}

void fpu_enter(struct cpu *c)
{
    struct fpu_image image;

    memcpy(&image, c->fx, sizeof(image));
    fpu_put(&image);
}

/* C code expects no exception unmasked or pending and an empty register stack. */
void fpu_exit(struct cpu *c)
{
    const uint32_t mxcsr = FPU_MXCSR_RESET;
    struct fpu_image image;

    fpu_get(&image);
    __asm__ volatile("fninit\n\tldmxcsr %0" : : "m"(mxcsr));
    memcpy(c->fx, &image, sizeof(image));
}
