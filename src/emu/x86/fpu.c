/* x87, MMX and MXCSR in and out of the host's registers. */
#include "emu/x86/fpu.h"

#include "emu/x86/cpu.h"

#define MXCSR_DEFAULT 0x1f80u

void fpu_enter(struct cpu *c)
{
    __asm__ volatile("fxrstor64 %0"
                     :
                     : "m"(c->fx)
                     : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
                       "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
}

/* Leaves the host's C code the state it expects: no exception unmasked or pending, an empty
 * register stack. */
void fpu_exit(struct cpu *c)
{
    const uint32_t mxcsr = MXCSR_DEFAULT;

    __asm__ volatile("fxsave64 %0\n\tfninit\n\tldmxcsr %1" : "=m"(c->fx) : "m"(mxcsr));
}
