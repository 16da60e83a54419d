/*
 * Interrupts outside IA-32e mode: 32- and 16-bit gates in protected mode, the vector table in real
 * mode, and their IRET (SDM 3A, 6.12; 3B, 21.1.4). Task switches and virtual-8086 mode end the run.
 */
#include <stddef.h>

#include "core/x86/bits.h"
#include "emu/x86/cpu/mode.h"
#include "emu/x86/mem/mmu.h"
#include "emu/x86/seg/gate.h"
#include "emu/x86/seg/intr_internal.h"
#include "emu/x86/seg/seg.h"
#include "emu/x86/seg/stack.h"
#include "emu/x86/seg/tss.h"

/* The type of an interrupt or trap gate (SDM 3A, table 3-2) is LEGACY_GATE_INTERRUPT and these two
 * bits. */
#define LEGACY_GATE_TRAP_BIT  1u /* a trap gate, which leaves IF as it is */
#define LEGACY_GATE_32_BIT    8u /* a 32-bit gate, not a 16-bit one */
#define LEGACY_GATE_INTERRUPT 6u

/* Real mode: a vector's entry has four bytes, offset and segment. */
static bool intr_enter_real(struct cpu *c, const struct event *ev)
{
    uint64_t sp = stack_pointer(c);
    const uint64_t frame[] = { cpu_rflags(c), c->seg[X86_CS].selector, c->rip + ev->length };
    uint16_t entry[2];

    if (ev->vector * 4u + 3 > c->idt.limit)
        return cpu_refuse(c, CPU_GP, 0);
    if (!mmu_system_read(c, c->idt.base + ev->vector * 4u, entry, sizeof(entry)) ||
        !stack_push_all(c, &sp, frame, 3, 2))
        return false;
    stack_commit(c, sp);
    c->seg[X86_CS].selector = entry[1];
    c->seg[X86_CS].base = (uint64_t)entry[1] << 4;
    c->rip = entry[0];
    c->rflags &= ~(X86_RFLAGS_IF | X86_RFLAGS_TF | X86_RFLAGS_AC);
    cpu_mode_update(c);
    return true;
}

static bool legacy_gate_read(struct cpu *c, const struct event *ev, uint64_t *gate)
{
    uint32_t where = ev->vector * 8u | INTR_ERROR_IDT | (ev->software ? 0 : INTR_ERROR_EXT);
    unsigned access;
    bool task;

    if (ev->vector * 8u + 7 > c->idt.limit)
        return cpu_refuse(c, CPU_GP, where);
    if (!mmu_system_read(c, c->idt.base + ev->vector * 8u, gate, sizeof(*gate)))
        return false;
    access = (unsigned)(*gate >> 40) & 0xffu;
    task = (access & 0x1fu) == SEG_TYPE_TASK_GATE;
    if ((access & SEG_S) ||
        (!task && (access & 7u & ~LEGACY_GATE_TRAP_BIT) != LEGACY_GATE_INTERRUPT) ||
        (ev->software && SEG_DPL(access) < c->cpl))
        return cpu_refuse(c, CPU_GP, where);
    if (!(access & SEG_P))
        return cpu_refuse(c, CPU_NP, where);
    return !task || gate_task(c, *gate);
}

static bool legacy_frame_push(struct cpu *c, const struct event *ev, uint64_t *sp, unsigned size,
                              bool outer, const struct intr_from *from)
{
    const uint64_t frame[] = {
        from->ss, from->sp, intr_flags_pushed(c, ev), from->cs, c->rip + ev->length, ev->error
    };
    unsigned first = outer ? 0 : 2;
    unsigned end = ev->has_error ? 6 : 5;

    return stack_push_all(c, sp, frame + first, end - first, size);
}

