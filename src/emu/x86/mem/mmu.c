/*
 * The slow path to memory: accesses that miss in the translation tables (mmu.h).
 *
 * An instruction's load or store in RAM that is allowed enters its translation into the tables,
 * unless the page is watched (debug.h) or alignment is checked. mmu_write_begin and mmu_writable
 * enter none. The page gets a write entry only if it holds no decoded code.
 */
#include "emu/x86/mem/mmu.h"

#include <stddef.h>

#include "core/base/units.h"
#include "core/x86/bits.h"
#include "emu/x86/cpu/debug.h"
#include "emu/x86/cpu/machine.h"
#include "emu/x86/mem/code_pages.h"
#include "emu/x86/mem/copy.h"
#include "emu/x86/mem/exclusive.h"
#include "emu/x86/mem/mmio.h"
#include "emu/x86/mem/walk.h"

static enum walk_as mmu_walk_as(const struct cpu *c)
{
    if (c->tlb == &c->tlbs->table[TLB_USER] || c->tlb == &tlb_empty)
        return WALK_USER;
    return c->tlb == &c->tlbs->table[TLB_SUPERVISOR_AC] ? WALK_SUPERVISOR_AC : WALK_SUPERVISOR;
}

/* Checks the operand's alignment if alignment checking is on (SDM 3A, table 6-7). Operands whose
 * size is no power of two (far pointers, 80-bit reals) have to be aligned to the next smaller
 * power; those over 16 bytes (vectors, saved states) need not be aligned. False: #AC is
 * recorded. */
static bool operand_check_alignment(struct cpu *c, uint64_t va, unsigned size)
{
    unsigned to = size > 16 ? 1 : 1u << (31 - __builtin_clz(size));

    if (c->tlb != &tlb_empty || va % to == 0)
        return true;
    cpu_fault_error(c, CPU_AC, 0);
    return false;
}

static bool mmu_is_watched(const struct cpu *c)
{
    return c->alone & CPU_ALONE_WATCHED;
}

static void mmu_entry_fill(struct cpu *c, uint64_t va, const struct walk *w, uint8_t *host)
{
    bool writable = w->writable && !code_page_held(c->emu, w->gpa);

    if (c->tlb == &tlb_empty || (mmu_is_watched(c) && debug_watches_page(c, va)))
        return;
    tlbs_fill(c->tlbs, (unsigned)(c->tlb - c->tlbs->table), va, host, writable, w->global);
    if (w->size > PAGE_4K)
        tlbs_note_large(c->tlbs, va, w->size);
}

/* Translates the address of one byte. False: the fault is recorded. */
static bool mmu_translate(struct cpu *c, uint64_t va, enum walk_access access, enum walk_as as,
                          struct walk *w)
{
    uint32_t error;

    if ((c->efer & X86_EFER_LMA) && !mmu_is_canonical(va)) {
        cpu_fault_error(c, CPU_GP, 0);
        c->fault.address_fault = true;
        return false;
    }
    if (!walk_page(c, va, access, as, w, &error)) {
        cpu_fault_page(c, va, error);
        return false;
    }
    return true;
}

static void physical_read(struct cpu *c, gpa_t gpa, uint8_t *to, unsigned size)
{
    const void *host = mem_at(c->emu->mem, gpa, size);

    if (host) {
        copy_once(to, host, size);
        return;
    }
    for (unsigned done = 0; done < size;) {
        unsigned piece = size - done >= 8 ? 8 : 1u << (31 - __builtin_clz(size - done));
        mmio_read(c->emu, c, gpa + done, to + done, piece);
        done += piece;
    }
}

static void physical_write(struct cpu *c, gpa_t gpa, const uint8_t *from, unsigned size)
{
    void *host = mem_at(c->emu->mem, gpa, size);

    if (host) {
        copy_once(host, from, size);
        if (code_page_held(c->emu, gpa))
            code_page_written(c, gpa, size);
        return;
    }
    for (unsigned done = 0; done < size;) {
        unsigned piece = size - done >= 8 ? 8 : 1u << (31 - __builtin_clz(size - done));
        mmio_write(c->emu, c, gpa + done, from + done, piece);
        done += piece;
    }
}

static bool mmu_translate_pieces(struct cpu *c, uint64_t va, unsigned size, enum walk_access access,
                                 enum walk_as as, struct pieces *p, struct walk *first)
{
    unsigned room = PAGE_4K - (unsigned)(va % PAGE_4K);
    struct walk second;

