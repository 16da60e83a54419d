#ifndef TESTS_EMU_ENCODE_H
#define TESTS_EMU_ENCODE_H
/*
 * From a row of the instruction table to the bytes of some instruction of that form.
 */
#include "emu/x86/case.h"
#include "emu/x86/pick.h"

/* Why the row's instructions cannot be tried in ring 3 of a process, or NULL. */
const char *encode_excluded(const struct table_row *row);

/* Prefixes, registers, addressing and immediates at random; fills code, insn and row. False: what
 * came out is no instruction of this row; try again. */
bool encode(struct pick *p, const struct table_row *row, struct test_case *t);

#endif
