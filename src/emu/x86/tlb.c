/*
 * The translation tables.
 *
 * Entries of non-global pages are noted in a short log, so that a CR3 write undoes those few
 * instead of clearing three tables; when the log overflows, the tables are cleared.
 */
#include "emu/x86/tlb.h"

static void entry_clear(struct tlb *t, unsigned index)
{
    t->read[index].tag = TLB_NO_TAG(index);
    t->write[index].tag = TLB_NO_TAG(index);
}

static void log_fill(struct tlb_log *log, unsigned table, unsigned index)
{
    if (log->count < TLB_LOG)
        log->filled[log->count] = (uint16_t)(table * TLB_ENTRIES + index);
    if (log->count <= TLB_LOG)
        log->count++; /* TLB_LOG + 1: overflowed */
}

void tlbs_fill(struct tlbs *t, unsigned table, uint64_t va, uint8_t *host, bool writable,
               bool global)
{
    unsigned index = (unsigned)(va / MMU_PAGE % TLB_ENTRIES);
    uint64_t page = va & ~(uint64_t)(MMU_PAGE - 1);
    struct tlb *to = &t->table[table];

    to->read[index] = (struct tlb_entry){ page, host };
    to->write[index].tag = TLB_NO_TAG(index);
    if (writable)
        to->write[index] = (struct tlb_entry){ page, host };
    if (!global)
        log_fill(&t->log, table, index);
}

static void clear(struct tlbs *t)
{
    for (unsigned n = 0; n < TLB_TABLES; n++)
        for (unsigned i = 0; i < TLB_ENTRIES; i++)
            entry_clear(&t->table[n], i);
    t->log.count = 0;
}

void tlbs_flush(struct tlbs *t, bool global)
{
    if (global || t->log.count > TLB_LOG) {
        clear(t);
        return;
    }
    for (unsigned i = 0; i < t->log.count; i++)
        entry_clear(&t->table[t->log.filled[i] / TLB_ENTRIES], t->log.filled[i] % TLB_ENTRIES);
    t->log.count = 0;
}

void tlbs_flush_page(struct tlbs *t, uint64_t va)
{
    for (unsigned n = 0; n < TLB_TABLES; n++)
        entry_clear(&t->table[n], (unsigned)(va / MMU_PAGE % TLB_ENTRIES));
}

void tlbs_forget_writes(struct tlbs *t)
{
    for (unsigned n = 0; n < TLB_TABLES; n++)
        for (unsigned i = 0; i < TLB_ENTRIES; i++)
            t->table[n].write[i].tag = TLB_NO_TAG(i);
}
