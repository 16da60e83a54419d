/* Control and debug registers, XCR0: what a write may say and what follows from it (SDM 3A, 2.5
 * and 18.2). */
#include <stddef.h>

#include "emu/x86/cpu.h"
#include "emu/x86/cpuid.h"
#include "emu/x86/lapic.h"
#include "emu/x86/mmu.h"
#include "emu/x86/mode.h"
#include "emu/x86/msr.h"
#include "emu/x86/seg.h"

#define CR0_MP UINT64_C(0x2)
#define CR0_EM UINT64_C(0x4)
#define CR0_TS UINT64_C(0x8)
#define CR0_NE UINT64_C(0x20)
#define CR0_WP UINT64_C(0x10000)
#define CR0_AM UINT64_C(0x40000)
#define CR0_NW UINT64_C(0x20000000)
#define CR0_CD UINT64_C(0x40000000)

#define CR0_DEFINED                                                                           \
    (X86_CR0_PE | CR0_MP | CR0_EM | CR0_TS | X86_CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | \
     CR0_CD | X86_CR0_PG)

/* TSD DE PSE PAE MCE PGE OSFXSR OSXMMEXCPT UMIP FSGSBASE OSXSAVE SMEP SMAP */
#define CR4_DEFINED UINT64_C(0x350efc)
#define CR4_DE      UINT64_C(0x8)
/* Bits whose change makes translations stale: PSE PAE PGE SMEP SMAP. */
#define CR4_PAGING UINT64_C(0x3000b0)

#define XCR0_X87 UINT64_C(1)
#define XCR0_SSE UINT64_C(2)
#define XCR0_AVX UINT64_C(4)

#define DR7_GD       UINT64_C(0x2000)
#define DR6_BD       UINT64_C(0x2000)
#define DR6_FIXED    UINT64_C(0xffff0ff0)
#define DR6_WRITABLE UINT64_C(0xe00f)
#define DR7_FIXED    UINT64_C(0x400)
#define DR7_WRITABLE UINT64_C(0xffff23ff)

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

/* Switching paging on with EFER.LME set enters IA-32e mode, switching it off leaves it. */
static bool cr0_write(struct cpu *c, uint64_t value)
{
    bool paging_on = !(c->cr0 & X86_CR0_PG) && (value & X86_CR0_PG);
    bool paging_off = (c->cr0 & X86_CR0_PG) && !(value & X86_CR0_PG);

    if ((value >> 32) || ((value & X86_CR0_PG) && !(value & X86_CR0_PE)) ||
        ((value & CR0_NW) && !(value & CR0_CD)))
        return cpu_refuse(c, CPU_GP, 0);
    if (paging_on && (c->efer & X86_EFER_LME)) {
        if (!(c->cr4 & X86_CR4_PAE) || (c->seg[X86_CS].access & SEG_L))
            return cpu_refuse(c, CPU_GP, 0);
        c->efer |= X86_EFER_LMA;
    }
    if (paging_off && (c->efer & X86_EFER_LMA)) {
        if (c->seg[X86_CS].access & SEG_L)
            return cpu_refuse(c, CPU_GP, 0);
        c->efer &= ~X86_EFER_LMA;
    }
    if ((value ^ c->cr0) & (X86_CR0_PG | CR0_WP | X86_CR0_PE))
        mmu_flush(c, true);
    c->cr0 = (value & CR0_DEFINED) | X86_CR0_ET;
    cpu_mode_update(c);
    return true;
}

static bool cr4_write(struct cpu *c, uint64_t value)
{
    if ((value & ~CR4_DEFINED) || ((c->efer & X86_EFER_LMA) && !(value & X86_CR4_PAE)))
        return cpu_refuse(c, CPU_GP, 0);
    if ((value ^ c->cr4) & CR4_PAGING)
        mmu_flush(c, true);
    c->cr4 = value;
    cpu_mode_update(c);
    return true;
}

static bool cr3_write(struct cpu *c, uint64_t value)
{
    if (value >> CPU_PHYSICAL_BITS)
        return cpu_refuse(c, CPU_GP, 0);
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

/* DR4 and DR5 are DR6 and DR7 where CR4.DE allows them at all; with DR7.GD every access is a debug
 * exception. */
static bool debug_number(struct cpu *c, unsigned *number)
{
    if (*number == 4 || *number == 5) {
        if (c->cr4 & CR4_DE)
            return cpu_refuse(c, CPU_UD, 0);
        *number += 2;
    }
    if (c->dr[7] & DR7_GD) {
        c->dr[6] |= DR6_BD;
        c->dr[7] &= ~DR7_GD;
        cpu_fault(c, CPU_DB);
        return false;
    }
    return true;
}

bool debug_read(struct cpu *c, unsigned number, uint64_t *value)
{
    if (!debug_number(c, &number))
        return false;
    *value = c->dr[number];
    return true;
}

bool debug_write(struct cpu *c, unsigned number, uint64_t value)
{
    if (!debug_number(c, &number))
        return false;
    if (number >= 6 && value >> 32)
        return cpu_refuse(c, CPU_GP, 0);
    if (number == 6)
        value = (value & DR6_WRITABLE) | DR6_FIXED;
    if (number == 7)
        value = (value & DR7_WRITABLE) | DR7_FIXED;
    c->dr[number] = value;
    return true;
}

bool xcr0_write(struct cpu *c, uint64_t value)
{
    bool avx_without_sse = (value & XCR0_AVX) && !(value & XCR0_SSE);

    if (!(value & XCR0_X87) || avx_without_sse || (value & ~emu_cpuid_xcr0()))
        return cpu_refuse(c, CPU_GP, 0);
    c->xcr0 = value;
    cpu_mode_update(c);
    return true;
}
