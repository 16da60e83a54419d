#ifndef EMU_X86_CPU_TLB_H
#define EMU_X86_CPU_TLB_H
/*
 * Translations of one processor that the next access may use without a page walk. Pure.
 *
 * Three direct-mapped tables: supervisor; supervisor with EFLAGS.AC set, which SMAP lets reach user
 * pages; user. Each has a read and a write half. mmu.h says how they are looked up.
 */
#include <stdbool.h>
#include <stdint.h>

#include "core/base/units.h"

#define TLB_ENTRIES 4096u
/* Tag of an empty entry: a page that belongs to another entry, so that no address looked up here is
 * within it. */
#define TLB_NO_TAG(index) ((uint64_t)((index) ^ 1u) * PAGE_4K)

struct tlb_entry {
    uint64_t tag;  /* virtual address of the page, or TLB_NO_TAG(its index) */
    uint8_t *host; /* where it is */
};

struct tlb {
    struct tlb_entry read[TLB_ENTRIES];
    struct tlb_entry write[TLB_ENTRIES];
};

/* The tables of one processor. */
enum {
    TLB_SUPERVISOR,
    TLB_SUPERVISOR_AC,
    TLB_USER,
    TLB_TABLES,
};

/* Holds nothing, ever. In its place each access comes through the slow door, which is how a user's
 * alignment is checked. */
extern const struct tlb tlb_empty;

/* Translations of non-global pages made since the last flush of those: table * TLB_ENTRIES + index.
 */
#define TLB_LOG 512u

struct tlb_log {
    unsigned count; /* TLB_LOG + 1: more than fit */
    uint16_t filled[TLB_LOG];
};

/* Large pages are cut into these tables 4 KiB at a time, and INVLPG must undo every cut of one (SDM
 * 3A, 4.10.2.3). Where they may be: a bit for each 2 MiB of virtual memory, which others share, and
 * the 1 GiB of larger pages by address. */
#define TLB_LARGE_BITS 4096u
#define TLB_HUGE_MAX   8u

struct tlb_large {
    uint64_t bits[TLB_LARGE_BITS / 64];
    uint64_t huge[TLB_HUGE_MAX]; /* address >> 30 */
    unsigned huge_count;         /* TLB_HUGE_MAX + 1: more than fit, every address may be in one */
};

struct tlbs {
    struct tlb table[TLB_TABLES];
    struct tlb_log log;
    struct tlb_large large;
};

/* Translates the page of va in one table, for reading and, where `writable`, for writing. host is
 * the page's. */
void tlbs_fill(struct tlbs *t, unsigned table, uint64_t va, uint8_t *host, bool writable,
               bool global);

/* With a fill: va lies in a page of `size` bytes, more than 4 KiB. */
void tlbs_note_large(struct tlbs *t, uint64_t va, uint64_t size);

void tlbs_flush(struct tlbs *t, bool global); /* false: global pages stay */
void tlbs_flush_page(struct tlbs *t, uint64_t va);
void tlbs_forget_writes(struct tlbs *t);

#endif
