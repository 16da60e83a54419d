#include <criterion/criterion.h>
#include <string.h>

#include "core/x86/regs.h"
#include "emu/x86/decode/decode.h"
#include "emu/x86/decode/table.h"

/* Bytes with their count. */
#define B(...) (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ })

static struct insn ok(enum decode_mode mode, const uint8_t *bytes, size_t size)
{
    struct insn insn;

    cr_assert_eq(decode(&insn, bytes, size, mode), DECODE_OK);
    cr_assert_eq(insn.len, size);
    return insn;
}

static void fails(enum decode_result why, enum decode_mode mode, const uint8_t *bytes, size_t size)
{
    struct insn insn;

    cr_assert_eq(decode(&insn, bytes, size, mode), why);
}

static enum mnemonic mnemonic(const struct insn *insn)
{
    return (enum mnemonic)table_rows[insn->row].mnemonic;
}

Test(decode, register_form)
{
    struct insn i = ok(DECODE_64, B(0x4d, 0x01, 0xe7)); /* add r15, r12 */

    cr_assert_eq(mnemonic(&i), MN_ADD);
    cr_assert_eq(i.osize, 8);
    cr_assert_eq(i.reg, X86_R12);
    cr_assert_eq(i.rm, X86_R15);
    cr_assert_not(i.flags & INSN_MEM);
    cr_assert_eq(i.opcode_at, 1);
    cr_assert_eq(i.modrm_at, 2);
    cr_assert_eq(i.disp_at, 0);
    cr_assert_eq(i.imm_at, 0);
}

Test(decode, sib_disp_and_immediate)
{
    /* mov dword [fs:r13 + r12*4 - 8], -2 */
    struct insn i = ok(DECODE_64, B(0x64, 0x43, 0xc7, 0x44, 0xa5, 0xf8, 0xfe, 0xff, 0xff, 0xff));

    cr_assert_eq(mnemonic(&i), MN_MOV);
    cr_assert(i.flags & INSN_MEM);
    cr_assert_eq(i.seg, X86_FS);
    cr_assert_eq(i.base, X86_R13);
    cr_assert_eq(i.index, X86_R12);
    cr_assert_eq(i.scale, 2);
    cr_assert_eq(i.disp, -8);
    cr_assert_eq(i.imm, (uint64_t)-2);
    cr_assert_eq(i.prefix_len, 1);
    cr_assert_eq(i.disp_at, 5);
    cr_assert_eq(i.imm_at, 6);
}

Test(decode, rip_relative_in_64_bit_mode_only)
{
    struct insn i = ok(DECODE_64, B(0x8b, 0x05, 1, 2, 3, 4));

    cr_assert_eq(i.base, INSN_RIP);
    cr_assert_eq(i.index, INSN_NONE);
    cr_assert_eq(i.disp, 0x04030201);
    i = ok(DECODE_32, B(0x8b, 0x05, 1, 2, 3, 4));
    cr_assert_eq(i.base, INSN_NONE);
    i = ok(DECODE_64, B(0x8b, 0x04, 0x25, 1, 2, 3, 4));
    cr_assert_eq(i.base, INSN_NONE);
}

Test(decode, stack_segment_is_the_default_of_rsp_and_rbp)
{
    cr_assert_eq(ok(DECODE_64, B(0x8b, 0x04, 0x24)).seg, X86_SS);
    cr_assert_eq(ok(DECODE_64, B(0x8b, 0x45, 0)).seg, X86_SS);
    cr_assert_eq(ok(DECODE_64, B(0x41, 0x8b, 0x45, 0)).seg, X86_DS);
    cr_assert_eq(ok(DECODE_32, B(0x3e, 0x8b, 0x45, 0)).seg, X86_DS);
    cr_assert_eq(ok(DECODE_64, B(0x3e, 0x8b, 0x45, 0)).seg, X86_SS);
    cr_assert_eq(ok(DECODE_16, B(0x8b, 0x02)).seg, X86_SS);
    cr_assert_eq(ok(DECODE_64, B(0x65, 0x2e, 0x8b, 0)).seg, X86_GS,
                 "null prefixes override nothing");
}

Test(decode, addresses_of_16_bits)
{
    struct insn i = ok(DECODE_16, B(0x8b, 0x41, 0x80)); /* mov ax, [bx + di - 128] */

    cr_assert_eq(i.asize, 2);
    cr_assert_eq(i.osize, 2);
    cr_assert_eq(i.base, X86_RBX);
    cr_assert_eq(i.index, X86_RDI);
    cr_assert_eq(i.disp, -128);
    i = ok(DECODE_16, B(0x8b, 0x06, 0x34, 0x12));
    cr_assert_eq(i.base, INSN_NONE);
    cr_assert_eq(i.disp, 0x1234);
    i = ok(DECODE_32, B(0x67, 0x8b, 0x86, 0x34, 0x12));
    cr_assert_eq(i.base, X86_RBP);
    cr_assert_eq(i.disp, 0x1234);
}

