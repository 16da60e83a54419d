/* Far jumps, calls and returns. */
#include "emu/x86/seg/far.h"

#include "core/x86/bits.h"
#include "emu/x86/cpu/cpu.h"
#include "emu/x86/cpu/mode.h"
#include "emu/x86/mem/mmu.h"
#include "emu/x86/seg/gate.h"
#include "emu/x86/seg/seg.h"
#include "emu/x86/seg/stack.h"

static bool far_rip_allowed(struct cpu *c, const struct x86_segment *cs, uint64_t rip)
{
    bool to_64bit = (c->efer & X86_EFER_LMA) && (cs->access & SEG_L);

    return (to_64bit ? mmu_is_canonical(rip) : rip <= cs->limit) || cpu_refuse(c, CPU_GP, 0);
}

/* Reads CS for a direct far transfer, which cannot change the privilege level. */
static bool far_code_same_level(struct cpu *c, uint16_t selector, struct x86_segment *cs)
{
    if (!seg_code(c, selector, cs))
        return false;
    if (cs->access & SEG_CONFORMING) {
        if (SEG_DPL(cs->access) > c->cpl)
            return cpu_refuse(c, CPU_GP, selector & ~3u);
    } else if (SELECTOR_RPL(selector) > c->cpl || SEG_DPL(cs->access) != c->cpl) {
        return cpu_refuse(c, CPU_GP, selector & ~3u);
    }
    if (!seg_code_present(c, cs))
        return false;
    cs->selector = (uint16_t)((selector & ~3u) | c->cpl);
    return true;
}

static bool far_target_code(struct cpu *c, uint16_t selector, uint64_t offset,
                            struct x86_segment *cs)
{
    if (!(c->cr0 & X86_CR0_PE)) {
        *cs = c->seg[X86_CS];
        cs->selector = selector;
        cs->base = (uint64_t)selector << 4;
        return far_rip_allowed(c, cs, offset);
    }
    return far_code_same_level(c, selector, cs) && far_rip_allowed(c, cs, offset);
}

/* Reads the first eight bytes of the descriptor. Real mode has none: there *raw becomes a
 * descriptor that is not of the system kind. */
static bool far_descriptor_read(struct cpu *c, uint16_t selector, uint64_t *raw)
{
    *raw = (uint64_t)SEG_S << 40;
    if (!(c->cr0 & X86_CR0_PE))
        return true;
    return SELECTOR_NULL(selector) ? cpu_refuse(c, CPU_GP, 0)
                                   : seg_descriptor(c, selector, CPU_GP, raw);
}

static bool descriptor_is_system(uint64_t raw)
{
    return !(raw >> 40 & SEG_S);
}

bool far_jump(struct cpu *c, uint16_t selector, uint64_t offset)
{
    struct x86_segment cs;
    uint64_t raw;

    if (!far_descriptor_read(c, selector, &raw))
        return false;
    if (descriptor_is_system(raw))
        return gate_jump(c, selector, raw);
    if (!far_target_code(c, selector, offset, &cs))
        return false;
    c->seg[X86_CS] = cs;
    c->rip = offset;
    cpu_mode_update(c);
    return true;
}

bool far_call(struct cpu *c, uint16_t selector, uint64_t offset, unsigned size, uint64_t next_rip)
{
    const uint64_t frame[] = { c->seg[X86_CS].selector, next_rip };
    uint64_t sp = stack_pointer(c);
    struct x86_segment cs;
    uint64_t raw;

    if (!far_descriptor_read(c, selector, &raw))
        return false;
    if (descriptor_is_system(raw))
        return gate_call(c, selector, raw, next_rip);
    if (!far_target_code(c, selector, offset, &cs) || !stack_push_all(c, &sp, frame, 2, size))
        return false;
    stack_commit(c, sp);
    c->seg[X86_CS] = cs;
    c->rip = offset;
    cpu_mode_update(c);
    return true;
}

/* RETF to a less privileged level: pops that level's stack pointer and SS, and takes away the data
 * segments that the level may not use. */
static bool far_return_outward(struct cpu *c, uint64_t sp, unsigned size, uint16_t drop,
                               unsigned cpl, const struct x86_segment *cs, uint64_t rip)
{
    uint64_t new_sp, selector;
    struct x86_segment ss;

    sp += drop;
    if (!stack_pop(c, &sp, &new_sp, size) || !stack_pop(c, &sp, &selector, size))
        return false;
    if (!seg_stack_returned(c, (uint16_t)selector, cpl, cs->access & SEG_L, &ss) ||
        !far_rip_allowed(c, cs, rip))
        return false;
    c->seg[X86_CS] = *cs;
    c->seg[X86_SS] = ss;
    c->cpl = (uint8_t)cpl;
    c->rip = rip;
    seg_drop_privileged(c);
    cpu_mode_update(c);
    stack_commit(c, new_sp + drop);
    return true;
}

bool far_return(struct cpu *c, unsigned size, uint16_t drop)
{
    uint64_t sp = stack_pointer(c);
    uint64_t rip, selector;
    struct x86_segment cs;
    unsigned cpl;

    if (!stack_pop(c, &sp, &rip, size) || !stack_pop(c, &sp, &selector, size))
        return false;
    if (!(c->cr0 & X86_CR0_PE)) {
        if (!far_jump(c, (uint16_t)selector, rip))
            return false;
        stack_commit(c, sp + drop);
        return true;
    }
    if (!seg_code(c, (uint16_t)selector, &cs) || !seg_code_returned(c, &cs))
        return false;
    cpl = SELECTOR_RPL(selector);
    if (cpl > c->cpl)
        return far_return_outward(c, sp, size, drop, cpl, &cs, rip);
    if (!far_rip_allowed(c, &cs, rip))
        return false;
    stack_commit(c, sp + drop);
    c->seg[X86_CS] = cs;
    c->rip = rip;
    cpu_mode_update(c);
    return true;
}
