/*
 * Interrupts outside IA-32e mode: 32- and 16-bit gates in protected mode, the vector table in real
 * mode, and their IRET (SDM 3A, 6.12; 20.1.4). No task gates, no virtual-8086 mode.
 */
#include <stddef.h>

#include "emu/x86/intr_internal.h"
#include "emu/x86/mmu.h"
#include "emu/x86/mode.h"
#include "emu/x86/seg.h"
#include "emu/x86/stack.h"

#define GATE_TRAP   1u /* bit of the type: interrupts stay as they are */
#define GATE_32     8u /* bit of the type: 32-bit, not 16-bit */
#define GATE_IS_INT 6u

/* Real mode: four bytes a vector, offset and segment. */
static bool real_enter(struct cpu *c, const struct event *ev)
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
    c->rflags &= ~(INTR_IF | INTR_TF | INTR_AC);
    cpu_mode_update(c);
    return true;
}

static bool gate_read(struct cpu *c, const struct event *ev, uint64_t *gate)
{
    uint32_t where = ev->vector * 8u | INTR_ERROR_IDT | (ev->software ? 0 : INTR_ERROR_EXT);
    unsigned access;

    if (ev->vector * 8u + 7 > c->idt.limit)
        return cpu_refuse(c, CPU_GP, where);
    if (!mmu_system_read(c, c->idt.base + ev->vector * 8u, gate, sizeof(*gate)))
        return false;
    access = (unsigned)(*gate >> 40) & 0xffu;
    if ((access & SEG_S) || (access & 7u & ~GATE_TRAP) != GATE_IS_INT ||
        (ev->software && SEG_DPL(access) < c->cpl))
        return cpu_refuse(c, CPU_GP, where);
    return (access & SEG_P) || cpu_refuse(c, CPU_NP, where);
}

/* The inner level's stack, out of a 32-bit task state segment: ESP0 at 4, SS0 at 8. */
static bool inner_stack(struct cpu *c, unsigned cpl, struct x86_segment *ss, uint64_t *sp)
{
    uint32_t esp;
    uint16_t selector;

    if (cpl * 8 + 9 > c->tr.limit)
        return cpu_refuse(c, CPU_TS, c->tr.selector & ~3u);
    if (!mmu_system_read(c, c->tr.base + 4 + cpl * 8, &esp, sizeof(esp)) ||
        !mmu_system_read(c, c->tr.base + 8 + cpl * 8, &selector, sizeof(selector)))
        return false;
    *sp = esp;
    return seg_stack(c, selector, cpl, CPU_TS, ss);
}

static bool frame_push(struct cpu *c, const struct event *ev, uint64_t *sp, unsigned size,
                       bool outer, const struct intr_from *from)
{
    const uint64_t frame[] = {
        from->ss, from->sp, intr_flags_pushed(c, ev), from->cs, c->rip + ev->length, ev->error
    };
    unsigned first = outer ? 0 : 2;
    unsigned end = ev->has_error ? 6 : 5;

    return stack_push_all(c, sp, frame + first, end - first, size);
}

static bool protected_enter(struct cpu *c, const struct event *ev)
{
    const struct intr_from from = { c->seg[X86_CS].selector, c->seg[X86_SS].selector,
                                    c->gpr[X86_RSP] };
    struct x86_segment old_ss = c->seg[X86_SS];
    uint64_t sp = stack_pointer(c);
    struct x86_segment cs, ss = old_ss;
    unsigned cpl, type, old_cpl = c->cpl;
    uint64_t gate;

    if (!gate_read(c, ev, &gate) || !seg_code(c, (uint16_t)(gate >> 16), CPU_GP, &cs))
        return false;
    type = (unsigned)(gate >> 40) & 0xfu;
    cpl = cs.access & SEG_CONFORMING ? c->cpl : SEG_DPL(cs.access);
    if (cpl > c->cpl)
        return cpu_refuse(c, CPU_GP, cs.selector & ~3u);
    if (cpl < c->cpl && !inner_stack(c, cpl, &ss, &sp))
        return false;
    c->seg[X86_SS] = ss;
    c->cpl = (uint8_t)cpl;
    cpu_mode_update(c);
    if (!frame_push(c, ev, &sp, type & GATE_32 ? 4 : 2, cpl < old_cpl, &from)) {
        c->seg[X86_SS] = old_ss;
        c->cpl = (uint8_t)old_cpl;
        cpu_mode_update(c);
        return false;
    }
    stack_commit(c, sp);
    cs.selector = (uint16_t)((cs.selector & ~3u) | cpl);
    c->seg[X86_CS] = cs;
    c->rip = (gate & 0xffff) | (type & GATE_32 ? gate >> 32 & 0xffff0000u : 0);
    c->rflags &= ~(INTR_TF | INTR_NT | INTR_RF | INTR_VM);
    if (!(type & GATE_TRAP))
        c->rflags &= ~INTR_IF;
    cpu_mode_update(c);
    return true;
}

bool intr_enter_legacy(struct cpu *c, const struct event *ev)
{
    return c->cr0 & X86_CR0_PE ? protected_enter(c, ev) : real_enter(c, ev);
}

static bool real_return(struct cpu *c, unsigned size)
{
    uint64_t sp = stack_pointer(c);
    uint64_t rip, cs, flags;

    if (!stack_pop(c, &sp, &rip, size) || !stack_pop(c, &sp, &cs, size) ||
        !stack_pop(c, &sp, &flags, size))
        return false;
    stack_commit(c, sp);
    c->seg[X86_CS].selector = (uint16_t)cs;
    c->seg[X86_CS].base = (uint64_t)(uint16_t)cs << 4;
    c->rip = rip;
    cpu_rflags_set(c, intr_flags_returned(c, flags, size));
    cpu_mode_update(c);
    return true;
}

static bool protected_return(struct cpu *c, unsigned size)
{
    uint64_t sp = stack_pointer(c);
    uint64_t rip, selector, flags, outer_sp = 0, outer_ss = 0;
    struct x86_segment cs, ss;
    unsigned cpl;

    if (!stack_pop(c, &sp, &rip, size) || !stack_pop(c, &sp, &selector, size) ||
        !stack_pop(c, &sp, &flags, size) || !seg_code(c, (uint16_t)selector, CPU_GP, &cs))
        return false;
    cpl = SELECTOR_RPL(selector);
    if (cpl < c->cpl ||
        (cs.access & SEG_CONFORMING ? SEG_DPL(cs.access) > cpl : SEG_DPL(cs.access) != cpl))
        return cpu_refuse(c, CPU_GP, selector & ~3u);
    if (rip > cs.limit)
        return cpu_refuse(c, CPU_GP, 0);
    if (cpl > c->cpl &&
        (!stack_pop(c, &sp, &outer_sp, size) || !stack_pop(c, &sp, &outer_ss, size) ||
         !seg_stack(c, (uint16_t)outer_ss, cpl, CPU_GP, &ss)))
        return false;
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
    return c->cr0 & X86_CR0_PE ? protected_return(c, size) : real_return(c, size);
}