Test(decode, operand_sizes)
{
    cr_assert_eq(ok(DECODE_64, B(0x50)).osize, 8);
    cr_assert_eq(ok(DECODE_64, B(0x66, 0x50)).osize, 2);
    cr_assert_eq(ok(DECODE_64, B(0x66, 0xe9, 1, 0, 0, 0)).osize, 8);
    cr_assert_eq(ok(DECODE_64_AMD, B(0x66, 0xe9, 1, 0)).imm, 1, "two bytes of displacement");
    cr_assert_eq(ok(DECODE_64_AMD, B(0x66, 0xe9, 1, 0)).osize, 2);
    cr_assert_eq(ok(DECODE_64_AMD, B(0x66, 0x48, 0xe9, 1, 0, 0, 0)).osize, 8, "REX.W is stronger");
    cr_assert_eq(ok(DECODE_64_AMD, B(0xe9, 1, 0, 0, 0)).osize, 8);
    cr_assert_eq(ok(DECODE_64_AMD, B(0x66, 0x50)).osize, 2);
    cr_assert_eq(ok(DECODE_64, B(0x66, 0x48, 0x40, 0x90)).osize, 2, "the last REX counts");
    cr_assert_eq(ok(DECODE_32, B(0x66, 0xe9, 1, 0)).osize, 2);
    cr_assert_eq(ok(DECODE_16, B(0x66, 0x50)).osize, 4);
    cr_assert_eq(ok(DECODE_64, B(0x48, 0xcf)).osize, 8);
}

Test(decode, rex_before_a_legacy_prefix_is_ignored)
{
    struct insn i = ok(DECODE_64, B(0x4f, 0x66, 0x89, 0xc8));

    cr_assert_eq(i.osize, 2);
    cr_assert_eq(i.reg, X86_RCX);
    cr_assert_eq(i.rm, X86_RAX);
    cr_assert_not(i.flags & INSN_REX);
    cr_assert(ok(DECODE_64, B(0x40, 0x88, 0xe0)).flags & INSN_REX);
}

Test(decode, immediates)
{
    struct insn i;

    cr_assert_eq(ok(DECODE_64, B(0x48, 0xb9, 1, 2, 3, 4, 5, 6, 7, 0x88)).imm, 0x8807060504030201);
    cr_assert_eq(ok(DECODE_64, B(0xc1, 0xe0, 0xff)).imm, 0xff);
    cr_assert_eq(ok(DECODE_64, B(0x6a, 0xff)).imm, UINT64_MAX);
    cr_assert_eq(ok(DECODE_64, B(0xc2, 0xff, 0xff)).imm, 0xffff);
    cr_assert_eq(ok(DECODE_64, B(0xa1, 8, 7, 6, 5, 4, 3, 2, 0x81)).imm, 0x8102030405060708);
    cr_assert_eq(ok(DECODE_64, B(0x67, 0xa1, 8, 7, 6, 0x85)).imm, 0x85060708);
    cr_assert_eq(ok(DECODE_16, B(0xa1, 8, 0xff)).imm, 0xff08);
    i = ok(DECODE_32, B(0xea, 1, 2, 3, 0x84, 5, 6));
    cr_assert_eq(i.imm, 0x84030201);
    cr_assert_eq(i.imm2, 0x0605);
    i = ok(DECODE_16, B(0x9a, 1, 0x82, 3, 4));
    cr_assert_eq(i.imm, 0x8201);
    cr_assert_eq(i.imm2, 0x0403);
    i = ok(DECODE_64, B(0xc8, 0x10, 0x80, 3));
    cr_assert_eq(i.imm, 0x8010);
    cr_assert_eq(i.imm2, 3);
}

Test(decode, lock_needs_a_memory_destination_that_allows_it)
{
    cr_assert(ok(DECODE_64, B(0xf0, 0x48, 0x01, 0x08)).flags & INSN_LOCK);
    fails(DECODE_UNDEFINED, DECODE_64, B(0xf0, 0x48, 0x01, 0xc8));
    fails(DECODE_UNDEFINED, DECODE_64, B(0xf0, 0x48, 0x03, 0x08));
    fails(DECODE_UNDEFINED, DECODE_64, B(0xf0, 0x39, 0x08));
    fails(DECODE_UNDEFINED, DECODE_64, B(0xf0, 0x90));
}

