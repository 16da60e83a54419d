/*
 * SYSCALL, SYSRET, SYSENTER, SYSEXIT.
 *
 * SYSCALL and SYSRET look at RFLAGS.TF when they are done, not when they begin: a TF that the mask
 * clears traps no more, and one that SYSRET sets traps before the next instruction.
 */
#include "emu/x86/syscall.h"

#include <stddef.h>

#include "emu/x86/cpu.h"
#include "emu/x86/mmu.h"
#include "emu/x86/mode.h"
#include "emu/x86/seg.h"

#define EFER_SCE (UINT64_C(1) << 0)

#define RFLAGS_IF     (UINT64_C(1) << 9)
#define RFLAGS_RF     (UINT64_C(1) << 16)
#define RFLAGS_VM     (UINT64_C(1) << 17)
#define RFLAGS_SYSRET UINT64_C(0x3c7fd7) /* what SYSRET takes from R11 */

#define ACCESS_RING3 (3u << 5)

static void enter_ring(struct cpu *c, unsigned cpl, uint16_t cs, uint16_t cs_access, uint16_t ss)
{
    uint16_t ring = (uint16_t)(cpl << 5);

    c->seg[X86_CS] = seg_flat((uint16_t)(cs | cpl), cs_access | ring);
    c->seg[X86_SS] = seg_flat((uint16_t)(ss | cpl), X86_ACCESS_DATA32 | ring);
    c->cpl = (uint8_t)cpl;
    cpu_mode_update(c);
}

bool syscall_enter(struct cpu *c, uint64_t next_rip)
{
    uint16_t selector = (uint16_t)(c->star >> 32 & 0xfffcu);
    bool from_64bit = c->seg[X86_CS].access & SEG_L;

    if (!(c->efer & EFER_SCE) || !(c->efer & X86_EFER_LMA))
        return cpu_refuse(c, CPU_UD, 0);
    c->gpr[X86_RCX] = next_rip;
    c->gpr[X86_R11] = cpu_rflags(c) & ~RFLAGS_RF;
    cpu_rflags_set(c, cpu_rflags(c) & ~(c->fmask | RFLAGS_RF));
    c->rip = from_64bit ? c->lstar : c->cstar;
    enter_ring(c, 0, selector, X86_ACCESS_CODE64, (uint16_t)(selector + 8));
    c->leave = CPU_STEP;
    return true;
}

bool syscall_return(struct cpu *c, unsigned size)
{
    uint16_t selector = (uint16_t)(c->star >> 48 & 0xfffcu);

    if (!(c->efer & EFER_SCE) || !(c->seg[X86_CS].access & SEG_L))
        return cpu_refuse(c, CPU_UD, 0);
    if (c->cpl != 0 || (size == 8 && !mmu_is_canonical(c->gpr[X86_RCX])))
        return cpu_refuse(c, CPU_GP, 0);
    c->rip = size == 8 ? c->gpr[X86_RCX] : (uint32_t)c->gpr[X86_RCX];
    cpu_rflags_set(c, c->gpr[X86_R11] & RFLAGS_SYSRET);
    if (size == 8)
        enter_ring(c, 3, (uint16_t)(selector + 16), X86_ACCESS_CODE64, (uint16_t)(selector + 8));
    else
        enter_ring(c, 3, selector, X86_ACCESS_CODE32, (uint16_t)(selector + 8));
    c->leave = CPU_STEP;
    return true;
}

bool sysenter(struct cpu *c)
{
    uint16_t selector = (uint16_t)(c->sysenter_cs & 0xfffcu);
    bool long_mode = c->efer & X86_EFER_LMA;

    if (!(c->cr0 & X86_CR0_PE) || selector == 0)
        return cpu_refuse(c, CPU_GP, 0);
    c->rflags &= ~(RFLAGS_VM | RFLAGS_IF | RFLAGS_RF);
    c->gpr[X86_RSP] = long_mode ? c->sysenter_esp : (uint32_t)c->sysenter_esp;
    c->rip = long_mode ? c->sysenter_eip : (uint32_t)c->sysenter_eip;
    enter_ring(c, 0, selector, long_mode ? X86_ACCESS_CODE64 : X86_ACCESS_CODE32,
               (uint16_t)(selector + 8));
    return true;
}

bool sysexit(struct cpu *c, unsigned size)
{
    uint16_t selector = (uint16_t)(c->sysenter_cs & 0xfffcu);
    uint64_t rip = c->gpr[X86_RDX];
    uint64_t rsp = c->gpr[X86_RCX];

    if (!(c->cr0 & X86_CR0_PE) || selector == 0 || c->cpl != 0)
        return cpu_refuse(c, CPU_GP, 0);
    if (size == 8 && (!mmu_is_canonical(rip) || !mmu_is_canonical(rsp)))
        return cpu_refuse(c, CPU_GP, 0);
    c->rip = size == 8 ? rip : (uint32_t)rip;
    c->gpr[X86_RSP] = size == 8 ? rsp : (uint32_t)rsp;
    if (size == 8)
        enter_ring(c, 3, (uint16_t)(selector + 32), X86_ACCESS_CODE64, (uint16_t)(selector + 40));
    else
        enter_ring(c, 3, (uint16_t)(selector + 16), X86_ACCESS_CODE32, (uint16_t)(selector + 24));
    return true;
}
