/*
 * VERR, VERW, LAR, LSL: questions about a selector's segment, answered without loading it (SDM 2,
 * "VERR/VERW", "LAR", "LSL").
 *
 * A selector or a descriptor that fails a check is an answer, not a fault. Only reading the
 * descriptor table can fault.
 */
#include <stddef.h>

#include "core/x86/bits.h"
#include "emu/x86/mem/mmu.h"
#include "emu/x86/seg/seg.h"

/* System types that LAR and LSL accept: bit n for type n. Outside IA-32e mode they also accept the
 * 16-bit types, and LAR accepts task gates. */
#define LAR_TYPES        (LSL_TYPES | 1u << SEG_TYPE_CALL_GATE)
#define LSL_TYPES        (1u << SEG_TYPE_LDT | 1u << SEG_TYPE_TSS | 1u << SEG_TYPE_TSS_BUSY)
#define LAR_TYPES_LEGACY (LSL_TYPES_LEGACY | 1u << 4 | 1u << 5)
#define LSL_TYPES_LEGACY (1u << 1 | 1u << 3)

#define LAR_MASK 0x00f0ff00u

/* Reads the descriptor. *there becomes false if the selector names none. */
static bool query_descriptor(struct cpu *c, uint16_t selector, uint64_t *raw, bool *there)
{
    uint64_t va;

    *there = !SELECTOR_NULL(selector) && seg_descriptor_at(c, selector, &va);
    return !*there || mmu_system_read(c, va, raw, sizeof(*raw));
}

/* Whether the CPL and the selector's RPL may access it. Conforming code is open to every level. */
static bool query_reachable(const struct cpu *c, const struct x86_segment *s)
{
    const unsigned conforming = SEG_S | SEG_CODE | SEG_CONFORMING;
    unsigned dpl = SEG_DPL(s->access);

    return (s->access & conforming) == conforming ||
           (dpl >= c->cpl && dpl >= SELECTOR_RPL(s->selector));
}

static bool query_usable(const struct x86_segment *s, bool write)
{
    bool code = s->access & SEG_CODE;
    bool permitted = s->access & SEG_WRITABLE; /* for code: readable */

    return (s->access & SEG_S) && (write ? !code && permitted : !code || permitted);
}

bool seg_verify(struct cpu *c, uint16_t selector, bool write, bool *ok)
{
    struct x86_segment s;
    uint64_t raw = 0;

    if (!query_descriptor(c, selector, &raw, ok))
        return false;
    s = seg_unpack(selector, raw);
    *ok = *ok && query_usable(&s, write) && query_reachable(c, &s);
    return true;
}

static bool query_describable(const struct cpu *c, const struct x86_segment *s, bool rights)
{
    unsigned types = rights ? LAR_TYPES : LSL_TYPES;

    if (!(c->efer & X86_EFER_LMA))
        types |= rights ? LAR_TYPES_LEGACY : LSL_TYPES_LEGACY;
    return (s->access & SEG_S) || (types >> SEG_TYPE(s->access) & 1u);
}

bool seg_describe(struct cpu *c, uint16_t selector, bool rights, uint32_t *value, bool *ok)
{
    struct x86_segment s;
    uint64_t raw = 0;

    if (!query_descriptor(c, selector, &raw, ok))
        return false;
    s = seg_unpack(selector, raw);
    *ok = *ok && query_describable(c, &s, rights) && query_reachable(c, &s);
    *value = rights ? (uint32_t)(raw >> 32) & LAR_MASK : s.limit;
    return true;
}
