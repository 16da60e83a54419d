#ifndef EMU_X86_MEM_WALK_H
#define EMU_X86_MEM_WALK_H
/*
 * The page walk (SDM 3A, chapter 4): translates a virtual address by the guest's page tables,
 * checks rights, and sets A and D bits as a processor does.
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

/* On whose behalf the access is made. */
enum walk_as {
    WALK_SUPERVISOR,
    WALK_SUPERVISOR_AC, /* an instruction's data access with EFLAGS.AC set: SMAP does not stop it */
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
    bool writable; /* D is set, and a write with the same walk_as would be allowed */
    bool global;
};

/* Translates va, which must be canonical. False: the access is not allowed; *error is the page
 * fault's error code, and D was not set. The walk reads only guest RAM. An entry outside RAM
 * reads as all ones, as from a bus without a device, so that its reserved bits make it fault. */
bool walk_page(struct cpu *c, uint64_t va, enum walk_access access, enum walk_as as,
               struct walk *out, uint32_t *error);

/* Checks the four top-level entries of PAE paging that this CR3 points to. False: one is present
 * and has a reserved bit set, for which the write of CR0, CR3 or CR4 that loads them has to fault.
 * A processor may cache these four entries; here each walk reads them again. */
bool walk_pointers_valid(const struct cpu *c, uint64_t cr3);

#endif
