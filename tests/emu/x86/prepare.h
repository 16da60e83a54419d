#ifndef TESTS_EMU_PREPARE_H
#define TESTS_EMU_PREPARE_H
/*
 * The state before an encoded instruction: every register is drawn at random, then some are bent
 * (changed) so that the instruction has something to do.
 */
#include "emu/x86/aim.h"

/* Fills in a->t->before and a->memory. False: encode again. */
bool prepare(struct aim *a);

#endif
