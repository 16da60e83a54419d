/* Interrupts in IA-32e mode: 64-bit gates, and their IRET (SDM 3A, 6.14). */
#include <stddef.h>

#include "core/x86/bits.h"
#include "emu/x86/cpu/mode.h"
#include "emu/x86/mem/mmu.h"
#include "emu/x86/seg/intr_internal.h"
#include "emu/x86/seg/seg.h"
#include "emu/x86/seg/stack.h"
#include "emu/x86/seg/tss.h"

/* Types of a gate, the S bit included. */
#define LONG_GATE_INTERRUPT 0xeu
#define LONG_GATE_TRAP      0xfu

/* A 64-bit gate (SDM 3A, figure 6-8). */
struct gate {
    uint16_t offset_low;
    uint16_t selector;
    uint8_t ist;
    uint8_t access;
    uint16_t offset_mid;
    uint32_t offset_high;
    uint32_t reserved;
};

_Static_assert(sizeof(struct gate) == 16, "gate layout");

/* The frame that the processor pushes, lowest address first. */
struct frame {
    uint64_t error; /* only if the vector has one */
    uint64_t rip;
    uint64_t cs;
    uint64_t rflags;
    uint64_t rsp;
    uint64_t ss;
};

_Static_assert(sizeof(struct frame) == 48, "frame layout");

static bool long_gate_read(struct cpu *c, const struct event *ev, struct gate *g)
{
    uint32_t where = ev->vector * 8u | INTR_ERROR_IDT | (ev->software ? 0 : INTR_ERROR_EXT);
    unsigned type;

    if (ev->vector * 16u + 15 > c->idt.limit)
        return cpu_refuse(c, CPU_GP, where);
    if (!mmu_system_read(c, c->idt.base + ev->vector * 16u, g, sizeof(*g)))
        return false;
    type = g->access & 0x1fu;
    if ((type != LONG_GATE_INTERRUPT && type != LONG_GATE_TRAP) ||
        (ev->software && SEG_DPL(g->access) < c->cpl))
        return cpu_refuse(c, CPU_GP, where);
    if (!(g->access & SEG_P))
        return cpu_refuse(c, CPU_NP, where);
    return true;
}

/* Reads the handler's code segment: 64-bit code, at least as privileged as the interrupted code. */
static bool long_handler_code(struct cpu *c, uint16_t selector, struct x86_segment *cs)
{
    if (!seg_code(c, selector, cs))
        return false;
    if (!(cs->access & SEG_L) || SEG_DPL(cs->access) > c->cpl)
        return cpu_refuse(c, CPU_GP, selector & ~3u);
    return seg_code_present(c, cs);
}

static bool long_frame_push(struct cpu *c, const struct event *ev, uint64_t *rsp)
{
    struct frame f = {
        .error = ev->error,
        .rip = c->rip + ev->length,
        .cs = c->seg[X86_CS].selector,
        .rflags = intr_flags_pushed(c, ev),
        .rsp = c->gpr[X86_RSP],
        .ss = c->seg[X86_SS].selector,
    };
    unsigned without = ev->has_error ? 0 : sizeof(f.error);
    uint64_t at = (*rsp & ~UINT64_C(15)) - sizeof(f) + without;

    if (!mmu_system_write(c, at, (const uint8_t *)&f + without, (unsigned)sizeof(f) - without)) {
        if (c->fault.address_fault)
            c->fault.vector = CPU_SS;
        return false;
    }
    *rsp = at;
    return true;
}

bool intr_enter_long(struct cpu *c, const struct event *ev)
{
    uint64_t rsp = c->gpr[X86_RSP];
    struct x86_segment cs;
    struct gate g;
    uint64_t rip;
    unsigned cpl;

    if (!long_gate_read(c, ev, &g) || !long_handler_code(c, g.selector, &cs))
        return false;
    cpl = cs.access & SEG_CONFORMING ? c->cpl : SEG_DPL(cs.access);
    if (((g.ist & 7u) || cpl < c->cpl) && !tss_stack_long(c, g.ist & 7u, cpl, &rsp))
        return false;
    rip = g.offset_low | (uint64_t)g.offset_mid << 16 | (uint64_t)g.offset_high << 32;
    if (!mmu_is_canonical(rip))
        return cpu_refuse(c, CPU_GP, 0);
    if (!long_frame_push(c, ev, &rsp))
        return false;

    c->gpr[X86_RSP] = rsp;
    if (cpl != c->cpl)
        c->seg[X86_SS] =
            (struct x86_segment){ .selector = (uint16_t)cpl, .access = (uint16_t)(cpl << 5) };
    cs.selector = (uint16_t)((cs.selector & ~3u) | cpl);
    c->seg[X86_CS] = cs;
    c->cpl = (uint8_t)cpl;
    c->rip = rip;
    c->rflags &= ~(X86_RFLAGS_TF | X86_RFLAGS_NT | X86_RFLAGS_RF | X86_RFLAGS_VM);
    if ((g.access & 0x1fu) == LONG_GATE_INTERRUPT)
        c->rflags &= ~X86_RFLAGS_IF;
    cpu_mode_update(c);
    return true;
}

/* Pops `count` values of `size` bytes. */
static bool long_frame_pop(struct cpu *c, uint64_t *sp, unsigned size, unsigned count, uint64_t *to)
{
    for (unsigned i = 0; i < count; i++)
        if (!stack_pop(c, sp, &to[i], size))
            return false;
    return true;
}

bool intr_return_long(struct cpu *c, unsigned size)
{
    bool from_64bit = c->seg[X86_CS].access & SEG_L;
    struct x86_segment cs, ss;
    uint64_t popped[5];
    uint64_t sp = stack_pointer(c);
    bool has_stack;
    unsigned cpl;

    if (c->rflags & X86_RFLAGS_NT)
        return cpu_refuse(c, CPU_GP, 0);
    if (!long_frame_pop(c, &sp, size, 3, popped) || !seg_code(c, (uint16_t)popped[1], &cs) ||
        !seg_code_returned(c, &cs))
        return false;
    cpl = SELECTOR_RPL(cs.selector);
    has_stack = from_64bit || cpl > c->cpl;
    if (has_stack && (!long_frame_pop(c, &sp, size, 2, popped + 3) ||
                      !seg_stack_returned(c, (uint16_t)popped[4], cpl, cs.access & SEG_L, &ss)))
        return false;
    if (cs.access & SEG_L ? !mmu_is_canonical(popped[0]) : popped[0] > cs.limit)
        return cpu_refuse(c, CPU_GP, 0);

    cpu_rflags_set(c, intr_flags_returned(c, popped[2], size));
    c->rip = popped[0];
    if (!has_stack)
        stack_commit(c, sp);
    c->seg[X86_CS] = cs;
    if (has_stack) {
        c->seg[X86_SS] = ss;
        c->gpr[X86_RSP] = popped[3];
    }
    if (cpl != c->cpl) {
        c->cpl = (uint8_t)cpl;
        seg_drop_privileged(c);
    }
    cpu_mode_update(c);
    return true;
}
