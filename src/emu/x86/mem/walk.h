#ifndef EMU_X86_MEM_WALK_H
#define EMU_X86_MEM_WALK_H
/*
 * The page walk (SDM 3A, chapter 4): virtual to physical by the guest's own tables, with rights,
 * and A and D bits set as the processor sets them.
 */
#include <stdbool.h>
#include <stdint.h>

#include "core/vm/mem.h"
#include "emu/x86/cpu/cpu.h"

enum walk_access {
    WALK_READ,
    WALK_WRITE,
    WALK_FETCH,
};

/* On whose behalf: what CPL 3, explicit supervisor and implicit supervisor accesses may do differs.
 */
enum walk_as {
    WALK_SUPERVISOR,
    WALK_SUPERVISOR_AC, /* explicit data access with EFLAGS.AC set: SMAP does not stop it */
    WALK_USER,
};

/* Bits of a page fault's error code (SDM 3A, 4.7). */
#define PF_PRESENT  (1u << 0)
#define PF_WRITE    (1u << 1)
#define PF_USER     (1u << 2)
#define PF_RESERVED (1u << 3)
#define PF_FETCH    (1u << 4)

struct walk {
    gpa_t gpa;     /* of va itself */
    uint64_t size; /* of the page; 4 KiB without paging */
    bool writable; /* a write by the same party would be allowed, and D is set */
    bool global;
};

/* False: not allowed; *error is the page fault's error code, and no D bit was set. The walk never
 * leaves guest RAM: a table outside it reads as all ones, which is a reserved-bit fault, as on a
 * bus where nobody answers. va is canonical. */
bool walk_page(struct cpu *c, uint64_t va, enum walk_access access, enum walk_as as,
               struct walk *out, uint32_t *error);

/* Whether PAE paging may begin with the four entries that CR3 would point to: a reserved bit in one
 * that is present is the fault of the instruction that loads them. The walk reads them again. */
bool walk_pointers_valid(const struct cpu *c, uint64_t cr3);

#endif
