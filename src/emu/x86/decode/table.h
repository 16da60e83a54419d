#ifndef EMU_X86_DECODE_TABLE_H
#define EMU_X86_DECODE_TABLE_H
/*
 * The instruction table: one row for each encoding, with all that is known about it.
 *
 * The decoder, the handlers, the thunks and the tests' generators work from these rows. The
 * tables/table_*.def files hold them, laid out to be read beside the SDM's opcode maps (2D, A) and
 * instruction pages.
 */
#include <stddef.h>
#include <stdint.h>

#include "emu/x86/decode/row.h"

struct insn;

/* The CPUID bit that shows a feature. */
struct table_feature_bit {
    uint32_t leaf, subleaf;
    uint8_t reg; /* 0-3: EAX, EBX, ECX, EDX */
    uint8_t bit;
};

extern const struct table_row table_rows[]; /* row 0 is no instruction */
extern const unsigned table_count;

/* The last row of each opcode, or 0. The opcode's other rows stand right before it. */
extern const uint16_t table_last[MAPS][256];

/* The row of an encoding, or NULL. `state`: the enum table_when bits of the instruction. */
static inline const struct table_row *table_find(enum table_map map, uint8_t opcode, uint32_t state)
{
    const struct table_row *r = &table_rows[table_last[map][opcode]];

    for (; r->map == map && (uint8_t)(opcode - r->opcode) <= r->span; r--) {
        if (((r->when ^ state) & r->when >> 16) == 0)
            return r;
    }
    return NULL;
}

static inline enum table_access table_access(const struct table_row *row, unsigned operand)
{
    return (enum table_access)(row->access >> 2 * operand & 3u);
}

/* Flags as bits of RFLAGS. */
uint32_t table_flags_read(const struct insn *insn);
uint32_t table_flags_written(const struct table_row *row); /* undefined ones too */
uint32_t table_flags_undefined(const struct table_row *row);

/* General registers used besides the operands, bit n for register n. For a string instruction that
 * includes rCX, although it uses rCX only if it repeats. */
uint16_t table_gprs_read(const struct table_row *row);
uint16_t table_gprs_written(const struct table_row *row);

/* The CPUID feature that the instruction needs: its row's, or AVX2 where the row's 256-bit form is
 * part of that. */
enum table_feature table_feature(const struct insn *insn);

const char *table_name(enum mnemonic mnemonic);
struct table_feature_bit table_feature_bit(enum table_feature feature);

#endif
