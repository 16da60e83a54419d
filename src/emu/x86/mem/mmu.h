#ifndef EMU_X86_MEM_MMU_H
#define EMU_X86_MEM_MMU_H
/*
 * Virtual memory of one software processor: translation, and every access an instruction makes.
 *
 * Theory: three translation tables a processor (supervisor; supervisor with EFLAGS.AC set, which
 * SMAP lets reach user pages; user), chosen by cpu.tlb when the mode changes, so that a privilege
 * change costs nothing. Each has a read and a write half of direct-mapped entries: a tag and the
 * host address of the page. An access hits when address - tag <= 4096 - size, which refuses a miss
 * and a page crossing with one compare. A write entry exists only for a page whose D bit is set and
 * that holds no decoded code; everything else, MMIO and page crossings included, goes through the
 * slow door in mmu.c.
 *
 * Entries die by CR3 and CR4 writes and INVLPG; global pages survive a CR3 write.
 */
#include <stdbool.h>
#include <stdint.h>

#include "core/base/units.h"
#include "core/vm/mem.h"
#include "emu/x86/cpu/cpu.h"
#include "emu/x86/cpu/tlb.h"

/* Whether the upper bits repeat bit 47: an address of 64-bit mode at all. */
static inline bool mmu_is_canonical(uint64_t va)
{
    return (uint64_t)((int64_t)(va << 16) >> 16) == va;
}

/* The slow door. All record the fault and return NULL or false where the access is not allowed.
 * size is 1 to 64. */

/* Host address of [va, va + size) for reading, or the processor's bounce buffer filled with a copy
 * where the bytes are not plain RAM on one page. */
const void *mmu_read_slow(struct cpu *c, uint64_t va, unsigned size);

bool mmu_write_slow(struct cpu *c, uint64_t va, const void *data, unsigned size);

/* Whether a write would be allowed; nothing is written. */
bool mmu_writable(struct cpu *c, uint64_t va, unsigned size);

/* A write in two steps, for what has more than one to make, or something to do that cannot be
 * undone: all are judged before the first is made, and not again. Up to a page each. */
bool mmu_write_begin(struct cpu *c, uint64_t va, unsigned size, struct pieces *to);
void mmu_write_end(struct cpu *c, const struct pieces *to, const void *data);

/* For read-modify-write: the host address, or the bounce buffer holding a copy where the bytes are
 * not plain RAM on one page; all pages are proved writable. The instruction changes it in place and
 * calls mmu_modify_end with what it got, and no function of this header in between: it is written
 * where it was found, whatever became of the mapping. */
void *mmu_modify_slow(struct cpu *c, uint64_t va, unsigned size);
void mmu_modify_end(struct cpu *c, const void *at);

/* The same for an instruction that only writes: the bounce buffer holds no copy. */
void *mmu_fill_slow(struct cpu *c, uint64_t va, unsigned size);

/* The same for an instruction with LOCK, which uses the host's own locked instruction on it: with
 * the bounce buffer, all other processors stand still from here to the end. So it is also for an
 * operand in two cache lines, for which the host would lock its bus: hosts that look out for that
 * kill the process, or hold it up for so long that it shows. */
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

/* Host address when the translation is there, otherwise NULL and nothing recorded. */
static inline const void *mmu_read_hit(struct cpu *c, uint64_t va, unsigned size)
{
    const struct tlb_entry *e = &c->tlb->read[va / PAGE_4K % TLB_ENTRIES];
    uint64_t offset = va - e->tag;

    return __builtin_expect(offset <= PAGE_4K - size, 1) ? e->host + offset : (void *)0;
}

/* Host address when the page is plainly writable, otherwise NULL and nothing recorded: take the
 * slow door. */
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

/* The same where the host's locked instruction may be used in place. */
static inline void *mmu_locked_hit(struct cpu *c, uint64_t va, unsigned size)
{
    return __builtin_expect(mmu_crosses_line(va, size), 0) ? (void *)0 : mmu_write_hit(c, va, size);
}

/* Operands of more than 64 bytes and at most a page. They are read piece by piece; nothing is
 * written unless all can be. */
bool mmu_read(struct cpu *c, uint64_t va, void *to, unsigned size);
bool mmu_write(struct cpu *c, uint64_t va, const void *from, unsigned size);

/* Where instruction bytes come from: translates va for execution at the present CPL. On success
 * *gpa is the physical address and *host its bytes up to the end of the page, or NULL where that is
 * not RAM. */
bool mmu_fetch(struct cpu *c, uint64_t va, gpa_t *gpa, const uint8_t **host);

/* Copies up to size instruction bytes from va to the end of its page, RAM or not. 0: the fault is
 * recorded. */
unsigned mmu_fetch_bytes(struct cpu *c, uint64_t va, uint8_t *to, unsigned size);

/* Accesses of the processor itself (descriptor tables, task state, interrupt frames): supervisor
 * rights whatever CPL is. */
bool mmu_system_read(struct cpu *c, uint64_t va, void *to, unsigned size);
bool mmu_system_write(struct cpu *c, uint64_t va, const void *from, unsigned size);

/* Sets bits of one byte, in one piece with reading it, as a descriptor is marked. */
bool mmu_system_set(struct cpu *c, uint64_t va, uint8_t bits, uint8_t *before);

void mmu_flush(struct cpu *c, bool global); /* CR3 write: global false */
void mmu_flush_page(struct cpu *c, uint64_t va);

#endif
