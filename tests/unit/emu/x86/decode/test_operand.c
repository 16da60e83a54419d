#include <criterion/criterion.h>

#include "core/x86/regs.h"
#include "emu/x86/decode/decode.h"
#include "emu/x86/decode/table.h"

/* Bytes with their count. */
#define B(...) (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ })

static struct insn insn;

static unsigned bytes_of(unsigned i, enum decode_mode mode, const uint8_t *bytes, size_t size)
{
    cr_assert_eq(decode(&insn, bytes, size, mode), DECODE_OK);
    return operand_bytes(&insn, (enum operand)table_rows[insn.row].operand[i]);
}

static unsigned reg_of(unsigned i, enum decode_mode mode, const uint8_t *bytes, size_t size)
{
    cr_assert_eq(decode(&insn, bytes, size, mode), DECODE_OK);
    return operand_reg(&insn, (enum operand)table_rows[insn.row].operand[i]);
}

Test(operand, widths_that_follow_the_operand_size)
{
    cr_assert_eq(bytes_of(0, DECODE_64, B(0x48, 0x01, 0x08)), 8);
    cr_assert_eq(bytes_of(0, DECODE_64, B(0x66, 0x01, 0x08)), 2);
    cr_assert_eq(bytes_of(1, DECODE_64, B(0x48, 0x05, 1, 2, 3, 4)), 4);
    cr_assert_eq(bytes_of(0, DECODE_64, B(0xff, 0x18)), 6); /* call far [rax] */
    cr_assert_eq(bytes_of(1, DECODE_32, B(0x62, 0x00)), 8); /* bound */
}

Test(operand, widths_that_follow_the_mode_or_W)
{
    cr_assert_eq(bytes_of(0, DECODE_64, B(0x0f, 0x01, 0x00)), 10); /* sgdt */
    cr_assert_eq(bytes_of(0, DECODE_32, B(0x0f, 0x01, 0x00)), 6);
    cr_assert_eq(bytes_of(0, DECODE_64, B(0x66, 0x0f, 0x20, 0xc0)), 8); /* mov rax, cr0 */
    cr_assert_eq(bytes_of(0, DECODE_64, B(0x48, 0x0f, 0xc7, 0x08)), 16);
    cr_assert_eq(bytes_of(0, DECODE_64, B(0x0f, 0xc7, 0x08)), 8);
    cr_assert_eq(bytes_of(1, DECODE_32, B(0xc4, 0xe1, 0xf9, 0x6e, 0x00)), 4, "W without registers");
}

Test(operand, memory_may_be_narrower_than_the_register)
{
    cr_assert_eq(bytes_of(1, DECODE_64, B(0xf3, 0x0f, 0x58, 0x00)), 4); /* addss */
    cr_assert_eq(bytes_of(1, DECODE_64, B(0xf3, 0x0f, 0x58, 0xc0)), 16);
    cr_assert_eq(bytes_of(0, DECODE_64, B(0x0f, 0x00, 0x00)), 2); /* sldt */
    cr_assert_eq(bytes_of(0, DECODE_64, B(0x0f, 0x00, 0xc0)), 4);
}

Test(operand, vector_widths_follow_L)
{
    cr_assert_eq(bytes_of(2, DECODE_64, B(0xc5, 0xf8, 0x58, 0x00)), 16);
    cr_assert_eq(bytes_of(2, DECODE_64, B(0xc5, 0xfc, 0x58, 0x00)), 32);
    cr_assert_eq(bytes_of(1, DECODE_64, B(0xc5, 0xfb, 0x12, 0x00)), 8); /* vmovddup */
    cr_assert_eq(bytes_of(1, DECODE_64, B(0xc5, 0xff, 0x12, 0x00)), 32);
    cr_assert_eq(bytes_of(1, DECODE_64, B(0xc4, 0xe2, 0x7d, 0x22, 0x00)), 4); /* vpmovsxbq */
    cr_assert_eq(bytes_of(1, DECODE_64, B(0xc4, 0xe2, 0x7d, 0x21, 0x00)), 8);
    cr_assert_eq(bytes_of(1, DECODE_64, B(0xc4, 0xe2, 0x7d, 0x20, 0x00)), 16);
}

Test(operand, x87_environments_follow_the_operand_size)
{
    cr_assert_eq(bytes_of(0, DECODE_32, B(0xd9, 0x30)), 28);
    cr_assert_eq(bytes_of(0, DECODE_16, B(0xd9, 0x30)), 14);
    cr_assert_eq(bytes_of(0, DECODE_32, B(0xdd, 0x30)), 108);
    cr_assert_eq(bytes_of(0, DECODE_32, B(0x66, 0xdd, 0x30)), 94);
    cr_assert_eq(bytes_of(0, DECODE_64, B(0x0f, 0xae, 0x00)), 512);
    cr_assert_eq(bytes_of(1, DECODE_64, B(0xdb, 0x28)), 10);
}

Test(operand, registers_come_from_every_place)
{
    /* vblendvps xmm9, xmm10, xmm11, xmm12 */
    const uint8_t blend[] = { 0xc4, 0x43, 0x29, 0x4a, 0xcb, 0xc0 };

    cr_assert_eq(reg_of(0, DECODE_64, blend, sizeof blend), 9);
    cr_assert_eq(reg_of(1, DECODE_64, blend, sizeof blend), 10);
    cr_assert_eq(reg_of(2, DECODE_64, blend, sizeof blend), 11);
    cr_assert_eq(reg_of(3, DECODE_64, blend, sizeof blend), 12);
    cr_assert_eq(reg_of(0, DECODE_64, B(0x41, 0x57)), X86_R15);
    cr_assert_eq(reg_of(1, DECODE_64, B(0xd3, 0xe0)), X86_RCX);
    cr_assert_eq(reg_of(0, DECODE_64, B(0x0f, 0xa8)), X86_GS);
}

Test(operand, eight_registers_outside_64_bit_mode)
{
    const uint8_t blend[] = { 0xc4, 0xc3, 0x29, 0x4a, 0xcb, 0xc0 }; /* B, vvvv, is4 ask for more */

    cr_assert_eq(reg_of(1, DECODE_32, blend, sizeof blend), 2);
    cr_assert_eq(reg_of(2, DECODE_32, blend, sizeof blend), 3);
    cr_assert_eq(reg_of(3, DECODE_32, blend, sizeof blend), 4);
    cr_assert_eq(reg_of(0, DECODE_64, B(0x4f, 0x0f, 0xfe, 0xc9)), 1, "MMX ignores REX");
    cr_assert_eq(reg_of(1, DECODE_64, B(0x4f, 0x0f, 0xfe, 0xc9)), 1);
}
