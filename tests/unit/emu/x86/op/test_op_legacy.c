#include <criterion/criterion.h>
#include <string.h>

#include "lib/x86/processor.h"

static struct processor p;

static void start(void)
{
    processor_init(&p, 32);
}

static void finish(void)
{
    processor_finish(&p);
}

TestSuite(op_legacy, .init = start, .fini = finish);

#define DECIMAL (FLAGS_SF | FLAGS_ZF | FLAGS_PF | FLAGS_AF | FLAGS_CF)

static void adjusts(uint8_t opcode, uint16_t ax, flags_t before, uint16_t after, flags_t flags)
{
    p.cpu->gpr[X86_RAX] = ax;
    p.cpu->flags = before;
    cr_assert_eq(STEP(&p, opcode), PROCESSOR_OK);
    cr_assert_eq(p.cpu->gpr[X86_RAX], after, "%#x: %#x becomes %#lx, not %#x", opcode, ax,
                 (unsigned long)p.cpu->gpr[X86_RAX], after);
    cr_assert_eq(p.cpu->flags & DECIMAL, flags, "%#x of %#x: flags %#x, not %#x", opcode, ax,
                 p.cpu->flags, flags);
}

#define DAA 0x27
#define DAS 0x2f
#define AAA 0x37
#define AAS 0x3f

/* The SDM's own examples, and each of the two corrections alone. */
Test(op_legacy, daa_adjusts_each_digit)
{
    adjusts(DAA, 0xae, 0, 0x14, FLAGS_PF | FLAGS_AF | FLAGS_CF);
    adjusts(DAA, 0x2e, 0, 0x34, FLAGS_AF);
    adjusts(DAA, 0x12, FLAGS_AF, 0x18, FLAGS_PF | FLAGS_AF);
    adjusts(DAA, 0xa0, 0, 0x00, FLAGS_ZF | FLAGS_PF | FLAGS_CF);
    adjusts(DAA, 0x9a, 0, 0x00, FLAGS_ZF | FLAGS_PF | FLAGS_AF | FLAGS_CF);
    adjusts(DAA, 0x45, 0, 0x45, 0);
    adjusts(DAA, 0x30, FLAGS_CF, 0x90, FLAGS_SF | FLAGS_PF | FLAGS_CF);
}

Test(op_legacy, das_adjusts_each_digit)
{
    adjusts(DAS, 0xee, 0, 0x88, FLAGS_SF | FLAGS_PF | FLAGS_AF | FLAGS_CF);
    adjusts(DAS, 0x2e, 0, 0x28, FLAGS_PF | FLAGS_AF);
    adjusts(DAS, 0x05, FLAGS_AF, 0xff, FLAGS_SF | FLAGS_PF | FLAGS_AF | FLAGS_CF);
    adjusts(DAS, 0xa0, 0, 0x40, FLAGS_CF);
    adjusts(DAS, 0x45, 0, 0x45, 0);
}

static unsigned from_bcd(unsigned bcd)
{
    return (bcd >> 4) * 10 + (bcd & 15);
}

static unsigned to_bcd(unsigned n)
{
    return n / 10 % 10 << 4 | n % 10;
}

/* Their purpose: decimal arithmetic, here on all pairs of two-digit numbers. */
Test(op_legacy, decimal_arithmetic_comes_out_right)
{
    for (unsigned i = 0; i < 10000; i++) {
        unsigned a = to_bcd(i / 100), b = to_bcd(i % 100);
        unsigned sum = from_bcd(a) + from_bcd(b), less = 100 + from_bcd(a) - from_bcd(b);

        p.cpu->gpr[X86_RAX] = a;
        p.cpu->gpr[X86_RBX] = b;
        cr_assert_eq(STEP(&p, 0x00, 0xd8), PROCESSOR_OK); /* add al, bl */
        cr_assert_eq(STEP(&p, DAA), PROCESSOR_OK);
        cr_assert_eq(p.cpu->gpr[X86_RAX], to_bcd(sum));
        cr_assert_eq((p.cpu->flags & FLAGS_CF) != 0, sum > 99);

        p.cpu->gpr[X86_RAX] = a;
        cr_assert_eq(STEP(&p, 0x28, 0xd8), PROCESSOR_OK); /* sub al, bl */
        cr_assert_eq(STEP(&p, DAS), PROCESSOR_OK);
        cr_assert_eq(p.cpu->gpr[X86_RAX], to_bcd(less));
        cr_assert_eq((p.cpu->flags & FLAGS_CF) != 0, less < 100);
    }
}

Test(op_legacy, ascii_adjustment_carries_into_ah)
{
    adjusts(AAA, 0x010b, 0, 0x0201, FLAGS_AF | FLAGS_CF);
    adjusts(AAA, 0x0108, 0, 0x0108, 0);
    adjusts(AAA, 0x0102, FLAGS_AF, 0x0208, FLAGS_AF | FLAGS_CF);
    adjusts(AAA, 0x01fa, 0, 0x0300, FLAGS_ZF | FLAGS_PF | FLAGS_AF | FLAGS_CF);
    adjusts(AAS, 0x02ff, 0, 0x0109, FLAGS_PF | FLAGS_AF | FLAGS_CF);
    adjusts(AAS, 0x0205, 0, 0x0205, FLAGS_PF);
    adjusts(AAS, 0x0203, FLAGS_AF, 0x000d, FLAGS_AF | FLAGS_CF);
}

