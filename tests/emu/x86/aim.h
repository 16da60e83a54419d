#ifndef TESTS_EMU_AIM_H
#define TESTS_EMU_AIM_H
/*
 * Chooses the addresses that an encoded instruction uses: operands in the data window or at its
 * edges, branches into the code pages.
 */
#include "emu/x86/case.h"
#include "emu/x86/pick.h"

/* An operand in memory: the bytes that are written to both windows. */
struct aim_memory {
    uint64_t at; /* virtual address */
    unsigned size;
    uint8_t bytes[512];
};

#define AIM_MEMORIES 3u

struct aim {
    struct pick *p;
    struct test_case *t;
    const struct case_bases *bases;
    unsigned count;
    struct aim_memory memory[AIM_MEMORIES];
};

/* Changes registers of t->before and displacements in t->code so that they make the addresses, and
 * notes the operands in memory. False: this encoding cannot have such an address; encode again. */
bool aim(struct aim *a);

/* An address in the code pages that is clear of the instruction and of the jump behind it. */
uint64_t aim_branch_target(struct aim *a);

#endif
