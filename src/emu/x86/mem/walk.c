/*
 * The page walk.
 *
 * One loop serves the three formats. 4-level (IA-32e), PAE and 32-bit two-level tables differ in
 * the number of levels, the width of an entry, the index bits per level and the levels that may
 * have large pages.
 *
 * A and D are set with compare-and-swap, since other processors walk the same tables; if an entry
 * has changed since it was read, the walk starts again. D is set only by a write that is allowed,
 * and only in the last entry.
 */
#include "emu/x86/mem/walk.h"

#include <stddef.h>

#include "core/base/units.h"
#include "core/vm/mem.h"
#include "core/x86/bits.h"
#include "emu/x86/cpu/machine.h"
#include "emu/x86/cpu/tlb.h"
#include "emu/x86/decode/vendor.h"

#define PTE_ADDRESS    UINT64_C(0x000ffffffffff000)
#define PTE_PAT_HIGH   (UINT64_C(1) << 12)            /* in a large page, not an address bit */
#define PDPTE_RESERVED (X86_PTE_NX | UINT64_C(0x1e6)) /* in PAE's top level, which has no rights */

#define PAE_TABLE 0xffffffe0u /* CR3's bits that are the address of PAE's top level */

struct format {
    unsigned levels;
    unsigned bits;     /* index bits of each level but the top one */
    unsigned width;    /* bytes of an entry */
    unsigned top_mask; /* mask of the top level's index */
    unsigned large;    /* bit n: an entry of level n (1 is the lowest) may be a large page */
};

static const struct format long_mode = { 4, 9, 8, 511, 1u << 2 | 1u << 3 };
static const struct format pae = { 3, 9, 8, 3, 1u << 2 };
static const struct format two_level = { 2, 10, 4, 1023, 1u << 2 };

static const struct format *walk_format(const struct cpu *c)
{
    if (c->efer & X86_EFER_LMA)
        return &long_mode;
    return c->cr4 & X86_CR4_PAE ? &pae : &two_level;
}

static uint64_t walk_entry_load(const void *at, unsigned width)
{
    return width == 8 ? __atomic_load_n((const uint64_t *)at, __ATOMIC_ACQUIRE)
                      : __atomic_load_n((const uint32_t *)at, __ATOMIC_ACQUIRE);
}

