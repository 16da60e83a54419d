/*
 * The slow door to memory: what the inline hit in mmu.h could not serve.
 *
 * Filling: an allowed access to plain RAM leaves a translation behind, unless it was a write to a
 * page that holds decoded code. Entries of non-global pages are noted in a short log, so that a CR3
 * write undoes those few instead of clearing three tables; when the log overflows, the tables are
 * cleared.
 */
#include "emu/x86/mmu.h"

#include <string.h>

#include "emu/x86/code_pages.h"
#include "emu/x86/debug.h"
#include "emu/x86/exclusive.h"
#include "emu/x86/machine.h"
#include "emu/x86/mmio.h"
#include "emu/x86/walk.h"

static enum walk_as acting_as(const struct cpu *c)
{
    if (c->tlb == &c->tlbs->table[TLB_USER] || c->tlb == &tlb_empty)
        return WALK_USER;
    return c->tlb == &c->tlbs->table[TLB_SUPERVISOR_AC] ? WALK_SUPERVISOR_AC : WALK_SUPERVISOR;
}

/* Alignment as SDM 3A table 6-7 asks for it; records #AC. Operands without a natural one (far
 * pointers, 80-bit reals) have that of the power of two below them, tables and states none. */
static bool is_aligned(struct cpu *c, uint64_t va, unsigned size)
{
    unsigned to = size > 16 ? 1 : 1u << (31 - __builtin_clz(size));

    if (c->tlb != &tlb_empty || va % to == 0)
        return true;
    cpu_fault_error(c, CPU_AC, 0);
    return false;
}

static bool is_watched(const struct cpu *c)
{
    return c->alone & CPU_ALONE_WATCHED;
}

static void entry_fill(struct cpu *c, uint64_t va, const struct walk *w, uint8_t *host)
{
    bool writable = w->writable && !code_page_held(c->emu, w->gpa);

    if (c->tlb == &tlb_empty || (is_watched(c) && debug_watches_page(c, va)))
        return;
    tlbs_fill(c->tlbs, (unsigned)(c->tlb - c->tlbs->table), va, host, writable, w->global);
    if (w->size > MMU_PAGE)
        tlbs_note_large(c->tlbs, va, w->size);
}