static bool intr_enter_protected(struct cpu *c, const struct event *ev)
{
    const struct intr_from from = { c->seg[X86_CS].selector, c->seg[X86_SS].selector,
                                    c->gpr[X86_RSP] };
    struct x86_segment old_ss = c->seg[X86_SS];
    uint64_t sp = stack_pointer(c);
    struct x86_segment cs, ss = old_ss;
    unsigned cpl, type, old_cpl = c->cpl;
    uint64_t gate, rip;

    if (!legacy_gate_read(c, ev, &gate) || !seg_code(c, (uint16_t)(gate >> 16), &cs))
        return false;
    type = (unsigned)(gate >> 40) & 0xfu;
    cpl = cs.access & SEG_CONFORMING ? c->cpl : SEG_DPL(cs.access);
    if (SEG_DPL(cs.access) > c->cpl)
        return cpu_refuse(c, CPU_GP, cs.selector & ~3u);
    if (!seg_code_present(c, &cs) || (cpl < c->cpl && !tss_stack(c, cpl, &ss, &sp)))
        return false;
    rip = (gate & 0xffff) | (type & LEGACY_GATE_32_BIT ? gate >> 32 & 0xffff0000u : 0);
    if (rip > cs.limit)
        return cpu_refuse(c, CPU_GP, 0);
    c->seg[X86_SS] = ss;
    c->cpl = (uint8_t)cpl;
    cpu_mode_update(c);
    if (!legacy_frame_push(c, ev, &sp, type & LEGACY_GATE_32_BIT ? 4 : 2, cpl < old_cpl, &from)) {
        c->seg[X86_SS] = old_ss;
        c->cpl = (uint8_t)old_cpl;
        cpu_mode_update(c);
        return cpl < old_cpl ? tss_stack_fault(c, &ss) : false;
    }
    stack_commit(c, sp);
    cs.selector = (uint16_t)((cs.selector & ~3u) | cpl);
    c->seg[X86_CS] = cs;
    c->rip = rip;
    c->rflags &= ~(X86_RFLAGS_TF | X86_RFLAGS_NT | X86_RFLAGS_RF | X86_RFLAGS_VM);
    if (!(type & LEGACY_GATE_TRAP_BIT))
        c->rflags &= ~X86_RFLAGS_IF;
    cpu_mode_update(c);
    return true;
}

bool intr_enter_legacy(struct cpu *c, const struct event *ev)
{
    return c->cr0 & X86_CR0_PE ? intr_enter_protected(c, ev) : intr_enter_real(c, ev);
}

static bool intr_return_real(struct cpu *c, unsigned size)
{
    uint64_t sp = stack_pointer(c);
    uint64_t rip, cs, flags;

    if (!stack_pop(c, &sp, &rip, size) || !stack_pop(c, &sp, &cs, size) ||
        !stack_pop(c, &sp, &flags, size))
        return false;
    if (rip > c->seg[X86_CS].limit)
        return cpu_refuse(c, CPU_GP, 0);
    stack_commit(c, sp);
    c->seg[X86_CS].selector = (uint16_t)cs;
    c->seg[X86_CS].base = (uint64_t)(uint16_t)cs << 4;
    c->rip = rip;
    cpu_rflags_set(c, intr_flags_returned(c, flags, size));
    cpu_mode_update(c);
    return true;
}

static bool intr_return_protected(struct cpu *c, unsigned size)
{
    uint64_t sp = stack_pointer(c);
    uint64_t rip, selector, flags, outer_sp = 0, outer_ss = 0;
    struct x86_segment cs, ss;
    unsigned cpl;

    if (c->rflags & X86_RFLAGS_NT)
        return tss_return(c);
    if (!stack_pop(c, &sp, &rip, size) || !stack_pop(c, &sp, &selector, size) ||
        !stack_pop(c, &sp, &flags, size))
        return false;
    if ((flags & X86_RFLAGS_VM) && c->cpl == 0)
        return cpu_unable(c, "virtual-8086 mode");
    if (!seg_code(c, (uint16_t)selector, &cs) || !seg_code_returned(c, &cs))
        return false;
    cpl = SELECTOR_RPL(selector);
    if (cpl > c->cpl &&
        (!stack_pop(c, &sp, &outer_sp, size) || !stack_pop(c, &sp, &outer_ss, size) ||
         !seg_stack(c, (uint16_t)outer_ss, cpl, CPU_GP, &ss)))
        return false;
    if (rip > cs.limit)
        return cpu_refuse(c, CPU_GP, 0);
    cpu_rflags_set(c, intr_flags_returned(c, flags, size));
    c->rip = rip;
    c->seg[X86_CS] = cs;
    if (cpl > c->cpl) {
        c->seg[X86_SS] = ss;
        c->cpl = (uint8_t)cpl;
        sp = outer_sp;
        seg_drop_privileged(c);
    }
    cpu_mode_update(c);
    stack_commit(c, sp);
    return true;
}

bool intr_return_legacy(struct cpu *c, unsigned size)
{
    return c->cr0 & X86_CR0_PE ? intr_return_protected(c, size) : intr_return_real(c, size);
}
