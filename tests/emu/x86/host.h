#ifndef TESTS_EMU_HOST_H
#define TESTS_EMU_HOST_H
/*
 * Single instructions on the host's own processor, in ring 3 of this process.
 *
 * The code pages and the data window are mapped where case.h says. Not for more than one thread.
 */
#include "emu/x86/case.h"

/* Maps the memory. False, here and below: errno says why not. */
bool host_start(struct case_bases *bases);

/* The window as the host's instructions see and change it. */
uint8_t *host_data(void);

/* Before the first instruction, and when the software CPU has been made: the read-only page becomes
 * so, and the signals that exceptions become find their handlers, in front of those that are there.
 */
bool host_seal(void);

/* Executes the instruction. State it cannot have (a reserved bit of MXCSR) is the caller's error.
 */
void host_run(const struct test_case *t, struct case_state *after);

#endif
