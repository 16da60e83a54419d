#ifndef TESTS_EMU_AIM_H
#define TESTS_EMU_AIM_H
/*
 * Addresses of an encoded instruction, such that its operands are worth something: in or at the
 * edges of the data window, and branches into the code pages.
 */
#include "emu/x86/case.h"
#include "emu/x86/pick.h"

/* The bytes of an operand in memory, written to both windows. */
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

/* Changes registers of t->before and displacements in t->code, and notes the memory. False: this
 * encoding's address cannot be aimed; encode again. */
bool aim(struct aim *a);

/* A place in the code pages that is neither the instruction nor what stands behind it. */
uint64_t aim_branch_target(struct aim *a);

#endif
