/*
 * VERR, VERW, LAR, LSL: what a selector would give, asked without loading it (SDM 2, "VERR/VERW",
 * "LAR", "LSL").
 *
 * Whatever is wrong with the selector or its descriptor is an answer, not a fault. Only reading
 * the table may fault.
 */
#include <stddef.h>

#include "core/x86/bits.h"
#include "emu/x86/mem/mmu.h"
#include "emu/x86/seg/seg.h"

/* System types that LAR and LSL know: bit n for type n. Outside IA-32e mode there are the 16-bit
 * ones and, for LAR, task gates besides. */
#define LAR_TYPES        (LSL_TYPES | 1u << SEG_TYPE_CALL_GATE)
#define LSL_TYPES        (1u << SEG_TYPE_LDT | 1u << SEG_TYPE_TSS | 1u << SEG_TYPE_TSS_BUSY)
#define LAR_TYPES_LEGACY (LSL_TYPES_LEGACY | 1u << 4 | 1u << 5)
#define LSL_TYPES_LEGACY (1u << 1 | 1u << 3)

#define LAR_MASK 0x00f0ff00u

/* The descriptor; *there false: the selector names none. */
static bool look(struct cpu *c, uint16_t selector, uint64_t *raw, bool *there)
{
    uint64_t va;

    *there = !SELECTOR_NULL(selector) && seg_descriptor_at(c, selector, &va);
    return !*there || mmu_system_read(c, va, raw, sizeof(*raw));
}

/* From here and with this RPL; conforming code is for everyone. */
static bool reachable(const struct cpu *c, const struct x86_segment *s)
{
    const unsigned conforming = SEG_S | SEG_CODE | SEG_CONFORMING;
    unsigned dpl = SEG_DPL(s->access);

    return (s->access & conforming) == conforming ||
           (dpl >= c->cpl && dpl >= SELECTOR_RPL(s->selector));
}

static bool usable(const struct x86_segment *s, bool write)
{
    bool code = s->access & SEG_CODE;
    bool permitted = s->access & SEG_WRITABLE; /* for code: readable */

    return (s->access & SEG_S) && (write ? !code && permitted : !code || permitted);
}

bool seg_verify(struct cpu *c, uint16_t selector, bool write, bool *ok)
{
    struct x86_segment s;
    uint64_t raw = 0;

    if (!look(c, selector, &raw, ok))
        return false;
    s = seg_unpack(selector, raw);
    *ok = *ok && usable(&s, write) && reachable(c, &s);
    return true;
}

static bool describable(const struct cpu *c, const struct x86_segment *s, bool rights)
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

    if (!look(c, selector, &raw, ok))
        return false;
    s = seg_unpack(selector, raw);
    *ok = *ok && describable(c, &s, rights) && reachable(c, &s);
    *value = rights ? (uint32_t)(raw >> 32) & LAR_MASK : s.limit;
    return true;
}
