/*
 * SYSCALL, SYSRET, SYSENTER, SYSEXIT.
 *
 * SYSCALL and SYSRET test RFLAGS.TF at their end, not at their beginning: a TF that SYSCALL's mask
 * clears does not trap, and a TF that SYSRET sets traps before the next instruction.
 */
#include "emu/x86/seg/syscall.h"

#include <stddef.h>

#include "core/x86/bits.h"
#include "emu/x86/cpu/cpu.h"
#include "emu/x86/cpu/mode.h"
#include "emu/x86/decode/vendor.h"
#include "emu/x86/mem/mmu.h"
#include "emu/x86/seg/seg.h"

#define RFLAGS_SYSRET UINT64_C(0x3c7fd7) /* the flags that SYSRET loads from R11 */

#define ACCESS_RING3 (3u << 5)

static void ring_enter(struct cpu *c, unsigned cpl, uint16_t cs, uint16_t cs_access, uint16_t ss)
{
    uint16_t ring = (uint16_t)(cpl << 5);

    c->seg[X86_CS] = seg_flat((uint16_t)(cs | cpl), cs_access | ring);
    c->seg[X86_SS] = seg_flat((uint16_t)(ss | cpl), X86_ACCESS_DATA32 | ring);
    c->cpl = (uint8_t)cpl;
    cpu_mode_update(c);
}

/* Whether SYSCALL and SYSRET exist in the present mode. */
static bool syscall_exists(const struct cpu *c)
{
    if (!(c->efer & X86_EFER_SCE) || !(c->cr0 & X86_CR0_PE))
        return false;
    return (c->mode & MODE_64) || c->vendor->syscall_32;
}

bool syscall_enter(struct cpu *c, uint64_t next_rip)
{
    uint16_t selector = (uint16_t)(c->star >> 32 & 0xfffcu);

    if (!syscall_exists(c))
        return cpu_refuse(c, CPU_UD, 0);
    if (c->efer & X86_EFER_LMA) {
        c->gpr[X86_RCX] = next_rip;
        c->gpr[X86_R11] = cpu_rflags(c) & ~X86_RFLAGS_RF;
        cpu_rflags_set(c, cpu_rflags(c) & ~(c->fmask | X86_RFLAGS_RF));
        c->rip = c->mode & MODE_64 ? c->lstar : c->cstar;
        ring_enter(c, 0, selector, X86_ACCESS_CODE64, (uint16_t)(selector + 8));
    } else {
        c->gpr[X86_RCX] = (uint32_t)next_rip;
        cpu_rflags_set(c, cpu_rflags(c) & ~(X86_RFLAGS_VM | X86_RFLAGS_IF | X86_RFLAGS_RF));
        c->rip = (uint32_t)c->star;
        ring_enter(c, 0, selector, X86_ACCESS_CODE32, (uint16_t)(selector + 8));
    }
    c->leave = CPU_STEP;
    return true;
}

/* Enters ring 3, where SS keeps all but its selector and its privilege level. */
static void ring_return_keeping_ss(struct cpu *c, uint16_t cs, uint16_t cs_access, uint16_t ss)
{
    struct x86_segment was = c->seg[X86_SS];

    ring_enter(c, 3, cs, cs_access, ss);
    c->seg[X86_SS].base = was.base;
    c->seg[X86_SS].limit = was.limit;
    c->seg[X86_SS].access = was.access | ACCESS_RING3;
    cpu_mode_update(c);
}

bool syscall_return(struct cpu *c, unsigned size)
{
    uint16_t selector = (uint16_t)(c->star >> 48 & 0xfffcu);
    bool to_64bit = (c->mode & MODE_64) && size == 8;
    uint16_t cs = (uint16_t)(to_64bit ? selector + 16 : selector);
    uint16_t cs_access = to_64bit ? X86_ACCESS_CODE64 : X86_ACCESS_CODE32;

    if (!syscall_exists(c))
        return cpu_refuse(c, CPU_UD, 0);
    if (c->cpl != 0 || (to_64bit && c->vendor->sysret_rip && !mmu_is_canonical(c->gpr[X86_RCX])))
        return cpu_refuse(c, CPU_GP, 0);
    c->rip = to_64bit ? c->gpr[X86_RCX] : (uint32_t)c->gpr[X86_RCX];
    if (c->efer & X86_EFER_LMA)
        cpu_rflags_set(c, c->gpr[X86_R11] & RFLAGS_SYSRET);
    else
        cpu_rflags_set(c, cpu_rflags(c) | X86_RFLAGS_IF);
    if (c->vendor->sysret_ss)
        ring_enter(c, 3, cs, cs_access, (uint16_t)(selector + 8));
    else
        ring_return_keeping_ss(c, cs, cs_access, (uint16_t)(selector + 8));
    c->leave = CPU_STEP;
    return true;
}

static bool sysenter_exists(const struct cpu *c)
{
    return !(c->efer & X86_EFER_LMA) || c->vendor->sysenter_long;
}

bool sysenter(struct cpu *c)
{
    uint16_t selector = (uint16_t)(c->sysenter_cs & 0xfffcu);
    bool long_mode = c->efer & X86_EFER_LMA;

    if (!sysenter_exists(c))
        return cpu_refuse(c, CPU_UD, 0);
    if (!(c->cr0 & X86_CR0_PE) || selector == 0)
        return cpu_refuse(c, CPU_GP, 0);
    c->rflags &= ~(X86_RFLAGS_VM | X86_RFLAGS_IF | X86_RFLAGS_RF);
    c->gpr[X86_RSP] = long_mode ? c->sysenter_esp : (uint32_t)c->sysenter_esp;
    c->rip = long_mode ? c->sysenter_eip : (uint32_t)c->sysenter_eip;
    ring_enter(c, 0, selector, long_mode ? X86_ACCESS_CODE64 : X86_ACCESS_CODE32,
               (uint16_t)(selector + 8));
    return true;
}

bool sysexit(struct cpu *c, unsigned size)
{
    uint16_t selector = (uint16_t)(c->sysenter_cs & 0xfffcu);
    uint64_t rip = c->gpr[X86_RDX];
    uint64_t rsp = c->gpr[X86_RCX];

    if (!sysenter_exists(c))
        return cpu_refuse(c, CPU_UD, 0);
    if (!(c->cr0 & X86_CR0_PE) || selector == 0 || c->cpl != 0)
        return cpu_refuse(c, CPU_GP, 0);
    if (size == 8 && (!mmu_is_canonical(rip) || !mmu_is_canonical(rsp)))
        return cpu_refuse(c, CPU_GP, 0);
    c->rip = size == 8 ? rip : (uint32_t)rip;
    c->gpr[X86_RSP] = size == 8 ? rsp : (uint32_t)rsp;
    if (size == 8)
        ring_enter(c, 3, (uint16_t)(selector + 32), X86_ACCESS_CODE64, (uint16_t)(selector + 40));
    else
        ring_enter(c, 3, (uint16_t)(selector + 16), X86_ACCESS_CODE32, (uint16_t)(selector + 24));
    return true;
}