Test(op_legacy, aam_and_aad_split_and_join_digits)
{
    struct cpu *c = p.cpu;

    c->gpr[X86_RAX] = 0xff3f; /* 63 */
    cr_assert_eq(STEP(&p, 0xd4, 10), PROCESSOR_OK);
    cr_assert_eq(c->gpr[X86_RAX], 0x0603);
    cr_assert_eq(c->flags & (FLAGS_SF | FLAGS_ZF | FLAGS_PF), FLAGS_PF);
    cr_assert_eq(STEP(&p, 0xd5, 10), PROCESSOR_OK);
    cr_assert_eq(c->gpr[X86_RAX], 0x003f);

    c->gpr[X86_RAX] = 0x10f0;
    cr_assert_eq(STEP(&p, 0xd5, 16), PROCESSOR_OK);
    cr_assert_eq(c->gpr[X86_RAX], 0x00f0, "the product and the sum wrap at eight bits");
    cr_assert_eq(c->flags & FLAGS_SF, FLAGS_SF);
}

Test(op_legacy, aam_by_zero_divides_by_zero)
{
    p.cpu->gpr[X86_RAX] = 0x1234;
    cr_assert_eq(STEP(&p, 0xd4, 0), CPU_DE);
    cr_assert_eq(p.cpu->gpr[X86_RAX], 0x1234);
    cr_assert_eq(p.cpu->rip, PROCESSOR_CODE);
}

Test(op_legacy, salc_spreads_the_carry)
{
    p.cpu->gpr[X86_RAX] = 0x1234;
    p.cpu->flags = FLAGS_CF;
    cr_assert_eq(STEP(&p, 0xd6), PROCESSOR_OK);
    cr_assert_eq(p.cpu->gpr[X86_RAX], 0x12ff);
    p.cpu->flags = FLAGS_ALL & ~FLAGS_CF;
    cr_assert_eq(STEP(&p, 0xd6), PROCESSOR_OK);
    cr_assert_eq(p.cpu->gpr[X86_RAX], 0x1200);
    cr_assert_eq(p.cpu->flags, FLAGS_ALL & ~FLAGS_CF);
}

static int bound32(int32_t index)
{
    const int32_t bounds[] = { -5, 7 };

    memcpy(p.data, bounds, sizeof(bounds));
    p.cpu->gpr[X86_RDI] = PROCESSOR_DATA;
    p.cpu->gpr[X86_RAX] = (uint32_t)index;
    return STEP(&p, 0x62, 0x07);
}

Test(op_legacy, bound_allows_both_bounds)
{
    cr_assert_eq(bound32(-5), PROCESSOR_OK);
    cr_assert_eq(bound32(7), PROCESSOR_OK);
    cr_assert_eq(bound32(-6), CPU_BR);
    cr_assert_eq(bound32(8), CPU_BR);
    cr_assert_eq(p.cpu->rip, PROCESSOR_CODE, "a fault, not a trap");
}

Test(op_legacy, bound_of_words_is_signed_too)
{
    const int16_t bounds[] = { -5, 7 };

    memcpy(p.data, bounds, sizeof(bounds));
    p.cpu->gpr[X86_RDI] = PROCESSOR_DATA;
    p.cpu->gpr[X86_RAX] = 0xdead0000u | (uint16_t)-5;
    cr_assert_eq(STEP(&p, 0x66, 0x62, 0x07), PROCESSOR_OK);
    p.cpu->gpr[X86_RAX] = 8;
    cr_assert_eq(STEP(&p, 0x66, 0x62, 0x07), CPU_BR);
    p.cpu->gpr[X86_RDI] = PROCESSOR_HOLE;
    cr_assert_eq(STEP(&p, 0x66, 0x62, 0x07), CPU_PF);
}

Test(op_legacy, arpl_only_raises)
{
    struct cpu *c = p.cpu;

    c->flags = 0;
    c->gpr[X86_RBX] = 0xaaaa0011;
    c->gpr[X86_RAX] = 3;
    cr_assert_eq(STEP(&p, 0x63, 0xc3), PROCESSOR_OK); /* arpl bx, ax */
    cr_assert_eq(c->gpr[X86_RBX], 0xaaaa0013);
    cr_assert_eq(c->flags, FLAGS_ZF);
    c->flags = FLAGS_ALL;
    c->gpr[X86_RAX] = 2;
    cr_assert_eq(STEP(&p, 0x63, 0xc3), PROCESSOR_OK);
    cr_assert_eq(c->gpr[X86_RBX], 0xaaaa0013);
    cr_assert_eq(c->flags, FLAGS_ALL & ~FLAGS_ZF);
}

Test(op_legacy, arpl_of_memory)
{
    struct cpu *c = p.cpu;

    c->flags = 0;
    p.data[0] = 0x20;
    c->gpr[X86_RDI] = PROCESSOR_DATA;
    c->gpr[X86_RAX] = 2;
    cr_assert_eq(STEP(&p, 0x63, 0x07), PROCESSOR_OK);
    cr_assert_eq(p.data[0], 0x22);
    cr_assert_eq(c->flags, FLAGS_ZF);
    cr_assert_eq(STEP(&p, 0x63, 0x07), PROCESSOR_OK);
    cr_assert_eq(c->flags, 0);
    c->gpr[X86_RDI] = PROCESSOR_HOLE;
    cr_assert_eq(STEP(&p, 0x63, 0x07), CPU_PF);
}

Test(op_legacy, are_undefined_in_64_bit_mode)
{
    static const uint8_t opcodes[] = { DAA, DAS, AAA, AAS, 0xd4, 0xd5, 0xd6 };
    struct processor wide;

    processor_init(&wide, 64);
    for (unsigned i = 0; i < sizeof(opcodes); i++)
        cr_assert_eq(STEP(&wide, opcodes[i], 10), CPU_UD);
    processor_finish(&wide);
}
