#ifndef TESTS_EMU_ENCODE_H
#define TESTS_EMU_ENCODE_H
/*
 * Turns a row of the instruction table into the bytes of some instruction of that form.
 */
#include "emu/x86/case.h"
#include "emu/x86/pick.h"

/* Why the row's instructions cannot be tried in ring 3 of a process, or NULL. */
const char *encode_excluded(const struct table_row *row);

/* Draws prefixes, registers, addressing and immediates at random; fills in code, insn and row.
 * False: the result is not an instruction of this row; try again. */
bool encode(struct pick *p, const struct table_row *row, struct test_case *t);

#endif
