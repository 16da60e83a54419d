#ifndef TESTS_EMU_PREPARE_H
#define TESTS_EMU_PREPARE_H
/*
 * The state an encoded instruction meets: every register, drawn and then bent so that the
 * instruction has something to do.
 */
#include "emu/x86/aim.h"

/* Fills a->t->before and a->memory. False: encode again. */
bool prepare(struct aim *a);

#endif
