#include <criterion/criterion.h>
#include <string.h>

#include "emu/x86/cpu/mode.h"
#include "lib/x86/processor.h"

static struct processor p;

static void start_64(void)
{
    processor_init(&p, 64);
}

static void start_32(void)
{
    processor_init(&p, 32);
}

static void finish(void)
{
    processor_finish(&p);
}

TestSuite(op_address_64, .init = start_64, .fini = finish);
TestSuite(op_address_32, .init = start_32, .fini = finish);

#define REG(name) (p.cpu->gpr[X86_##name])

Test(op_address_64, a_32_bit_address_wraps_before_the_base_is_added)
{
    memcpy(p.data, "\x11\x22\x33\x44", 4);
    REG(RBX) = 0xfffffff0;
    p.cpu->seg[X86_FS].base = PROCESSOR_DATA;
    cr_assert_eq(STEP(&p, 0x64, 0x67, 0x8b, 0x43, 0x10), PROCESSOR_OK); /* mov eax, fs:[ebx+16] */
    cr_assert_eq(REG(RAX), 0x44332211);
}

Test(op_address_32, an_address_wraps_with_its_base)
{
    memcpy(p.data, "\x11\x22\x33\x44", 4);
    REG(RBX) = 0xfffffff0;
    REG(RCX) = 4;
    p.cpu->seg[X86_FS].base = PROCESSOR_DATA;
    cr_assert_eq(STEP(&p, 0x64, 0x8b, 0x04, 0x8b), PROCESSOR_OK); /* mov eax, fs:[ebx+4*ecx] */
    cr_assert_eq(REG(RAX), 0x44332211);
}

Test(op_address_32, sixteen_bits_wrap_at_64_kib)
{
    memcpy(p.data, "\x11\x22\x33\x44", 4);
    REG(RBX) = 0xffffff00;
    REG(RSI) = 0x100;
    p.cpu->seg[X86_DS].base = PROCESSOR_DATA;
    cr_assert_eq(STEP(&p, 0x67, 0x8b, 0x00), PROCESSOR_OK); /* mov eax, [bx+si] */
    cr_assert_eq(REG(RAX), 0x44332211);
}

/* An operand of this width may lie at the very end of a segment of 0x1000 bytes, and no further. */
static void ends_at_the_limit(unsigned width, uint8_t escape, uint8_t opcode, uint8_t reg)
{
    p.cpu->seg[X86_DS].limit = 0xfff;
    p.cpu->seg[X86_DS].base = PROCESSOR_DATA;
    REG(RBX) = 0x1000 - width;
    cr_assert_eq(STEP(&p, escape, opcode, (uint8_t)(reg << 3 | 3)), PROCESSOR_OK, "width %u",
                 width);
    REG(RBX) += width == 512 ? 16 : 1;
    cr_assert_eq(STEP(&p, escape, opcode, (uint8_t)(reg << 3 | 3)), CPU_GP, "width %u", width);
    cr_assert_eq(p.cpu->fault.error, 0);
}

Test(op_address_32, operands_of_every_width_end_at_the_limit)
{
    ends_at_the_limit(1, 0x3e, 0x8a, 0);
    ends_at_the_limit(2, 0x66, 0x8b, 0);
    ends_at_the_limit(4, 0x3e, 0x8b, 0);
    ends_at_the_limit(8, 0x0f, 0x6f, 0);
    ends_at_the_limit(10, 0x3e, 0xdb, 5);
    ends_at_the_limit(28, 0x3e, 0xd9, 6);
    ends_at_the_limit(108, 0x3e, 0xdd, 6);
    ends_at_the_limit(512, 0x0f, 0xae, 0);
}

Test(op_address_32, through_ss_it_is_a_stack_fault)
{
    p.cpu->seg[X86_SS].limit = 0xfff;
    REG(RBP) = 0x1000;
    cr_assert_eq(STEP(&p, 0x8b, 0x45, 0), CPU_SS); /* mov eax, [ebp] */
}

Test(op_address_32, nothing_is_within_a_null_segment)
{
    p.cpu->seg[X86_FS] = (struct x86_segment){ 0 };
    REG(RBX) = 0;
    cr_assert_eq(STEP(&p, 0x64, 0x8a, 0x03), CPU_GP);
}
