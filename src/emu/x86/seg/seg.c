/* Segments: reading descriptors, and the checks of each kind of load. */
#include "emu/x86/seg/seg.h"

#include <stddef.h>

#include "core/x86/bits.h"
#include "emu/x86/cpu/mode.h"
#include "emu/x86/decode/vendor.h"
#include "emu/x86/mem/mmu.h"

bool seg_descriptor_at(const struct cpu *c, uint16_t selector, uint64_t *va)
{
    bool local = selector & SELECTOR_LDT;
    uint32_t limit = local ? c->ldt.limit : c->gdt.limit;
    uint32_t offset = selector & ~7u;

    if (offset + 7 > limit || (local && !(c->ldt.access & SEG_P)))
        return false;
    *va = (local ? c->ldt.base : c->gdt.base) + offset;
    return true;
}

bool seg_descriptor(struct cpu *c, uint16_t selector, enum cpu_vector vector, uint64_t *raw)
{
    uint64_t va;

    if (!seg_descriptor_at(c, selector, &va))
        return cpu_refuse(c, vector, selector & ~3u);
    return mmu_system_read(c, va, raw, sizeof(*raw));
}

#define DESCRIPTOR_TYPE 5u /* offset of the byte that holds the type */

/* Sets the accessed bit in the descriptor table if it is still clear. */
static bool seg_mark_accessed(struct cpu *c, const struct x86_segment *s)
{
    uint64_t table = s->selector & SELECTOR_LDT ? c->ldt.base : c->gdt.base;
    uint8_t before;

    if (s->access & SEG_ACCESSED)
        return true;
    return mmu_system_set(c, table + (s->selector & ~7u) + DESCRIPTOR_TYPE, SEG_ACCESSED, &before);
}

static bool seg_refuse(struct cpu *c, enum cpu_vector vector, uint16_t selector)
{
    return cpu_refuse(c, vector, selector & ~3u);
}

/* A null selector may be loaded into any register but SS. SS takes one in 64-bit mode only, and
 * only if its RPL equals a CPL other than 3. */
static bool seg_load_null(struct cpu *c, enum x86_seg which, uint16_t selector)
{
    if (which == X86_SS &&
        (!(c->seg[X86_CS].access & SEG_L) || c->cpl == 3 || SELECTOR_RPL(selector) != c->cpl))
        return seg_refuse(c, CPU_GP, 0);
    c->seg[which] = (struct x86_segment){ .selector = selector,
                                          .base = c->vendor->null_base ? 0 : c->seg[which].base };
    if (which == X86_SS) /* its DPL is always the CPL */
        c->seg[which].access = (uint16_t)(SELECTOR_RPL(selector) << 5);
    cpu_mode_update(c);
    return true;
}

static bool seg_load_real_mode(struct cpu *c, enum x86_seg which, uint16_t selector)
{
    c->seg[which].selector = selector;
    c->seg[which].base = (uint64_t)selector << 4;
    cpu_mode_update(c);
    return true;
}

/* Whether the segment is data or readable code that the CPL and the selector's RPL may access. */
static bool seg_data_usable(const struct cpu *c, const struct x86_segment *s)
{
    unsigned access = s->access;
    unsigned rpl = SELECTOR_RPL(s->selector);
    unsigned least = rpl > c->cpl ? rpl : c->cpl;

    if (!(access & SEG_S) || ((access & SEG_CODE) && !(access & SEG_WRITABLE)))
        return false;
    if ((access & SEG_CODE) && (access & SEG_CONFORMING))
        return true;
    return SEG_DPL(access) >= least;
}

bool seg_load(struct cpu *c, enum x86_seg which, uint16_t selector)
{
    struct x86_segment s;
    uint64_t raw;

    if (!(c->cr0 & X86_CR0_PE))
        return seg_load_real_mode(c, which, selector);
    if (SELECTOR_NULL(selector))
        return seg_load_null(c, which, selector);
    if (which == X86_SS) {
        if (!seg_stack(c, selector, c->cpl, CPU_GP, &s))
            return false;
    } else {
        if (!seg_descriptor(c, selector, CPU_GP, &raw))
            return false;
        s = seg_unpack(selector, raw);
        if (!seg_data_usable(c, &s))
            return seg_refuse(c, CPU_GP, selector);
        if (!(s.access & SEG_P))
            return seg_refuse(c, CPU_NP, selector);
        if (!seg_mark_accessed(c, &s))
            return false;
    }
    c->seg[which] = s;
    cpu_mode_update(c);
    return true;
}

bool seg_stack(struct cpu *c, uint16_t selector, unsigned cpl, enum cpu_vector vector,
               struct x86_segment *out)
{
    struct x86_segment s;
    uint64_t raw;

    if (SELECTOR_NULL(selector))
        return seg_refuse(c, vector, 0);
    if (!seg_descriptor(c, selector, vector, &raw))
        return false;
    s = seg_unpack(selector, raw);
    if (SELECTOR_RPL(selector) != cpl || SEG_DPL(s.access) != cpl ||
        (s.access & (SEG_S | SEG_CODE | SEG_WRITABLE)) != (SEG_S | SEG_WRITABLE))
        return seg_refuse(c, vector, selector);
    if (!(s.access & SEG_P))
        return seg_refuse(c, CPU_SS, selector);
    if (!seg_mark_accessed(c, &s))
        return false;
    *out = s;
    return true;
}

