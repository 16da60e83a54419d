#ifndef TESTS_EMU_COMPARE_H
#define TESTS_EMU_COMPARE_H
/*
 * What host and guest left, held against each other.
 *
 * Not compared are the flags the manuals leave undefined, and where the last x87 instruction and
 * its operand were: the software CPU executes them at other addresses.
 */
#include <stdio.h>

#include "emu/x86/aim.h"

struct compare {
    const struct aim *aim;
    const struct case_state *host;
    const struct case_state *guest;
    const uint8_t *host_data;
    uint8_t *guest_data; /* bytes that are not compared are made the host's */
};

bool compare_same(const struct compare *c);

/* The instruction, and each thing in which they differ. */
void compare_print(const struct compare *c, FILE *to);

#endif
