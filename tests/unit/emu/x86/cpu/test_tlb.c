/* Translation tables: filling, the flushes, large pages, the log and its overflow. */
#include "emu/x86/cpu/tlb.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "core/base/units.h"

static uint8_t page[PAGE_4K];

static struct tlbs *empty(void)
{
    struct tlbs *t = malloc(sizeof(*t));

    cr_assert(t);
    tlbs_flush(t, true);
    return t;
}

/* What an access of `size` bytes at va finds in this half. */
static uint8_t *find(const struct tlb_entry *half, uint64_t va, unsigned size)
{
    const struct tlb_entry *e = &half[va / PAGE_4K % TLB_ENTRIES];
    uint64_t offset = va - e->tag;

    return offset <= PAGE_4K - size ? e->host + offset : NULL;
}

static bool reads(const struct tlbs *t, unsigned table, uint64_t va)
{
    return find(t->table[table].read, va, 1);
}

static bool writes(const struct tlbs *t, unsigned table, uint64_t va)
{
    return find(t->table[table].write, va, 1);
}

Test(tlb, empty_tables_know_no_address)
{
    static const uint64_t edges[] = { 0, 1, 0xfff, 0x1000, UINT64_MAX, UINT64_MAX - 0xfff };
    struct tlbs *t = empty();

    for (unsigned table = 0; table < TLB_TABLES; table++) {
        for (uint64_t i = 0; i < 2 * TLB_ENTRIES; i++) {
            cr_assert(!reads(t, table, i * PAGE_4K));
            cr_assert(!writes(t, table, ~(i * PAGE_4K)));
        }
        for (unsigned i = 0; i < sizeof(edges) / sizeof(edges[0]); i++) {
            cr_assert(!reads(t, table, edges[i]));
            cr_assert(!writes(t, table, edges[i]));
        }
    }
    free(t);
}

Test(tlb, entry_serves_its_page_and_no_other)
{
    const uint64_t va = 0xffff888000123000;
    struct tlbs *t = empty();

    tlbs_fill(t, TLB_SUPERVISOR, va + 0x456, page, true, false);
    cr_assert_eq(find(t->table[TLB_SUPERVISOR].read, va, 8), page);
    cr_assert_eq(find(t->table[TLB_SUPERVISOR].read, va + 0xff8, 8), page + 0xff8);
    cr_assert_eq(find(t->table[TLB_SUPERVISOR].write, va + 0xfff, 1), page + 0xfff);
    cr_assert_null(find(t->table[TLB_SUPERVISOR].read, va + 0xff9, 8), "it crosses the page");
    cr_assert_null(find(t->table[TLB_SUPERVISOR].read, va - 1, 1));
    cr_assert_null(find(t->table[TLB_SUPERVISOR].read, va + PAGE_4K, 1));
    cr_assert_null(find(t->table[TLB_SUPERVISOR].read, va + (uint64_t)TLB_ENTRIES * PAGE_4K, 1));
    cr_assert(!reads(t, TLB_USER, va));
    cr_assert(!reads(t, TLB_SUPERVISOR_AC, va));
    free(t);
}

Test(tlb, read_only_fill_takes_the_write_entry_away)
{
    struct tlbs *t = empty();

    tlbs_fill(t, TLB_USER, 0x5000, page, true, false);
    cr_assert(writes(t, TLB_USER, 0x5000));
    tlbs_fill(t, TLB_USER, 0x5000, page, false, false);
    cr_assert(reads(t, TLB_USER, 0x5000));
    cr_assert(!writes(t, TLB_USER, 0x5000));
    free(t);
}

Test(tlb, global_pages_survive_a_flush_of_the_others)
{
    struct tlbs *t = empty();

    tlbs_fill(t, TLB_SUPERVISOR, 0x5000, page, true, true);
    tlbs_fill(t, TLB_SUPERVISOR, 0x6000, page, true, false);
    tlbs_flush(t, false);
    cr_assert(reads(t, TLB_SUPERVISOR, 0x5000));
    cr_assert(writes(t, TLB_SUPERVISOR, 0x5000));
    cr_assert(!reads(t, TLB_SUPERVISOR, 0x6000));
    cr_assert(!writes(t, TLB_SUPERVISOR, 0x6000));
    tlbs_flush(t, true);
    cr_assert(!reads(t, TLB_SUPERVISOR, 0x5000));
    free(t);
}

Test(tlb, log_that_overflows_costs_the_global_pages_too)
{
    const uint64_t global = (uint64_t)(TLB_LOG + 100) * PAGE_4K;
    struct tlbs *t = empty();

    tlbs_fill(t, TLB_USER, global, page, true, true);
    for (uint64_t i = 0; i <= TLB_LOG; i++)
        tlbs_fill(t, TLB_USER, i * PAGE_4K, page, true, false);
    tlbs_flush(t, false);
    for (uint64_t i = 0; i <= TLB_LOG; i++)
        cr_assert(!reads(t, TLB_USER, i * PAGE_4K), "page %llu", (unsigned long long)i);
    cr_assert(!reads(t, TLB_USER, global));
    free(t);
}