    if (!mmu_translate(c, va, access, as, first))
        return false;
    p->gpa[0] = first->gpa;
    p->size[0] = size < room ? size : room;
    p->size[1] = size - p->size[0];
    if (p->size[1] == 0)
        return true;
    if (!mmu_translate(c, va + room, access, as, &second))
        return false;
    p->gpa[1] = second.gpa;
    return true;
}

static void pieces_read(struct cpu *c, const struct pieces *p, uint8_t *to)
{
    physical_read(c, p->gpa[0], to, p->size[0]);
    if (p->size[1])
        physical_read(c, p->gpa[1], to + p->size[0], p->size[1]);
}

static void pieces_write(struct cpu *c, const struct pieces *p, const uint8_t *from)
{
    physical_write(c, p->gpa[0], from, p->size[0]);
    if (p->size[1])
        physical_write(c, p->gpa[1], from + p->size[0], p->size[1]);
}

static uint8_t *mmu_page_host(const struct cpu *c, gpa_t gpa)
{
    return mem_at(c->emu->mem, gpa & ~(gpa_t)(PAGE_4K - 1), PAGE_4K);
}

/* Translates the operand's address into cpu.operand and checks that the access is allowed. This is
 * the only check: the access itself cannot fail. Also reports it to debug.h. False: the fault is
 * recorded. */
static bool operand_find(struct cpu *c, uint64_t va, unsigned size, enum walk_access access,
                         struct walk *first)
{
    if (!mmu_translate_pieces(c, va, size, access, mmu_walk_as(c), &c->operand, first) ||
        !operand_check_alignment(c, va, size))
        return false;
    if (mmu_is_watched(c))
        debug_access(c, va, size, access == WALK_WRITE);
    return true;
}

/* The host address of the operand just found, or NULL if it is not RAM or not all on one page.
 * Enters the translation into the tables. */
static void *operand_host(struct cpu *c, uint64_t va, const struct walk *first)
{
    uint8_t *host = mmu_page_host(c, first->gpa);

    if (host)
        mmu_entry_fill(c, va, first, host);
    return host && c->operand.size[1] == 0 ? host + va % PAGE_4K : NULL;
}

/* The operand's host address, or the bounce buffer with a copy. NULL: the fault is recorded. */
static void *operand_at(struct cpu *c, uint64_t va, unsigned size, enum walk_access access)
{
    struct walk first;
    void *host;

    if (!operand_find(c, va, size, access, &first))
        return NULL;
    host = operand_host(c, va, &first);
    if (host)
        return host;
    pieces_read(c, &c->operand, c->bounce);
    return c->bounce;
}

const void *mmu_read_slow(struct cpu *c, uint64_t va, unsigned size)
{
    return operand_at(c, va, size, WALK_READ);
}

bool mmu_write_slow(struct cpu *c, uint64_t va, const void *data, unsigned size)
{
    struct walk first;

    if (!operand_find(c, va, size, WALK_WRITE, &first))
        return false;
    (void)operand_host(c, va, &first);
    pieces_write(c, &c->operand, data);
    return true;
}

bool mmu_write_begin(struct cpu *c, uint64_t va, unsigned size, struct pieces *to)
{
    struct walk first;

    if (!operand_find(c, va, size, WALK_WRITE, &first))
        return false;
    *to = c->operand;
    return true;
}

void mmu_write_end(struct cpu *c, const struct pieces *to, const void *data)
{
    pieces_write(c, to, data);
}

bool mmu_writable(struct cpu *c, uint64_t va, unsigned size)
{
    struct pieces p;
    struct walk w;

    return mmu_translate_pieces(c, va, size, WALK_WRITE, mmu_walk_as(c), &p, &w) &&
           operand_check_alignment(c, va, size);
}

void *mmu_modify_slow(struct cpu *c, uint64_t va, unsigned size)
{
    return operand_at(c, va, size, WALK_WRITE);
}

void *mmu_fill_slow(struct cpu *c, uint64_t va, unsigned size)
{
    struct walk first;
    void *host;

    if (!operand_find(c, va, size, WALK_WRITE, &first))
        return NULL;
    host = operand_host(c, va, &first);
    return host ? host : c->bounce;
}

