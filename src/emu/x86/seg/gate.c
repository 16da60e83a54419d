/* Call gates and tasks. */
#include "emu/x86/seg/gate.h"

#include <stddef.h>

#include "core/x86/bits.h"
#include "emu/x86/cpu/cpu.h"
#include "emu/x86/cpu/mode.h"
#include "emu/x86/mem/mmu.h"
#include "emu/x86/seg/seg.h"
#include "emu/x86/seg/stack.h"
#include "emu/x86/seg/tss.h"

#define PARAMETERS_MAX 31u

/* Where a call gate leads. */
struct entry {
    struct x86_segment cs;
    uint64_t rip;
    unsigned size; /* of each value pushed */
    unsigned parameters;
};

/* The stack to use behind the gate. */
struct inner {
    struct x86_segment ss;
    uint64_t sp;
    unsigned cpl;
};

static bool in_long_mode(const struct cpu *c)
{
    return c->efer & X86_EFER_LMA;
}

static bool gate_refuse(struct cpu *c, enum cpu_vector vector, uint16_t selector)
{
    return cpu_refuse(c, vector, selector & ~3u);
}

/* Checks the privilege levels, by the rule for data segments, then the presence. */
static bool gate_reachable(struct cpu *c, uint16_t selector, unsigned access)
{
    if (SEG_DPL(access) < c->cpl || SEG_DPL(access) < SELECTOR_RPL(selector))
        return gate_refuse(c, CPU_GP, selector);
    return (access & SEG_P) || gate_refuse(c, CPU_NP, selector);
}

static bool is_available_tss(unsigned access)
{
    return !(access & SEG_S) &&
           (SEG_TYPE(access) == SEG_TYPE_TSS || SEG_TYPE(access) == SEG_TYPE_TSS16);
}

bool gate_task(struct cpu *c, uint64_t raw)
{
    uint16_t selector = (uint16_t)(raw >> 16);
    uint64_t tss;

    if (selector & SELECTOR_LDT)
        return gate_refuse(c, CPU_GP, selector);
    if (!seg_descriptor(c, selector, CPU_GP, &tss))
        return false;
    if (!is_available_tss((unsigned)(tss >> 40) & 0xffu))
        return gate_refuse(c, CPU_GP, selector);
    if (!(tss >> 40 & SEG_P))
        return gate_refuse(c, CPU_NP, selector);
    return cpu_unable(c, "a task switch through a task gate");
}

/* A far transfer to a system descriptor that is not a call gate. Outside IA-32e mode it may be a
 * TSS or a task gate; anything else is #GP. */
static bool task_transfer(struct cpu *c, uint16_t selector, uint64_t raw)
{
    unsigned access = (unsigned)(raw >> 40) & 0xffu;
    bool gate = SEG_TYPE(access) == SEG_TYPE_TASK_GATE;

    if (in_long_mode(c) || (!gate && (!is_available_tss(access) || (selector & SELECTOR_LDT))))
        return gate_refuse(c, CPU_GP, selector);
    if (!gate_reachable(c, selector, access))
        return false;
    return gate ? gate_task(c, raw) : cpu_unable(c, "a task switch by JMP or CALL");
}

static bool is_call_gate(const struct cpu *c, uint64_t raw)
{
    unsigned type = SEG_TYPE(raw >> 40);

    return type == SEG_TYPE_CALL_GATE || (type == SEG_TYPE_CALL_GATE16 && !in_long_mode(c));
}

/* In IA-32e mode a gate has a second half, which holds the upper 32 bits of the offset. */
static bool gate_upper_half(struct cpu *c, uint16_t selector, uint64_t *rip)
{
    bool local = selector & SELECTOR_LDT;
    uint32_t second = (selector & ~7u) + 8;
    uint64_t high;

    if (second + 7 > (local ? c->ldt.limit : c->gdt.limit))
        return gate_refuse(c, CPU_GP, selector);
    if (!mmu_system_read(c, (local ? c->ldt.base : c->gdt.base) + second, &high, sizeof(high)))
        return false;
    *rip |= high << 32;
    return !(high >> 32 & SEG_UPPER_TYPE) || gate_refuse(c, CPU_GP, selector);
}

/* Reads the gate and the code segment that it names, which in IA-32e mode must be 64-bit code. The
 * caller then checks whether the segment is present. */
