/* Derives cpu.mode, cpu.tlb and the segment bases from control registers and segments. */
#include "emu/x86/cpu/mode.h"

#include <stdbool.h>

#include "core/x86/bits.h"
#include "emu/x86/cpu/cpu.h"
#include "emu/x86/cpu/descriptor.h"
#include "emu/x86/cpu/tlb.h"

#define SEGMENT_WHOLE 0xffffffffu

static bool mode_segment_is_flat(const struct x86_segment *s)
{
    return s->base == 0 && s->limit == SEGMENT_WHOLE;
}

/* The mode bits that say which execution units the control registers disable. */
static uint32_t mode_units(const struct cpu *c)
{
    uint32_t mode = 0;

    if (c->cr0 & (X86_CR0_TS | X86_CR0_EM))
        mode |= MODE_NO_X87;
    if (c->cr0 & X86_CR0_EM)
        mode |= MODE_EM | MODE_NO_SSE;
    if (!(c->cr4 & X86_CR4_OSFXSR))
        mode |= MODE_NO_SSE;
    if (!(c->cr4 & X86_CR4_OSXSAVE) ||
        (c->xcr0 & (X86_XCR0_SSE | X86_XCR0_AVX)) != (X86_XCR0_SSE | X86_XCR0_AVX))
        mode |= MODE_NO_AVX;
    return mode;
}

static uint32_t mode_bits(const struct cpu *c)
{
    const struct x86_segment *cs = &c->seg[X86_CS];
    uint32_t mode = 0;

    if (!(c->cr0 & X86_CR0_PE))
        mode |= MODE_REAL;
    if ((c->efer & X86_EFER_LMA) && (cs->access & SEG_L))
        mode |= MODE_64 | MODE_FLAT;
    else if (cs->access & SEG_DB)
        mode |= MODE_CODE32;
    if (mode_segment_is_flat(cs) && mode_segment_is_flat(&c->seg[X86_SS]) &&
        mode_segment_is_flat(&c->seg[X86_DS]) && mode_segment_is_flat(&c->seg[X86_ES]))
        mode |= MODE_FLAT;
    if (c->seg[X86_SS].access & SEG_DB)
        mode |= MODE_STACK32;
    if (c->cpl == 3)
        mode |= MODE_USER;
    if (c->cpl == 0)
        mode |= MODE_CPL0;
    mode |= mode_units(c);
    if (c->rflags & X86_RFLAGS_TF)
        mode |= MODE_STEP;
    return mode;
}

static const struct tlb *mode_tlb(const struct cpu *c)
{
    bool ac = c->rflags & X86_RFLAGS_AC;

    if (c->cpl == 3)
        return ac && (c->cr0 & X86_CR0_AM) ? &tlb_empty : &c->tlbs->table[TLB_USER];
    return &c->tlbs->table[ac ? TLB_SUPERVISOR_AC : TLB_SUPERVISOR];
}

void cpu_mode_update(struct cpu *c)
{
    static const uint8_t plain[] = { X86_ES, X86_CS, X86_SS, X86_DS };

    c->mode = mode_bits(c);
    c->alone = (uint8_t)((c->alone & ~CPU_ALONE_STEP) | (c->mode & MODE_STEP ? CPU_ALONE_STEP : 0));
    c->tlb = mode_tlb(c);
    for (unsigned i = 0; i < sizeof(plain); i++)
        c->gpr[CPU_ES_BASE + plain[i]] = c->mode & MODE_64 ? 0 : c->seg[plain[i]].base;
    c->gpr[CPU_FS_BASE] = c->seg[X86_FS].base;
    c->gpr[CPU_GS_BASE] = c->seg[X86_GS].base;
}