void mmu_modify_end(struct cpu *c, const void *at)
{
    const struct pieces *p = &c->operand;

    if (at == c->bounce)
        pieces_write(c, p, c->bounce);
    else if (code_page_held(c->emu, p->gpa[0]))
        code_page_written(c, p->gpa[0], p->size[0]);
}

/* Checks whether the operand may be accessed before the others are made to stand still, and again
 * once they do: the mapping may have changed in between. */
void *mmu_locked_slow(struct cpu *c, uint64_t va, unsigned size)
{
    struct walk first;
    void *host;

    if (!operand_find(c, va, size, WALK_WRITE, &first))
        return NULL;
    host = operand_host(c, va, &first);
    if (host && !mmu_crosses_line(va, size))
        return host;
    exclusive_begin(c);
    if (!operand_find(c, va, size, WALK_WRITE, &first)) {
        exclusive_end(c);
        return NULL;
    }
    pieces_read(c, &c->operand, c->bounce);
    return c->bounce;
}

void mmu_locked_end(struct cpu *c, const void *at)
{
    mmu_modify_end(c, at);
    if (at == c->bounce)
        exclusive_end(c);
}

bool mmu_read(struct cpu *c, uint64_t va, void *to, unsigned size)
{
    for (unsigned done = 0, piece; done < size; done += piece) {
        const void *at;

        piece = size - done < sizeof(c->bounce) ? size - done : sizeof(c->bounce);
        at = mmu_read_at(c, va + done, piece);
        if (!at)
            return false;
        copy_once((uint8_t *)to + done, at, piece);
    }
    return true;
}

bool mmu_write(struct cpu *c, uint64_t va, const void *from, unsigned size)
{
    void *hit = mmu_write_hit(c, va, size);

    if (!hit)
        return mmu_write_slow(c, va, from, size);
    copy_once(hit, from, size);
    return true;
}

bool mmu_fetch(struct cpu *c, uint64_t va, gpa_t *gpa, const uint8_t **host)
{
    enum walk_as as = c->cpl == 3 ? WALK_USER : WALK_SUPERVISOR;
    const uint8_t *page;
    struct walk w;

    if (!mmu_translate(c, va, WALK_FETCH, as, &w))
        return false;
    page = mmu_page_host(c, w.gpa);
    *gpa = w.gpa;
    *host = page ? page + va % PAGE_4K : NULL;
    return true;
}

unsigned mmu_fetch_bytes(struct cpu *c, uint64_t va, uint8_t *to, unsigned size)
{
    unsigned room = PAGE_4K - (unsigned)(va % PAGE_4K);
    unsigned count = size < room ? size : room;
    const uint8_t *host;
    gpa_t gpa;

    if (!mmu_fetch(c, va, &gpa, &host))
        return 0;
    physical_read(c, gpa, to, count);
    return count;
}

bool mmu_system_read(struct cpu *c, uint64_t va, void *to, unsigned size)
{
    struct pieces p;
    struct walk w;

    if (!mmu_translate_pieces(c, va, size, WALK_READ, WALK_SUPERVISOR, &p, &w))
        return false;
    pieces_read(c, &p, to);
    return true;
}

bool mmu_system_write(struct cpu *c, uint64_t va, const void *from, unsigned size)
{
    struct pieces p;
    struct walk w;

    if (!mmu_translate_pieces(c, va, size, WALK_WRITE, WALK_SUPERVISOR, &p, &w))
        return false;
    pieces_write(c, &p, from);
    return true;
}

bool mmu_system_set(struct cpu *c, uint64_t va, uint8_t bits, uint8_t *before)
{
    struct walk w;
    uint8_t *host, set;

    if (!mmu_translate(c, va, WALK_WRITE, WALK_SUPERVISOR, &w))
        return false;
    host = mem_at(c->emu->mem, w.gpa, 1);
    if (host) {
        *before = __atomic_fetch_or(host, bits, __ATOMIC_SEQ_CST);
        if (code_page_held(c->emu, w.gpa))
            code_page_written(c, w.gpa, 1);
        return true;
    }
    physical_read(c, w.gpa, before, 1);
    set = *before | bits;
    physical_write(c, w.gpa, &set, 1);
    return true;
}

void mmu_flush(struct cpu *c, bool global)
{
    c->code->forget_addresses(c);
    tlbs_flush(c->tlbs, global);
}

void mmu_flush_page(struct cpu *c, uint64_t va)
{
    c->code->forget_addresses(c);
    tlbs_flush_page(c->tlbs, va);
}
