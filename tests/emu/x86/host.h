#ifndef TESTS_EMU_HOST_H
#define TESTS_EMU_HOST_H
/*
 * Executes single instructions on the host's own processor, in ring 3 of this process.
 *
 * The code pages and the data window are mapped where case.h says. For one thread only.
 */
#include "emu/x86/case.h"

/* Maps the memory. False, here and in host_seal: errno says why. */
bool host_start(struct case_bases *bases);

/* The window as the host's instructions see and change it. */
uint8_t *host_data(void);

/* To be called before the first instruction, but after the software CPU was created: makes the
 * read-only page read-only, and installs handlers for the signals that exceptions become. What is
 * not for them goes on to the software CPU's. */
bool host_seal(void);

/* Executes the instruction. The state must be a possible one: no reserved bit of MXCSR is set. */
void host_run(const struct test_case *t, struct case_state *after);

#endif
