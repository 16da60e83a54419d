#ifndef EMU_X86_CPU_TLB_H
#define EMU_X86_CPU_TLB_H
/*
 * The translation tables of one processor, which spare most accesses the page walk. Pure.
 *
 * There are three direct-mapped tables: supervisor; supervisor with EFLAGS.AC set, which SMAP lets
 * reach user pages; user. Each has a read and a write half. mmu.h says how they are looked up.
 */
#include <stdbool.h>
#include <stdint.h>

#include "core/base/units.h"

#define TLB_ENTRIES 4096u

/* The tag of an empty entry: a page that maps to another entry, so that no address looked up in
 * this one can match. */
#define TLB_NO_TAG(index) ((uint64_t)((index) ^ 1u) * PAGE_4K)

struct tlb_entry {
    uint64_t tag;  /* virtual address of the page, or TLB_NO_TAG of the entry's index */
    uint8_t *host; /* host address of the page */
};

struct tlb {
    struct tlb_entry read[TLB_ENTRIES];
    struct tlb_entry write[TLB_ENTRIES];
};

enum {
    TLB_SUPERVISOR,
    TLB_SUPERVISOR_AC,
    TLB_USER,
    TLB_TABLES,
};

/* A table that is always empty. It stands in for the user table while alignment checking is on, so
 * that every access takes the slow path, which checks it. */
extern const struct tlb tlb_empty;

#define TLB_LOG 512u

/* The entries of non-global pages that were filled since the last flush. */
struct tlb_log {
    unsigned count;           /* TLB_LOG + 1: more than fit */
    uint16_t filled[TLB_LOG]; /* table * TLB_ENTRIES + index */
};

#define TLB_LARGE_BITS 4096u
#define TLB_HUGE_MAX   8u

/* Where large pages may be. The tables hold a large page in pieces of 4 KiB, and INVLPG must remove
 * every piece (SDM 3A, 4.10.2.3). */
struct tlb_large {
    uint64_t bits[TLB_LARGE_BITS / 64]; /* one bit per 2 MiB of virtual memory, modulo 8 GiB */
    uint64_t huge[TLB_HUGE_MAX];        /* pages over 2 MiB: address >> 30 */
    unsigned huge_count; /* TLB_HUGE_MAX + 1: more than fit; any address may be in one */
};

struct tlbs {
    struct tlb table[TLB_TABLES];
    struct tlb_log log;
    struct tlb_large large;
};

/* Enters a translation of va's page into one table, for reading and, if `writable`, for writing.
 * `host` is the page's first byte. */
void tlbs_fill(struct tlbs *t, unsigned table, uint64_t va, uint8_t *host, bool writable,
               bool global);

/* To be called after tlbs_fill if the guest's page is larger than 4 KiB; `size` is in bytes. */
void tlbs_note_large(struct tlbs *t, uint64_t va, uint64_t size);

void tlbs_flush(struct tlbs *t, bool global); /* false: global pages may stay */
void tlbs_flush_page(struct tlbs *t, uint64_t va);

/* Empties the write halves of all tables. */
void tlbs_forget_writes(struct tlbs *t);

#endif