/* Translates one byte's address; records the fault. */
static bool translate(struct cpu *c, uint64_t va, enum walk_access access, enum walk_as as,
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
        memcpy(to, host, size);
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
        memcpy(host, from, size);
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

/* An access in one or two pieces, one a page. */
struct pieces {
    gpa_t gpa[2];
    unsigned size[2]; /* size[1] is 0 where all is on one page */
};

static bool translate_pieces(struct cpu *c, uint64_t va, unsigned size, enum walk_access access,
                             enum walk_as as, struct pieces *p, struct walk *first)
{
    unsigned room = MMU_PAGE - (unsigned)(va % MMU_PAGE);
    struct walk second;

    if (!translate(c, va, access, as, first))
        return false;
    p->gpa[0] = first->gpa;
    p->size[0] = size < room ? size : room;
    p->size[1] = size - p->size[0];
    if (p->size[1] == 0)
        return true;
    if (!translate(c, va + room, access, as, &second))
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

static uint8_t *page_host(const struct cpu *c, gpa_t gpa)
{
    return mem_at(c->emu->mem, gpa & ~(gpa_t)(MMU_PAGE - 1), MMU_PAGE);
}

/* The operand where it is, or, where it is not RAM or not on one page, a copy of it. */
static void *operand_at(struct cpu *c, uint64_t va, unsigned size, enum walk_access access)
{
    struct pieces p;
    struct walk w;
    uint8_t *host;

    if (!translate_pieces(c, va, size, access, acting_as(c), &p, &w) || !is_aligned(c, va, size))
        return NULL;
    if (is_watched(c))
        debug_access(c, va, size, access == WALK_WRITE);
    host = page_host(c, w.gpa);
    if (host && p.size[1] == 0) {
        entry_fill(c, va, &w, host);
        return host + va % MMU_PAGE;
    }
    pieces_read(c, &p, c->bounce);
    return c->bounce;
}

const void *mmu_read_slow(struct cpu *c, uint64_t va, unsigned size)
{
    return operand_at(c, va, size, WALK_READ);
}

bool mmu_write_slow(struct cpu *c, uint64_t va, const void *data, unsigned size)
{
    struct pieces p;
    struct walk w;
    uint8_t *host;

    if (!translate_pieces(c, va, size, WALK_WRITE, acting_as(c), &p, &w) ||
        !is_aligned(c, va, size))
        return false;
    if (is_watched(c))
        debug_access(c, va, size, true);
    host = page_host(c, w.gpa);
    if (host)
        entry_fill(c, va, &w, host);
    pieces_write(c, &p, data);
    return true;
}

bool mmu_writable(struct cpu *c, uint64_t va, unsigned size)
{
    struct pieces p;
    struct walk w;

    return translate_pieces(c, va, size, WALK_WRITE, acting_as(c), &p, &w) &&
           is_aligned(c, va, size);
}

void *mmu_modify_slow(struct cpu *c, uint64_t va, unsigned size)
{
    return operand_at(c, va, size, WALK_WRITE);
}

void mmu_modify_end(struct cpu *c, uint64_t va, unsigned size, const void *at)
{
    struct pieces p;
    struct walk w;

    if (!translate_pieces(c, va, size, WALK_WRITE, acting_as(c), &p, &w))
        return; /* another processor took the mapping away meanwhile: as if the write had come first
                 */
    if (at == c->bounce)
        pieces_write(c, &p, c->bounce);
    else if (code_page_held(c->emu, w.gpa))
        code_page_written(c, w.gpa, size);
}

/* Whether the operand may be accessed is settled before anybody has to stand still for it. */
void *mmu_locked_slow(struct cpu *c, uint64_t va, unsigned size)
{
    struct pieces p;
    struct walk w;
    void *at;

    if (!translate_pieces(c, va, size, WALK_WRITE, acting_as(c), &p, &w) ||
        !is_aligned(c, va, size))
        return NULL;
    if (p.size[1] == 0 && page_host(c, w.gpa))
        return operand_at(c, va, size, WALK_WRITE);
    exclusive_begin(c);
    at = operand_at(c, va, size, WALK_WRITE);
    if (at != c->bounce)
        exclusive_end(c); /* the mapping changed meanwhile */
    return at;
}

void mmu_locked_end(struct cpu *c, uint64_t va, unsigned size, const void *at)
{
    mmu_modify_end(c, va, size, at);
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
        memcpy((uint8_t *)to + done, at, piece);
    }
    return true;
}

bool mmu_write(struct cpu *c, uint64_t va, const void *from, unsigned size)
{
    if (va / MMU_PAGE != (va + size - 1) / MMU_PAGE && !mmu_writable(c, va, size))
        return false;
    for (unsigned done = 0, piece; done < size; done += piece) {
        const uint8_t *data = (const uint8_t *)from + done;
        void *hit;

        piece = size - done < sizeof(c->bounce) ? size - done : sizeof(c->bounce);
        hit = mmu_write_hit(c, va + done, piece);
        if (hit)
            memcpy(hit, data, piece);
        else if (!mmu_write_slow(c, va + done, data, piece))
            return false;
    }
    return true;
}

bool mmu_fetch(struct cpu *c, uint64_t va, gpa_t *gpa, const uint8_t **host)
{
    enum walk_as as = c->cpl == 3 ? WALK_USER : WALK_SUPERVISOR;
    const uint8_t *page;
    struct walk w;

    if (!translate(c, va, WALK_FETCH, as, &w))
        return false;
    page = page_host(c, w.gpa);
    *gpa = w.gpa;
    *host = page ? page + va % MMU_PAGE : NULL;
    return true;
}

unsigned mmu_fetch_bytes(struct cpu *c, uint64_t va, uint8_t *to, unsigned size)
{
    unsigned room = MMU_PAGE - (unsigned)(va % MMU_PAGE);
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

    if (!translate_pieces(c, va, size, WALK_READ, WALK_SUPERVISOR, &p, &w))
        return false;
    pieces_read(c, &p, to);
    return true;
}

bool mmu_system_write(struct cpu *c, uint64_t va, const void *from, unsigned size)
{
    struct pieces p;
    struct walk w;

    if (!translate_pieces(c, va, size, WALK_WRITE, WALK_SUPERVISOR, &p, &w))
        return false;
    pieces_write(c, &p, from);
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