static bool gate_entry(struct cpu *c, uint16_t selector, uint64_t raw, struct entry *e)
{
    bool wide = SEG_TYPE(raw >> 40) == SEG_TYPE_CALL_GATE;

    e->rip = (raw & 0xffff) | (wide ? raw >> 32 & 0xffff0000u : 0);
    e->size = in_long_mode(c) ? 8 : wide ? 4 : 2;
    e->parameters = in_long_mode(c) ? 0 : raw >> 32 & PARAMETERS_MAX;
    if (!gate_reachable(c, selector, (unsigned)(raw >> 40) & 0xffu) ||
        (in_long_mode(c) && !gate_upper_half(c, selector, &e->rip)) ||
        !seg_code(c, (uint16_t)(raw >> 16), &e->cs))
        return false;
    if (SEG_DPL(e->cs.access) > c->cpl || (in_long_mode(c) && !(e->cs.access & SEG_L)))
        return gate_refuse(c, CPU_GP, e->cs.selector);
    return true;
}

static bool gate_rip_allowed(struct cpu *c, const struct entry *e)
{
    bool fits = in_long_mode(c) ? mmu_is_canonical(e->rip) : e->rip <= e->cs.limit;

    return fits || cpu_refuse(c, CPU_GP, 0);
}

bool gate_jump(struct cpu *c, uint16_t selector, uint64_t raw)
{
    struct entry e;

    if (!is_call_gate(c, raw))
        return task_transfer(c, selector, raw);
    if (!gate_entry(c, selector, raw, &e))
        return false;
    if (!(e.cs.access & SEG_CONFORMING) && SEG_DPL(e.cs.access) != c->cpl)
        return gate_refuse(c, CPU_GP, e.cs.selector);
    if (!seg_code_present(c, &e.cs) || !gate_rip_allowed(c, &e))
        return false;
    e.cs.selector = (uint16_t)((e.cs.selector & ~3u) | c->cpl);
    c->seg[X86_CS] = e.cs;
    c->rip = e.rip;
    cpu_mode_update(c);
    return true;
}

/* The stack for the level behind the gate: the current one or, if the level changes, the TSS's. */
static bool gate_inner_stack(struct cpu *c, const struct entry *e, struct inner *to)
{
    to->cpl = e->cs.access & SEG_CONFORMING ? c->cpl : SEG_DPL(e->cs.access);
    to->ss = c->seg[X86_SS];
    to->sp = stack_pointer(c);
    if (to->cpl == c->cpl)
        return true;
    if (!in_long_mode(c))
        return tss_stack(c, to->cpl, &to->ss, &to->sp);
    to->ss =
        (struct x86_segment){ .selector = (uint16_t)to->cpl, .access = (uint16_t)(to->cpl << 5) };
    return tss_stack_long(c, 0, to->cpl, &to->sp);
}

/* Fills `frame` with what the call pushes, first value first: if the level changes, the old SS, the
 * old stack pointer and the parameters from the old stack; then the return address. */
static bool gate_frame_make(struct cpu *c, const struct entry *e, bool inward, uint64_t next_rip,
                            uint64_t *frame, unsigned *count)
{
    uint64_t sp = stack_pointer(c);
    unsigned n = 0;

    if (inward) {
        frame[n++] = c->seg[X86_SS].selector;
        frame[n++] = c->gpr[X86_RSP];
        for (unsigned i = e->parameters; i-- > 0;)
            if (!stack_pop(c, &sp, &frame[n + i], e->size))
                return false;
        n += e->parameters;
    }
    frame[n++] = c->seg[X86_CS].selector;
    frame[n++] = next_rip;
    *count = n;
    return true;
}

static void gate_segments_set(struct cpu *c, const struct x86_segment *cs,
                              const struct x86_segment *ss, unsigned cpl)
{
    c->seg[X86_CS] = *cs;
    c->seg[X86_SS] = *ss;
    c->cpl = (uint8_t)cpl;
    cpu_mode_update(c);
}

bool gate_call(struct cpu *c, uint16_t selector, uint64_t raw, uint64_t next_rip)
{
    const struct x86_segment old_cs = c->seg[X86_CS], old_ss = c->seg[X86_SS];
    const unsigned old_cpl = c->cpl;
    uint64_t frame[STACK_PUSH_MAX];
    struct inner to;
    struct entry e;
    unsigned count;

    if (!is_call_gate(c, raw))
        return task_transfer(c, selector, raw);
    if (!gate_entry(c, selector, raw, &e) || !seg_code_present(c, &e.cs) ||
        !gate_inner_stack(c, &e, &to) || !gate_rip_allowed(c, &e) ||
        !gate_frame_make(c, &e, to.cpl != old_cpl, next_rip, frame, &count))
        return false;
    e.cs.selector = (uint16_t)((e.cs.selector & ~3u) | to.cpl);
    gate_segments_set(c, &e.cs, &to.ss, to.cpl);
    if (!stack_push_all(c, &to.sp, frame, count, e.size)) {
        gate_segments_set(c, &old_cs, &old_ss, old_cpl);
        return to.cpl == old_cpl ? false : tss_stack_fault(c, &to.ss);
    }
    stack_commit(c, to.sp);
    c->rip = e.rip;
    return true;
}
