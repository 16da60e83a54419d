#ifndef EMU_X86_MEM_MMU_H
#define EMU_X86_MEM_MMU_H
/*
 * The virtual memory of one software processor: translation, and every access that an instruction
 * makes.
 *
 * A processor has three translation tables (cpu/tlb.h). cpu.tlb points to the one for the present
 * mode, so that a privilege change flushes nothing. An entry is a tag, which is the page's virtual
 * address, and the page's host address. An access hits if address - tag <= 4096 - size: this one
 * comparison refuses both a miss and an access that crosses the page. A write entry exists only for
 * a page whose D bit is set and that holds no decoded code. Everything else, devices and page
 * crossings included, takes the slow path, which is in mmu.c.
 *
 * INVLPG and writes of CR0, CR3 and CR4 that change translations remove entries. Entries of global
 * pages survive a write of CR3.
 *
 * This room is memory as the guest's instructions see it: page walk, translation, devices, pages of
 * decoded code, atomicity. It must not know blocks or ops: it reaches decoded code only through
 * cpu.code (cpu/code_cache.h).
 */
#include <stdbool.h>
#include <stdint.h>

#include "core/base/units.h"
#include "core/vm/mem.h"
#include "emu/x86/cpu/cpu.h"
#include "emu/x86/cpu/tlb.h"

/* Whether the address is canonical: bits 48 to 63 are copies of bit 47. */
static inline bool mmu_is_canonical(uint64_t va)
{
    return (uint64_t)((int64_t)(va << 16) >> 16) == va;
}

/* The slow path. Every function that returns NULL or false has recorded the fault: the access is
 * not allowed. size is 1 to 64 where a pointer is returned, otherwise 1 to a page. */

/* The host address of [va, va + size) for reading; or, if the bytes are not RAM or not all on one
 * page, the processor's bounce buffer with a copy of them. */
const void *mmu_read_slow(struct cpu *c, uint64_t va, unsigned size);

bool mmu_write_slow(struct cpu *c, uint64_t va, const void *data, unsigned size);

/* Whether a write would be allowed; nothing is written. */
bool mmu_writable(struct cpu *c, uint64_t va, unsigned size);

/* A write in two steps, for an instruction that makes several writes or does something else that
 * cannot be undone. All writes begin before the first one ends; mmu_write_end cannot fail. */
bool mmu_write_begin(struct cpu *c, uint64_t va, unsigned size, struct pieces *to);
void mmu_write_end(struct cpu *c, const struct pieces *to, const void *data);

/* For a read-modify-write: as mmu_read_slow, but the bytes may also be written. The instruction
 * changes them in place, then calls mmu_modify_end with the pointer it got, and no other function
 * of this header in between. A copy is written back to where the bytes were found, even if the
 * mapping has changed since. */
void *mmu_modify_slow(struct cpu *c, uint64_t va, unsigned size);
void mmu_modify_end(struct cpu *c, const void *at);

/* As mmu_modify_slow, for an instruction that only writes: the bounce buffer holds no copy. */
void *mmu_fill_slow(struct cpu *c, uint64_t va, unsigned size);

/* As mmu_modify_slow, for an instruction with LOCK, which then uses the host's own locked
 * instruction on the bytes. If they are in the bounce buffer, all other processors stand still
 * until mmu_locked_end (exclusive.h). An operand that crosses a cache line is copied there too: the
 * host would lock its bus for it, and a host with split-lock detection would kill this process or
 * slow it down a lot. */
void *mmu_locked_slow(struct cpu *c, uint64_t va, unsigned size);
void mmu_locked_end(struct cpu *c, const void *at);

static inline const void *mmu_read_at(struct cpu *c, uint64_t va, unsigned size)
{
    const struct tlb_entry *e = &c->tlb->read[va / PAGE_4K % TLB_ENTRIES];
    uint64_t offset = va - e->tag;

    if (__builtin_expect(offset <= PAGE_4K - size, 1))
        return e->host + offset;
    return mmu_read_slow(c, va, size);
}

/* The host address if the table has a translation, otherwise NULL; records no fault. */
static inline const void *mmu_read_hit(struct cpu *c, uint64_t va, unsigned size)
{
    const struct tlb_entry *e = &c->tlb->read[va / PAGE_4K % TLB_ENTRIES];
    uint64_t offset = va - e->tag;

    return __builtin_expect(offset <= PAGE_4K - size, 1) ? e->host + offset : (void *)0;
}

/* The host address if the table has a translation for writing, otherwise NULL, and the caller takes
 * the slow path; records no fault. */
static inline void *mmu_write_hit(struct cpu *c, uint64_t va, unsigned size)
{
    const struct tlb_entry *e = &c->tlb->write[va / PAGE_4K % TLB_ENTRIES];
    uint64_t offset = va - e->tag;

    return __builtin_expect(offset <= PAGE_4K - size, 1) ? e->host + offset : (void *)0;
}

#define MMU_LINE 64u /* bytes in a cache line */

static inline bool mmu_crosses_line(uint64_t va, unsigned size)
{
    return va % MMU_LINE + size > MMU_LINE;
}

/* As mmu_write_hit, but NULL also if the host's locked instruction must not be used in place. */
static inline void *mmu_locked_hit(struct cpu *c, uint64_t va, unsigned size)
{
    return __builtin_expect(mmu_crosses_line(va, size), 0) ? (void *)0 : mmu_write_hit(c, va, size);
}

/* Copy an operand of up to 4 KiB, through the tables or on the slow path. A read that faults may
 * have filled a part of `to`; a write that faults has written nothing. */
bool mmu_read(struct cpu *c, uint64_t va, void *to, unsigned size);
bool mmu_write(struct cpu *c, uint64_t va, const void *from, unsigned size);

/* Translates va for an instruction fetch at the present CPL. On success *gpa is the physical
 * address, and *host points to the bytes there, as far as the end of the page, or is NULL if they
 * are not RAM. */
bool mmu_fetch(struct cpu *c, uint64_t va, gpa_t *gpa, const uint8_t **host);

/* Copies size instruction bytes from va on, but none beyond the end of the page, which need not be
 * RAM. Returns how many; 0: the fault is recorded. */
unsigned mmu_fetch_bytes(struct cpu *c, uint64_t va, uint8_t *to, unsigned size);

/* Accesses of the processor itself (descriptor tables, task state, interrupt frames), with
 * supervisor rights whatever the CPL. */
bool mmu_system_read(struct cpu *c, uint64_t va, void *to, unsigned size);
bool mmu_system_write(struct cpu *c, uint64_t va, const void *from, unsigned size);

/* Sets bits of one byte, as the processor does to mark a descriptor accessed or busy, and stores
 * the byte's old value in *before. In RAM this is one atomic step. */
bool mmu_system_set(struct cpu *c, uint64_t va, uint8_t bits, uint8_t *before);

/* Removes all entries of the translation tables or, if `global` is false, as for a write of CR3, at
 * least those of pages that are not global. mmu_flush_page removes the entries of one page. Both
 * make the code cache forget all addresses (cpu/code_cache.h). */
void mmu_flush(struct cpu *c, bool global);
void mmu_flush_page(struct cpu *c, uint64_t va);

#endif
