/*
 * The translation tables.
 *
 * Entries of non-global pages are noted in a short log, so that a CR3 write empties those few
 * instead of three whole tables. If the log has overflowed, it empties the tables.
 */
#include "emu/x86/cpu/tlb.h"

#include <string.h>

#include "core/base/units.h"

#define LARGE_SHIFT 21
#define HUGE_SHIFT  30

/* In the other entries the tag is 0. That is the page at address 0, which is looked up in entry 0
 * only. */
const struct tlb tlb_empty = {
    .read[0].tag = TLB_NO_TAG(0),
    .write[0].tag = TLB_NO_TAG(0),
};

static void tlb_entry_clear(struct tlb *t, unsigned index)
{
    t->read[index].tag = TLB_NO_TAG(index);
    t->write[index].tag = TLB_NO_TAG(index);
}

static void tlb_log_fill(struct tlb_log *log, unsigned table, unsigned index)
{
    if (log->count < TLB_LOG)
        log->filled[log->count] = (uint16_t)(table * TLB_ENTRIES + index);
    if (log->count <= TLB_LOG)
        log->count++;
}

void tlbs_fill(struct tlbs *t, unsigned table, uint64_t va, uint8_t *host, bool writable,
               bool global)
{
    unsigned index = (unsigned)(va / PAGE_4K % TLB_ENTRIES);
    uint64_t page = va & ~(uint64_t)(PAGE_4K - 1);
    struct tlb *to = &t->table[table];

    to->read[index] = (struct tlb_entry){ page, host };
    to->write[index].tag = TLB_NO_TAG(index);
    if (writable)
        to->write[index] = (struct tlb_entry){ page, host };
    if (!global)
        tlb_log_fill(&t->log, table, index);
}

static bool tlb_is_huge(const struct tlb_large *l, uint64_t va)
{
    for (unsigned i = 0; i < l->huge_count && i < TLB_HUGE_MAX; i++)
        if (l->huge[i] == va >> HUGE_SHIFT)
            return true;
    return l->huge_count > TLB_HUGE_MAX;
}

static bool tlb_is_large(const struct tlb_large *l, uint64_t va)
{
    unsigned bit = (unsigned)(va >> LARGE_SHIFT) % TLB_LARGE_BITS;

    return l->bits[bit / 64] >> bit % 64 & 1u;
}

void tlbs_note_large(struct tlbs *t, uint64_t va, uint64_t size)
{
    struct tlb_large *l = &t->large;
    unsigned bit = (unsigned)(va >> LARGE_SHIFT) % TLB_LARGE_BITS;

    if (size >> LARGE_SHIFT == 1) {
        l->bits[bit / 64] |= UINT64_C(1) << bit % 64;
        return;
    }
    if (tlb_is_huge(l, va))
        return;
    if (l->huge_count < TLB_HUGE_MAX)
        l->huge[l->huge_count] = va >> HUGE_SHIFT;
    l->huge_count++;
}

static void tlbs_clear(struct tlbs *t)
{
    memset(&t->large, 0, sizeof(t->large));
    for (unsigned n = 0; n < TLB_TABLES; n++)
        for (unsigned i = 0; i < TLB_ENTRIES; i++)
            tlb_entry_clear(&t->table[n], i);
    t->log.count = 0;
}

void tlbs_flush(struct tlbs *t, bool global)
{
    if (global || t->log.count > TLB_LOG) {
        tlbs_clear(t);
        return;
    }
    for (unsigned i = 0; i < t->log.count; i++)
        tlb_entry_clear(&t->table[t->log.filled[i] / TLB_ENTRIES], t->log.filled[i] % TLB_ENTRIES);
    t->log.count = 0;
}

void tlbs_flush_page(struct tlbs *t, uint64_t va)
{
    unsigned count = 1;

    if (tlb_is_huge(&t->large, va)) {
        tlbs_clear(t);
        return;
    }
    if (tlb_is_large(&t->large, va)) {
        va &= ~((UINT64_C(1) << LARGE_SHIFT) - 1);
        count = (1u << LARGE_SHIFT) / PAGE_4K;
    }
    for (unsigned n = 0; n < TLB_TABLES; n++)
        for (unsigned i = 0; i < count; i++)
            tlb_entry_clear(&t->table[n], (unsigned)((va / PAGE_4K + i) % TLB_ENTRIES));
}

void tlbs_forget_writes(struct tlbs *t)
{
    for (unsigned n = 0; n < TLB_TABLES; n++)
        for (unsigned i = 0; i < TLB_ENTRIES; i++)
            t->table[n].write[i].tag = TLB_NO_TAG(i);
}
