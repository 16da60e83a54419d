#ifndef TESTS_EMU_COMPARE_H
#define TESTS_EMU_COMPARE_H
/*
 * Compares what host and guest left.
 *
 * Flags that the manuals leave undefined are not compared, nor are the addresses of the last x87
 * instruction and operand: the software CPU executes them at other addresses.
 */
#include <stdio.h>

#include "emu/x86/aim.h"

struct compare {
    const struct aim *aim;
    const struct case_state *host;
    const struct case_state *guest;
    const uint8_t *host_data;
    uint8_t *guest_data; /* bytes that are not to be compared are overwritten with the host's */
};

bool compare_same(const struct compare *c);

/* Prints the instruction and everything in which host and guest differ. */
void compare_print(const struct compare *c, FILE *to);

#endif