Test(tlb, full_log_is_undone_entry_by_entry)
{
    const uint64_t global = (uint64_t)(TLB_LOG + 100) * PAGE_4K;
    struct tlbs *t = empty();

    tlbs_fill(t, TLB_USER, global, page, true, true);
    for (unsigned round = 0; round < 2; round++) {
        for (uint64_t i = 0; i < TLB_LOG; i++)
            tlbs_fill(t, i % TLB_TABLES, i * PAGE_4K, page, true, false);
        tlbs_flush(t, false);
        for (uint64_t i = 0; i < TLB_LOG; i++)
            cr_assert(!reads(t, i % TLB_TABLES, i * PAGE_4K));
        cr_assert(reads(t, TLB_USER, global));
    }
    free(t);
}

Test(tlb, page_flush_reaches_every_table_and_global_pages)
{
    struct tlbs *t = empty();

    for (unsigned table = 0; table < TLB_TABLES; table++) {
        tlbs_fill(t, table, 0x7000, page, true, true);
        tlbs_fill(t, table, 0x8000, page, true, false);
    }
    tlbs_flush_page(t, 0x7123);
    for (unsigned table = 0; table < TLB_TABLES; table++) {
        cr_assert(!reads(t, table, 0x7000));
        cr_assert(!writes(t, table, 0x7000));
        cr_assert(reads(t, table, 0x8000));
        cr_assert(writes(t, table, 0x8000));
    }
    free(t);
}

/* A large page has many entries here, but INVLPG invalidates it as one page. */
Test(tlb, page_flush_undoes_a_whole_large_page)
{
    const uint64_t large = 0xffff888000200000, behind = large + 0x200000;
    struct tlbs *t = empty();

    for (uint64_t at = large - 0x1000; at <= behind; at += PAGE_4K)
        tlbs_fill(t, TLB_SUPERVISOR, at, page, true, true);
    tlbs_note_large(t, large + 0x5000, 0x200000);
    tlbs_flush_page(t, large + 0x1ff123);
    for (uint64_t at = large; at < behind; at += PAGE_4K)
        cr_assert(!reads(t, TLB_SUPERVISOR, at));
    cr_assert(reads(t, TLB_SUPERVISOR, large - 0x1000));
    cr_assert(reads(t, TLB_SUPERVISOR, behind));
    free(t);
}

Test(tlb, page_flush_undoes_a_whole_huge_page)
{
    const uint64_t huge = 0xffff888040000000;
    struct tlbs *t = empty();

    for (uint64_t size = 0x400000; size <= 0x40000000; size <<= 8) {
        tlbs_fill(t, TLB_USER, huge + 0x3fe000, page, true, true);
        tlbs_note_large(t, huge + 0x3fe000, size);
        tlbs_flush_page(t, huge + 0x1000);
        cr_assert(!reads(t, TLB_USER, huge + 0x3fe000));
    }
    tlbs_fill(t, TLB_USER, huge, page, true, true);
    tlbs_flush_page(t, huge + 0x1000);
    cr_assert(reads(t, TLB_USER, huge), "what was large is forgotten with the rest");
    free(t);
}

Test(tlb, more_huge_pages_than_it_remembers)
{
    const uint64_t last = (uint64_t)(TLB_HUGE_MAX + 1) << 30;
    struct tlbs *t = empty();

    for (uint64_t i = 1; i <= TLB_HUGE_MAX; i++)
        tlbs_note_large(t, i << 30, UINT64_C(1) << 30);
    tlbs_note_large(t, UINT64_C(1) << 30, UINT64_C(1) << 30); /* not a new one */
    tlbs_fill(t, TLB_USER, last + 0x7000, page, true, true);
    tlbs_flush_page(t, last);
    cr_assert(reads(t, TLB_USER, last + 0x7000));
    tlbs_note_large(t, last, UINT64_C(1) << 30);
    tlbs_flush_page(t, last);
    cr_assert(!reads(t, TLB_USER, last + 0x7000));
    free(t);
}

Test(tlb, forgetting_writes_leaves_the_reads)
{
    struct tlbs *t = empty();

    for (unsigned table = 0; table < TLB_TABLES; table++)
        tlbs_fill(t, table, (uint64_t)table << 12, page, true, table == 1);
    tlbs_forget_writes(t);
    for (unsigned table = 0; table < TLB_TABLES; table++) {
        cr_assert(reads(t, table, (uint64_t)table << 12));
        cr_assert(!writes(t, table, (uint64_t)table << 12));
    }
    free(t);
}
