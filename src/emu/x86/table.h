#ifndef EMU_X86_TABLE_H
#define EMU_X86_TABLE_H
/*
 * The instruction table: one row an encoding, and all that is known about it.
 *
 * Decoder, interpreter, translator and test generator work from these rows; the table_*.def files
 * hold them, laid out to be read beside the SDM's opcode maps (2D, A) and instruction pages.
 */
#include <stdbool.h>
#include <stdint.h>

#include "emu/x86/row.h"

struct insn;

struct table_feature_bit {
    uint32_t leaf, subleaf;
    uint8_t reg; /* 0-3: EAX, EBX, ECX, EDX */
    uint8_t bit;
};

/* Rows are numbered 1 to table_rows() - 1. */
unsigned table_rows(void);
const struct table_row *table_row(unsigned row);

/* The row of an encoding, or 0. `state` is a value of enum table_when bits. */
unsigned table_find(enum table_map map, uint8_t opcode, unsigned state);

/* Does the opcode have a ModRM byte? Every row of one opcode agrees. */
bool table_has_modrm(enum table_map map, uint8_t opcode);

static inline enum table_access table_access(const struct table_row *row, unsigned operand)
{
    return (enum table_access)(row->access >> 2 * operand & 3u);
}

/* Flags as bits of RFLAGS. */
uint32_t table_flags_read(const struct insn *insn);
uint32_t table_flags_written(const struct table_row *row); /* undefined ones too */
uint32_t table_flags_undefined(const struct table_row *row);

/* General registers used besides the operands, bit n for register n. */
uint16_t table_gprs_read(const struct table_row *row);
uint16_t table_gprs_written(const struct table_row *row);

const char *table_name(enum mnemonic mnemonic);
struct table_feature_bit table_feature_bit(enum table_feature feature);

#endif