Test(decode, repeat_prefixes_the_last_counts)
{
    struct insn i = ok(DECODE_64, B(0xf2, 0xf3, 0xa4));

    cr_assert_eq(i.flags & (INSN_REP | INSN_REPNE), INSN_REP);
    i = ok(DECODE_64, B(0xf3, 0xf2, 0x66, 0xa7));
    cr_assert_eq(i.flags & (INSN_REP | INSN_REPNE), INSN_REPNE);
    i = ok(DECODE_64, B(0xf3, 0x90));
    cr_assert_eq(mnemonic(&i), MN_PAUSE);
    i = ok(DECODE_64, B(0x49, 0x90));
    cr_assert_eq(mnemonic(&i), MN_XCHG);
    cr_assert_eq(i.reg, X86_R8);
    i = ok(DECODE_64, B(0x66, 0xf3, 0x0f, 0xb8, 0xc1));
    cr_assert_eq(mnemonic(&i), MN_POPCNT);
    cr_assert_eq(i.osize, 2);
}

Test(decode, registers_that_do_not_exist)
{
    fails(DECODE_UNDEFINED, DECODE_64, B(0x8e, 0xc8)); /* mov cs, eax */
    fails(DECODE_UNDEFINED, DECODE_64, B(0x8c, 0xf0)); /* segment 6 */
    cr_assert_eq(ok(DECODE_64, B(0x8c, 0xc8)).reg, X86_CS);
    fails(DECODE_UNDEFINED, DECODE_64, B(0x0f, 0x20, 0xc8)); /* cr1 */
    cr_assert_eq(ok(DECODE_64, B(0x44, 0x0f, 0x20, 0xc0)).reg, 8);
    fails(DECODE_UNDEFINED, DECODE_64, B(0x44, 0x0f, 0x21, 0xc0)); /* dr8 */
    cr_assert_eq(ok(DECODE_64, B(0x0f, 0x22, 0x18)).rm, X86_RAX, "mod is ignored");
}

Test(decode, opcodes_by_mode)
{
    struct insn i = ok(DECODE_32, B(0x48));

    cr_assert_eq(mnemonic(&i), MN_DEC);
    i = ok(DECODE_32, B(0xc4, 0x00));
    cr_assert_eq(mnemonic(&i), MN_LES);
    i = ok(DECODE_32, B(0x63, 0xc1));
    cr_assert_eq(mnemonic(&i), MN_ARPL);
    i = ok(DECODE_64, B(0x63, 0xc1));
    cr_assert_eq(mnemonic(&i), MN_MOVSXD);
    fails(DECODE_UNDEFINED, DECODE_64, B(0x60));
    fails(DECODE_UNDEFINED, DECODE_64, B(0x06));
    fails(DECODE_UNDEFINED, DECODE_64, B(0x82, 0xc0, 1));
    fails(DECODE_UNDEFINED, DECODE_32, B(0x0f, 0x01, 0xf8));
    fails(DECODE_UNDEFINED, DECODE_64, B(0x62, 0xf1, 0x7c, 0x48, 0x58, 0xc0));
}

Test(decode, undefined_opcodes_that_decode)
{
    cr_assert_eq(table_rows[ok(DECODE_64, B(0x0f, 0x0b)).row].class, CLASS_UD);
    cr_assert_eq(table_rows[ok(DECODE_64, B(0x0f, 0xff, 0x45, 1)).row].class, CLASS_UD);
    cr_assert_eq(table_rows[ok(DECODE_64, B(0x0f, 0xb9, 0xc0)).row].class, CLASS_UD);
}

Test(decode, fifteen_bytes_and_no_more)
{
    uint8_t bytes[40];

    memset(bytes, 0x66, sizeof bytes);
    bytes[14] = 0x90;
    cr_assert_eq(ok(DECODE_64, bytes, 15).len, 15);
    bytes[14] = 0x66;
    bytes[15] = 0x90;
    fails(DECODE_TOO_LONG, DECODE_64, bytes, sizeof bytes);
    fails(DECODE_TOO_LONG, DECODE_64, bytes, 15);
    fails(DECODE_MORE, DECODE_64, bytes, 14);
    bytes[11] = 0x81; /* an immediate of four bytes would end at 17 */
    bytes[12] = 0xc0;
    bytes[11 - 1] = 0x67;
    bytes[0] = 0x67;
    memset(bytes, 0x67, 11);
    fails(DECODE_TOO_LONG, DECODE_64, bytes, sizeof bytes);
    fails(DECODE_TOO_LONG, DECODE_64, bytes, 15);
    fails(DECODE_MORE, DECODE_64, bytes, 14);
}