bool seg_stack_returned(struct cpu *c, uint16_t selector, unsigned cpl, bool to_64bit,
                        struct x86_segment *out)
{
    if (SELECTOR_NULL(selector) && to_64bit && cpl != 3 && SELECTOR_RPL(selector) == cpl) {
        *out = (struct x86_segment){ .selector = selector, .access = (uint16_t)(cpl << 5) };
        return true;
    }
    return seg_stack(c, selector, cpl, CPU_GP, out);
}

bool seg_code(struct cpu *c, uint16_t selector, struct x86_segment *out)
{
    struct x86_segment s;
    uint64_t raw;

    if (SELECTOR_NULL(selector))
        return seg_refuse(c, CPU_GP, 0);
    if (!seg_descriptor(c, selector, CPU_GP, &raw))
        return false;
    s = seg_unpack(selector, raw);
    if ((s.access & (SEG_S | SEG_CODE)) != (SEG_S | SEG_CODE))
        return seg_refuse(c, CPU_GP, selector);
    if ((c->efer & X86_EFER_LMA) && (s.access & SEG_L) && (s.access & SEG_DB))
        return seg_refuse(c, CPU_GP, selector);
    *out = s;
    return true;
}

bool seg_code_present(struct cpu *c, const struct x86_segment *cs)
{
    return cs->access & SEG_P ? seg_mark_accessed(c, cs) : seg_refuse(c, CPU_NP, cs->selector);
}

bool seg_code_returned(struct cpu *c, struct x86_segment *cs)
{
    unsigned cpl = SELECTOR_RPL(cs->selector);
    bool level =
        cs->access & SEG_CONFORMING ? SEG_DPL(cs->access) <= cpl : SEG_DPL(cs->access) == cpl;

    if (cpl < c->cpl || !level)
        return seg_refuse(c, CPU_GP, cs->selector);
    return seg_code_present(c, cs);
}

/* Reads an LDT or TSS descriptor. In IA-32e mode it has 16 bytes: the high half of the base
 * follows. */
static bool seg_system_descriptor(struct cpu *c, uint16_t selector, uint64_t *raw,
                                  struct x86_segment *out)
{
    uint64_t high = 0;

    if (selector & SELECTOR_LDT)
        return seg_refuse(c, CPU_GP, selector);
    if (!seg_descriptor(c, selector, CPU_GP, raw))
        return false;
    *out = seg_unpack(selector, *raw);
    if (!(c->efer & X86_EFER_LMA))
        return true;
    if ((selector & ~7u) + 15 > c->gdt.limit)
        return seg_refuse(c, CPU_GP, selector);
    if (!mmu_system_read(c, c->gdt.base + (selector & ~7u) + 8, &high, sizeof(high)))
        return false;
    out->base |= high << 32;
    if ((high >> 32 & SEG_UPPER_TYPE) || !mmu_is_canonical(out->base))
        return seg_refuse(c, CPU_GP, selector);
    return true;
}

bool seg_load_ldt(struct cpu *c, uint16_t selector)
{
    struct x86_segment s = { .selector = selector };
    uint64_t raw;

    if (!SELECTOR_NULL(selector)) {
        if (!seg_system_descriptor(c, selector, &raw, &s))
            return false;
        if ((s.access & SEG_S) || SEG_TYPE(s.access) != SEG_TYPE_LDT)
            return seg_refuse(c, CPU_GP, selector);
        if (!(s.access & SEG_P))
            return seg_refuse(c, CPU_NP, selector);
    }
    c->ldt = s;
    return true;
}

bool seg_load_tr(struct cpu *c, uint16_t selector)
{
    struct x86_segment s;
    uint8_t before;
    uint64_t raw;
    bool small;

    if (SELECTOR_NULL(selector))
        return seg_refuse(c, CPU_GP, 0);
    if (!seg_system_descriptor(c, selector, &raw, &s))
        return false;
    small = SEG_TYPE(s.access) == SEG_TYPE_TSS16 && !(c->efer & X86_EFER_LMA);
    if ((s.access & SEG_S) || (SEG_TYPE(s.access) != SEG_TYPE_TSS && !small))
        return seg_refuse(c, CPU_GP, selector);
    if (!(s.access & SEG_P))
        return seg_refuse(c, CPU_NP, selector);
    if (!mmu_system_set(c, c->gdt.base + (selector & ~7u) + DESCRIPTOR_TYPE, SEG_BUSY, &before))
        return false;
    if (before & SEG_BUSY) /* another processor has loaded it since it was read */
        return seg_refuse(c, CPU_GP, selector);
    s.access |= SEG_BUSY;
    c->tr = s;
    return true;
}

void seg_drop_privileged(struct cpu *c)
{
    static const enum x86_seg data[] = { X86_ES, X86_DS, X86_FS, X86_GS };

    for (unsigned i = 0; i < sizeof(data) / sizeof(data[0]); i++) {
        struct x86_segment *s = &c->seg[data[i]];
        unsigned access = s->access;
        bool conforming = (access & SEG_CODE) && (access & SEG_CONFORMING);

        if (!(access & SEG_P)) /* null already: clears its RPL */
            s->selector = 0;
        else if (!conforming && SEG_DPL(access) < c->cpl)
            *s = (struct x86_segment){ .base = s->base };
    }
    cpu_mode_update(c);
}