static bool walk_entry_swap(void *at, unsigned width, uint64_t old, uint64_t new)
{
    uint32_t old32 = (uint32_t)old;

    if (width == 8)
        return __atomic_compare_exchange_n((uint64_t *)at, &old, new, false, __ATOMIC_ACQ_REL,
                                           __ATOMIC_RELAXED);
    return __atomic_compare_exchange_n((uint32_t *)at, &old32, (uint32_t) new, false,
                                       __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

/* The reserved bits of an entry: physical address bits beyond CPU_PHYSICAL_BITS, NX if it is not
 * enabled, the low address bits of a large page, and bits that only entries of the top level
 * reserve. */
static uint64_t walk_entry_reserved(const struct cpu *c, const struct format *f, unsigned level,
                                    bool large)
{
    uint64_t reserved;

    if (f->width == 4)
        return large ? UINT64_C(1) << 21 : 0;
    reserved = PTE_ADDRESS & ~((UINT64_C(1) << CPU_PHYSICAL_BITS) - 1);
    if (!(c->efer & X86_EFER_NXE))
        reserved |= X86_PTE_NX;
    if (large)
        reserved |=
            ((UINT64_C(1) << (12 + (level - 1) * f->bits)) - 1) & PTE_ADDRESS & ~PTE_PAT_HIGH;
    if (f == &long_mode && level == 4)
        reserved |= X86_PTE_PS | (c->vendor->pml4e_8 ? X86_PTE_G : 0);
    if (f == &pae && level == 3)
        reserved |= PDPTE_RESERVED;
    return reserved;
}

bool walk_pointers_valid(const struct cpu *c, uint64_t cr3)
{
    for (unsigned i = 0; i <= pae.top_mask; i++) {
        const void *at = mem_at(c->emu->mem, (cr3 & PAE_TABLE) + i * pae.width, pae.width);
        uint64_t entry = at ? walk_entry_load(at, pae.width) : ~UINT64_C(0);

        if ((entry & X86_PTE_P) && (entry & walk_entry_reserved(c, &pae, pae.levels, false)))
            return false;
    }
    return true;
}

/* Where a walk is: one entry. */
struct step {
    unsigned level;
    uint64_t entry;
    void *at;   /* host address of the entry, or NULL if it is not in RAM */
    bool large; /* the entry maps a large page */
};

static bool walk_entry_is_large(const struct cpu *c, const struct format *f, unsigned level,
                                uint64_t entry)
{
    if (!(entry & X86_PTE_PS) || !(f->large & 1u << level))
        return false;
    return f->width == 8 || (c->cr4 & X86_CR4_PSE);
}

/* What the entries so far allow. */
struct rights {
    bool write;
    bool user;
    bool no_execute;
};

static bool walk_allows(const struct cpu *c, const struct rights *r, enum walk_access access,
                        enum walk_as as)
{
    if (as == WALK_USER) {
        if (!r->user || (access == WALK_WRITE && !r->write))
            return false;
    } else {
        if (r->user && access == WALK_FETCH && (c->cr4 & X86_CR4_SMEP))
            return false;
        if (r->user && access != WALK_FETCH && (c->cr4 & X86_CR4_SMAP) && as != WALK_SUPERVISOR_AC)
            return false;
        if (access == WALK_WRITE && !r->write && (c->cr0 & X86_CR0_WP))
            return false;
    }
    return !(access == WALK_FETCH && r->no_execute);
}

static uint32_t walk_error_code(const struct cpu *c, enum walk_access access, enum walk_as as,
                                uint32_t why)
{
    if (access == WALK_WRITE)
        why |= PF_WRITE;
    if (as == WALK_USER)
        why |= PF_USER;
    if (access == WALK_FETCH && ((c->cr4 & X86_CR4_SMEP) || (c->efer & X86_EFER_NXE)))
        why |= PF_FETCH;
    return why;
}

static uint64_t walk_leaf_size(const struct format *f, const struct step *s)
{
    return UINT64_C(1) << (12 + (s->level - 1) * f->bits);
}

static gpa_t walk_leaf_address(const struct format *f, const struct step *s, uint64_t va)
{
    uint64_t page = walk_leaf_size(f, s);
    uint64_t base = s->entry & PTE_ADDRESS & ~(page - 1);

    if (f->width == 4 && s->large) /* PSE-36: address bits 32 to 39 in bits 13 to 20 */
        base = (s->entry & 0xffc00000u) | (s->entry >> 13 & 0xffu) << 32;
    return base | (va & (page - 1));
}

enum outcome {
    WALKED,
    FAULTED,
    CHANGED, /* another processor changed an entry meanwhile: start again */
};

/* Follows the tables down to the leaf, gathering rights and setting A in the entries above it. */
static enum outcome walk_descend(struct cpu *c, const struct format *f, uint64_t va, struct step *s,
                                 struct rights *r, uint32_t *why)
{
    uint64_t table = c->cr3 & (f == &pae ? PAE_TABLE : PTE_ADDRESS);

    *r = (struct rights){ .write = true, .user = true };
    for (s->level = f->levels;; s->level--) {
        unsigned mask = s->level == f->levels ? f->top_mask : (1u << f->bits) - 1;
        uint64_t index = va >> (12 + (s->level - 1) * f->bits) & mask;
        bool pdpte = f == &pae && s->level == 3;

        s->at = mem_at(c->emu->mem, table + index * f->width, f->width);
        s->entry = s->at ? walk_entry_load(s->at, f->width) : ~UINT64_C(0);
        *why = 0;
        if (!(s->entry & X86_PTE_P))
            return FAULTED;
        s->large = walk_entry_is_large(c, f, s->level, s->entry);
        *why = PF_PRESENT | PF_RESERVED;
        if (!s->at || (s->entry & walk_entry_reserved(c, f, s->level, s->large)))
            return FAULTED;
        if (!pdpte) {
            r->write = r->write && (s->entry & X86_PTE_RW);
            r->user = r->user && (s->entry & X86_PTE_US);
            r->no_execute = r->no_execute || (f->width == 8 && (s->entry & X86_PTE_NX));
        }
        if (s->level == 1 || s->large)
            return WALKED;
        if (!pdpte && !(s->entry & X86_PTE_A) &&
            !walk_entry_swap(s->at, f->width, s->entry, s->entry | X86_PTE_A))
            return CHANGED;
        table = s->entry & PTE_ADDRESS;
    }
}

/* One try at a whole walk: down to a leaf that allows the access, where A and D are set. */
static enum outcome walk_attempt(struct cpu *c, const struct format *f, uint64_t va,
                                 enum walk_access access, enum walk_as as, struct step *leaf,
                                 struct rights *rights, uint32_t *why)
{
    enum outcome outcome = walk_descend(c, f, va, leaf, rights, why);
    uint64_t accessed;

    if (outcome != WALKED)
        return outcome;
    if (!walk_allows(c, rights, access, as)) {
        *why = PF_PRESENT;
        return FAULTED;
    }
    accessed = leaf->entry | X86_PTE_A | (access == WALK_WRITE ? X86_PTE_D : 0);
    if (accessed != leaf->entry && !walk_entry_swap(leaf->at, f->width, leaf->entry, accessed))
        return CHANGED;
    leaf->entry = accessed;
    return WALKED;
}

bool walk_page(struct cpu *c, uint64_t va, enum walk_access access, enum walk_as as,
               struct walk *out, uint32_t *error)
{
    const struct format *f = walk_format(c);
    enum outcome outcome;
    struct rights rights;
    struct step leaf;
    uint32_t why;

    if (!(c->cr0 & X86_CR0_PG)) {
        *out = (struct walk){ .gpa = va & 0xffffffffu, .size = PAGE_4K, .writable = true };
        return true;
    }
    do
        outcome = walk_attempt(c, f, va, access, as, &leaf, &rights, &why);
    while (outcome == CHANGED);
    if (outcome == FAULTED) {
        *error = walk_error_code(c, access, as, why);
        return false;
    }
    *out = (struct walk){
        .gpa = walk_leaf_address(f, &leaf, va),
        .size = walk_leaf_size(f, &leaf),
        .writable = (leaf.entry & X86_PTE_D) && walk_allows(c, &rights, WALK_WRITE, as),
        .global = (leaf.entry & X86_PTE_G) && (c->cr4 & X86_CR4_PGE),
    };
    return true;
}
