#include "emu/x86/decode/table.h"

#include <criterion/criterion.h>
#include <string.h>

#include "core/x86/bits.h"
#include "core/x86/regs.h"
#include "emu/x86/decode/decode.h"

static unsigned last_opcode(const struct table_row *r)
{
    return r->opcode + r->span;
}

static bool share_an_opcode(const struct table_row *a, const struct table_row *b)
{
    return a->map == b->map && a->opcode <= last_opcode(b) && b->opcode <= last_opcode(a);
}

/* Two rows overlap unless some bit that both look at must differ. */
static bool can_both_match(const struct table_row *a, const struct table_row *b)
{
    return ((a->when ^ b->when) & (a->when >> 16 & b->when >> 16)) == 0;
}

Test(table, no_encoding_has_two_rows)
{
    for (unsigned a = 1; a < table_count; a++) {
        for (unsigned b = a + 1; b < table_count; b++) {
            if (share_an_opcode(&table_rows[a], &table_rows[b]))
                cr_assert_not(can_both_match(&table_rows[a], &table_rows[b]),
                              "rows %u and %u, opcode %02x", a, b, table_rows[b].opcode);
        }
    }
}

/* table_find() looks at neighbours only. */
Test(table, rows_of_an_opcode_stand_together)
{
    for (unsigned a = 1; a < table_count; a++) {
        for (unsigned b = a + 1; b < table_count; b++) {
            if (share_an_opcode(&table_rows[a], &table_rows[b]))
                cr_assert(share_an_opcode(&table_rows[b - 1], &table_rows[b]));
        }
    }
}

Test(table, index_finds_every_row)
{
    for (unsigned n = 1; n < table_count; n++) {
        const struct table_row *r = &table_rows[n];

        for (unsigned op = r->opcode; op <= last_opcode(r); op++)
            cr_assert_eq(table_find((enum table_map)r->map, (uint8_t)op, r->when & 0xffffu), r);
    }
}

Test(table, index_finds_nothing_else)
{
    for (unsigned map = 0; map < MAPS; map++) {
        for (unsigned op = 0; op < 256; op++) {
            unsigned last = table_last[map][op];

            if (last == 0) {
                cr_assert_null(table_find((enum table_map)map, (uint8_t)op, 0));
                continue;
            }
            cr_assert_eq(table_rows[last].map, map);
            cr_assert(table_rows[last].opcode <= op && op <= last_opcode(&table_rows[last]));
        }
    }
}

/* The decoder decides from one row whether there is a ModRM byte. */
Test(table, rows_of_an_opcode_agree_about_modrm)
{
    for (unsigned n = 1; n < table_count; n++) {
        const struct table_row *r = &table_rows[n], *l = &table_rows[table_last[r->map][r->opcode]];

        cr_assert_eq(r->needs & NEEDS_MODRM, l->needs & NEEDS_MODRM, "row %u", n);
    }
}

Test(table, rows_are_consistent)
{
    for (unsigned n = 1; n < table_count; n++) {
        const struct table_row *r = &table_rows[n];
        bool memory = false;

        cr_assert_eq(r->when & 0xffffu & ~(r->when >> 16), 0, "row %u: a value outside its mask",
                     n);
        cr_assert(r->mnemonic > MN_NONE && r->mnemonic < MNEMONICS);
        cr_assert_eq(table_flags_undefined(r) & ~table_flags_written(r), 0);
        for (unsigned i = 0; i < TABLE_OPERANDS; i++) {
            const struct operand_kind *kind = &operand_kinds[r->operand[i]];

            if (r->operand[i] == OPERAND_)
                cr_assert_eq(table_access(r, i), ACCESS_N, "row %u", n);
            memory |= kind->place == PLACE_RM;
            /* an operand that is always memory must exclude mod 3 */
            if (kind->place == PLACE_RM && kind->file == FILE_NONE)
                cr_assert_eq(r->when >> 16 & WHEN_MOD3, WHEN_MOD3, "row %u", n);
        }
        if (r->attr & (ATTR_LOCK | ATTR_ALIGN))
            cr_assert(memory, "row %u", n);
        if (r->attr & ATTR_LOCK)
            cr_assert_eq(table_access(r, 0), ACCESS_U);
    }
}

Test(table, flags_of_conditions)
{
    struct insn insn;

    cr_assert_eq(decode(&insn, (const uint8_t[]){ 0x74, 0 }, 2, DECODE_64), DECODE_OK);
    cr_assert_eq(table_flags_read(&insn), X86_RFLAGS_ZF);
    cr_assert_eq(decode(&insn, (const uint8_t[]){ 0x0f, 0x97, 0xc0 }, 3, DECODE_64), DECODE_OK);
    cr_assert_eq(table_flags_read(&insn), X86_RFLAGS_CF | X86_RFLAGS_ZF);
    cr_assert_eq(decode(&insn, (const uint8_t[]){ 0x11, 0xc0 }, 2, DECODE_64), DECODE_OK);
    cr_assert_eq(table_flags_read(&insn), X86_RFLAGS_CF);
    cr_assert(table_flags_written(&table_rows[insn.row]) & X86_RFLAGS_OF);
}

Test(table, implicit_registers)
{
    struct insn insn;

    cr_assert_eq(decode(&insn, (const uint8_t[]){ 0xf3, 0xa4 }, 2, DECODE_64), DECODE_OK);
    cr_assert_eq(table_gprs_written(&table_rows[insn.row]),
                 1u << X86_RCX | 1u << X86_RSI | 1u << X86_RDI);
    cr_assert_eq(decode(&insn, (const uint8_t[]){ 0xf7, 0xe1 }, 2, DECODE_64), DECODE_OK);
    cr_assert_eq(table_gprs_read(&table_rows[insn.row]), 1u << X86_RAX);
    cr_assert_eq(table_gprs_written(&table_rows[insn.row]), 1u << X86_RAX | 1u << X86_RDX);
}

Test(table, names_and_features)
{
    struct table_feature_bit bit = table_feature_bit(FEATURE_BMI2);

    cr_assert_str_eq(table_name(MN_ADD), "ADD");
    for (unsigned n = 0; n < MNEMONICS; n++)
        cr_assert_not_null(table_name((enum mnemonic)n));
    cr_assert_eq(bit.leaf, 7);
    cr_assert_eq(bit.reg, 1);
    cr_assert_eq(bit.bit, 8);
}
