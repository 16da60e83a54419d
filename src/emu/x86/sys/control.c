/* Control registers and XCR0: which values a write may have, and what it changes (SDM 3A, 2.5). */
#include <stddef.h>

#include "core/x86/bits.h"
#include "emu/x86/apic/lapic.h"
#include "emu/x86/cpu/cpu.h"
#include "emu/x86/cpu/descriptor.h"
#include "emu/x86/cpu/mode.h"
#include "emu/x86/mem/mmu.h"
#include "emu/x86/mem/walk.h"
#include "emu/x86/sys/cpuid.h"
#include "emu/x86/sys/msr.h"

#define CR0_DEFINED                                                                             \
    (X86_CR0_PE | X86_CR0_MP | X86_CR0_EM | X86_CR0_TS | X86_CR0_ET | X86_CR0_NE | X86_CR0_WP | \
     X86_CR0_AM | X86_CR0_NW | X86_CR0_CD | X86_CR0_PG)

#define CR4_DEFINED                                                                        \
    (X86_CR4_TSD | X86_CR4_DE | X86_CR4_PSE | X86_CR4_PAE | X86_CR4_MCE | X86_CR4_PGE |    \
     X86_CR4_PCE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT | X86_CR4_UMIP | X86_CR4_FSGSBASE | \
     X86_CR4_OSXSAVE | X86_CR4_SMEP | X86_CR4_SMAP)
/* A change of one of these makes translations stale. */
#define CR4_PAGING (X86_CR4_PSE | X86_CR4_PAE | X86_CR4_PGE | X86_CR4_SMEP | X86_CR4_SMAP)

bool control_read(struct cpu *c, unsigned number, uint64_t *value)
{
    switch (number) {
    case 0:
        *value = c->cr0;
        return true;
    case 2:
        *value = c->cr2;
        return true;
    case 3:
        *value = c->cr3;
        return true;
    case 4:
        *value = c->cr4;
        return true;
    case 8:
        *value = lapic_cr8(c->lapic);
        return true;
    default:
        cpu_fault(c, CPU_UD);
        return false;
    }
}

/* With PAE paging outside IA-32e mode, a write of CR0, CR3 or CR4 checks the four topmost entries
 * (SDM 3A, 4.4.1). */
static bool pae_pointers_allowed(struct cpu *c, bool paging, uint64_t cr4, uint64_t cr3)
{
    if (!paging || !(cr4 & X86_CR4_PAE) || (c->efer & X86_EFER_LMA))
        return true;
    return walk_pointers_valid(c, cr3) || cpu_refuse(c, CPU_GP, 0);
}

/* With EFER.LME set, switching paging on enters IA-32e mode and switching it off leaves it. */
static bool cr0_write(struct cpu *c, uint64_t value)
{
    bool paging_on = !(c->cr0 & X86_CR0_PG) && (value & X86_CR0_PG);
    bool paging_off = (c->cr0 & X86_CR0_PG) && !(value & X86_CR0_PG);

    if ((value >> 32) || ((value & X86_CR0_PG) && !(value & X86_CR0_PE)) ||
        ((value & X86_CR0_NW) && !(value & X86_CR0_CD)))
        return cpu_refuse(c, CPU_GP, 0);
    if (paging_on && (c->efer & X86_EFER_LME)) {
        if (!(c->cr4 & X86_CR4_PAE) || (c->seg[X86_CS].access & SEG_L))
            return cpu_refuse(c, CPU_GP, 0);
        c->efer |= X86_EFER_LMA;
    }
    if (!pae_pointers_allowed(c, paging_on, c->cr4, c->cr3))
        return false;
    if (paging_off && (c->efer & X86_EFER_LMA)) {
        if (c->seg[X86_CS].access & SEG_L)
            return cpu_refuse(c, CPU_GP, 0);
        c->efer &= ~X86_EFER_LMA;
    }
    if ((value ^ c->cr0) & (X86_CR0_PG | X86_CR0_WP | X86_CR0_PE))
        mmu_flush(c, true);
    c->cr0 = (value & CR0_DEFINED) | X86_CR0_ET;
    cpu_mode_update(c);
    return true;
}

static bool cr4_write(struct cpu *c, uint64_t value)
{
    if ((value & ~CR4_DEFINED) || ((c->efer & X86_EFER_LMA) && !(value & X86_CR4_PAE)))
        return cpu_refuse(c, CPU_GP, 0);
    if ((value ^ c->cr4) & CR4_PAGING) {
        if (!pae_pointers_allowed(c, c->cr0 & X86_CR0_PG, value, c->cr3))
            return false;
        mmu_flush(c, true);
    }
    c->cr4 = value;
    cpu_mode_update(c);
    return true;
}

static bool cr3_write(struct cpu *c, uint64_t value)
{
    if (value >> CPU_PHYSICAL_BITS)
        return cpu_refuse(c, CPU_GP, 0);
    if (!pae_pointers_allowed(c, c->cr0 & X86_CR0_PG, c->cr4, value))
        return false;
    c->cr3 = value;
    mmu_flush(c, false);
    return true;
}

bool control_write(struct cpu *c, unsigned number, uint64_t value)
{
    switch (number) {
    case 0:
        return cr0_write(c, value);
    case 2:
        c->cr2 = value;
        return true;
    case 3:
        return cr3_write(c, value);
    case 4:
        return cr4_write(c, value);
    case 8:
        if (value >> 4)
            return cpu_refuse(c, CPU_GP, 0);
        lapic_cr8_set(c->lapic, value);
        return true;
    default:
        cpu_fault(c, CPU_UD);
        return false;
    }
}

bool xcr0_write(struct cpu *c, uint64_t value)
{
    bool avx_without_sse = (value & X86_XCR0_AVX) && !(value & X86_XCR0_SSE);

    if (!(value & X86_XCR0_X87) || avx_without_sse || (value & ~emu_cpuid_xcr0()))
        return cpu_refuse(c, CPU_GP, 0);
    c->xcr0 = value;
    cpu_mode_update(c);
    return true;
}