/* An instruction cut off anywhere wants more bytes; what is behind a whole one does not matter. */
Test(decode, every_cut_wants_more)
{
    static const struct {
        uint8_t size, bytes[12];
    } insns[] = {
        { 10, { 0x64, 0x43, 0xc7, 0x44, 0xa5, 0xf8, 0xfe, 0xff, 0xff, 0xff } },
        { 10, { 0x48, 0xb9, 1, 2, 3, 4, 5, 6, 7, 8 } },
        { 4, { 0x0f, 0xba, 0xe0, 7 } },
        { 2, { 0x0f, 0x0b } },
        { 4, { 0xc8, 1, 2, 3 } },
        { 3, { 0xf0, 0x01, 0x08 } },
    };
    struct insn whole, longer;
    uint8_t tail[64];

    for (size_t i = 0; i < sizeof insns / sizeof insns[0]; i++) {
        whole = ok(DECODE_64, insns[i].bytes, insns[i].size);
        for (size_t cut = 0; cut < insns[i].size; cut++)
            fails(DECODE_MORE, DECODE_64, insns[i].bytes, cut);
        memset(tail, 0xff, sizeof tail);
        memcpy(tail, insns[i].bytes, insns[i].size);
        cr_assert_eq(decode(&longer, tail, sizeof tail, DECODE_64), DECODE_OK);
        cr_assert_eq(longer.len, whole.len);
        cr_assert_eq(longer.row, whole.row);
        cr_assert_eq(longer.imm, whole.imm);
        cr_assert_eq(longer.disp, whole.disp);
    }
}

Test(decode, vex_fields)
{
    struct insn i = ok(DECODE_64, B(0xc5, 0x1d, 0x58, 0x04, 0x24)); /* vaddpd ymm8, ymm12, [rsp] */

    cr_assert_eq(mnemonic(&i), MN_VADDPD);
    cr_assert_eq(i.reg, 8);
    cr_assert_eq(i.vvvv, 12);
    cr_assert_eq(i.base, X86_RSP);
    cr_assert(i.flags & INSN_L);
    cr_assert_not(i.flags & (INSN_REX | INSN_REP | INSN_REPNE));
    cr_assert_eq(i.opcode_at, 2);
    i = ok(DECODE_64, B(0xc4, 0x42, 0x93, 0xf7, 0xc1)); /* shrx r8, r9, r13 */
    cr_assert_eq(mnemonic(&i), MN_SHRX);
    cr_assert_eq(i.reg, X86_R8);
    cr_assert_eq(i.rm, X86_R9);
    cr_assert_eq(i.vvvv, X86_R13);
    cr_assert(i.flags & INSN_W);
}

Test(decode, what_vex_forbids)
{
    fails(DECODE_UNDEFINED, DECODE_64, B(0x66, 0xc5, 0xf8, 0x58, 0xc1));
    fails(DECODE_UNDEFINED, DECODE_64, B(0xf3, 0xc5, 0xf8, 0x58, 0xc1));
    fails(DECODE_UNDEFINED, DECODE_64, B(0xf0, 0xc5, 0xf8, 0x58, 0x01));
    fails(DECODE_UNDEFINED, DECODE_64, B(0x48, 0xc5, 0xf8, 0x58, 0xc1));
    fails(DECODE_UNDEFINED, DECODE_64, B(0xc5, 0xf0, 0x28, 0xc1));       /* movaps has no vvvv */
    fails(DECODE_UNDEFINED, DECODE_64, B(0xc4, 0xe4, 0x78, 0x58, 0xc1)); /* map 4 */
    fails(DECODE_UNDEFINED, DECODE_64, B(0xc5, 0xfd, 0x6e, 0xc1));       /* vmovd of 256 bits */
    fails(DECODE_UNDEFINED, DECODE_64, B(0xc4, 0xe2, 0xfd, 0x36, 0xc1)); /* vpermd with W */
    cr_assert_eq(ok(DECODE_64, B(0x64, 0x67, 0xc5, 0xf8, 0x58, 0x01)).seg, X86_FS);
}

Test(decode, gathers)
{
    struct insn i = ok(DECODE_64, B(0xc4, 0xe2, 0x6d, 0x90, 0x0c, 0xa0));

    cr_assert_eq(i.index, 4, "in a vector index 4 is a register like any other");
    cr_assert_eq(i.base, X86_RAX);
    fails(DECODE_UNDEFINED, DECODE_64, B(0xc4, 0xe2, 0x75, 0x90, 0x0c, 0xa0)); /* mask twice */
    fails(DECODE_UNDEFINED, DECODE_64, B(0xc4, 0xe2, 0x6d, 0x90, 0x0c, 0x88)); /* index twice */
    fails(DECODE_UNDEFINED, DECODE_64, B(0xc4, 0xe2, 0x6d, 0x90, 0x08));       /* no SIB */
    fails(DECODE_UNDEFINED, DECODE_32, B(0x67, 0xc4, 0xe2, 0x6d, 0x90, 0x0c)); /* 16 bits: no SIB */
}
