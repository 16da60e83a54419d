#include <criterion/criterion.h>
#include <string.h>

#include "lib/x86/processor.h"

static struct processor p;

static void start(void)
{
    processor_init(&p, 64);
}

static void finish(void)
{
    processor_finish(&p);
}

TestSuite(op_bits, .init = start, .fini = finish);

#define HERE 0x1000u /* in data, with room on both sides */

/* Executes the instruction on [rdi] with this bit number in rax, and compares with the host. */
#define AGAINST_HOST(insn, number, ...)                                                \
    do {                                                                               \
        static uint8_t model[2 * HERE];                                                \
        int64_t bit = (number);                                                        \
        bool cf;                                                                       \
                                                                                       \
        memcpy(model, p.data, sizeof(model));                                          \
        __asm__ volatile(insn : "=@ccc"(cf) : "a"(bit), "D"(model + HERE) : "memory"); \
        p.cpu->gpr[X86_RAX] = (uint64_t)bit;                                           \
        p.cpu->gpr[X86_RDI] = PROCESSOR_DATA + HERE;                                   \
        p.cpu->flags = FLAGS_ALL & ~FLAGS_CF;                                          \
        cr_assert_eq(STEP(&p, __VA_ARGS__), PROCESSOR_OK);                             \
        cr_assert_eq((p.cpu->flags & FLAGS_CF) != 0, cf, insn ": bit %ld", (long)bit); \
        cr_assert_eq(p.cpu->flags | FLAGS_CF, FLAGS_ALL);                              \
        cr_assert_arr_eq(p.data, model, sizeof(model), insn ": bit %ld", (long)bit);   \
    } while (0)

static const int64_t numbers[] = { 0,   1,     7,  15,  16,  31,  32,  63,  64,    65,
                                   200, 30001, -1, -16, -17, -32, -64, -65, -30001 };

#define NUMBERS (sizeof(numbers) / sizeof(numbers[0]))

static void fill(void)
{
    for (unsigned i = 0; i < 2 * HERE; i++)
        p.data[i] = (uint8_t)(i * 37 ^ i >> 5);
}

Test(op_bits, the_number_moves_the_address)
{
    fill();
    for (unsigned i = 0; i < NUMBERS; i++) {
        AGAINST_HOST("btq %%rax,(%%rdi)", numbers[i], 0x48, 0x0f, 0xa3, 0x07);
        AGAINST_HOST("btsq %%rax,(%%rdi)", numbers[i], 0x48, 0x0f, 0xab, 0x07);
        AGAINST_HOST("btcq %%rax,(%%rdi)", numbers[i], 0x48, 0x0f, 0xbb, 0x07);
        AGAINST_HOST("btrq %%rax,(%%rdi)", numbers[i], 0x48, 0x0f, 0xb3, 0x07);
    }
}

Test(op_bits, narrow_operands_take_narrow_numbers)
{
    fill();
    for (unsigned i = 0; i < NUMBERS; i++) {
        AGAINST_HOST("btsl %%eax,(%%rdi)", numbers[i], 0x0f, 0xab, 0x07);
        AGAINST_HOST("btl %%eax,(%%rdi)", numbers[i], 0x0f, 0xa3, 0x07);
        AGAINST_HOST("btrl %%eax,(%%rdi)", numbers[i], 0x0f, 0xb3, 0x07);
        AGAINST_HOST("btcw %%ax,(%%rdi)", numbers[i], 0x66, 0x0f, 0xbb, 0x07);
        AGAINST_HOST("btw %%ax,(%%rdi)", numbers[i], 0x66, 0x0f, 0xa3, 0x07);
        AGAINST_HOST("btsw %%ax,(%%rdi)", numbers[i] + 5, 0x66, 0x0f, 0xab, 0x07);
    }
}

Test(op_bits, locked_forms_do_the_same)
{
    fill();
    for (unsigned i = 0; i < NUMBERS; i++) {
        AGAINST_HOST("lock btsq %%rax,(%%rdi)", numbers[i], 0xf0, 0x48, 0x0f, 0xab, 0x07);
        AGAINST_HOST("lock btrl %%eax,(%%rdi)", numbers[i], 0xf0, 0x0f, 0xb3, 0x07);
        AGAINST_HOST("lock btcw %%ax,(%%rdi)", numbers[i], 0xf0, 0x66, 0x0f, 0xbb, 0x07);
    }
}

Test(op_bits, across_a_page_boundary)
{
    struct cpu *c = p.cpu;

    c->gpr[X86_RDI] = PROCESSOR_DATA + 0xffd;
    c->gpr[X86_RAX] = 30;
    cr_assert_eq(STEP(&p, 0xf0, 0x48, 0x0f, 0xab, 0x07), PROCESSOR_OK);
    cr_assert_eq(p.data[0x1000], 0x40);
    cr_assert_eq(STEP(&p, 0x48, 0x0f, 0xb3, 0x07), PROCESSOR_OK);
    cr_assert_eq(p.data[0x1000], 0);
    cr_assert(c->flags & FLAGS_CF);
}

/* The address that faults is the moved one. */
Test(op_bits, faults_where_the_bit_is)
{
    struct cpu *c = p.cpu;

    c->gpr[X86_RDI] = PROCESSOR_HOLE - 8;
    c->gpr[X86_RAX] = 64 + 3;
    cr_assert_eq(STEP(&p, 0x48, 0x0f, 0xa3, 0x07), CPU_PF);
    cr_assert_eq(c->fault.address, PROCESSOR_HOLE);
    cr_assert_eq(STEP(&p, 0x48, 0x0f, 0xab, 0x07), CPU_PF);
    cr_assert_eq(STEP(&p, 0xf0, 0x48, 0x0f, 0xab, 0x07), CPU_PF);
    cr_assert_eq(c->rip, PROCESSOR_CODE);
    c->gpr[X86_RDI] = PROCESSOR_HOLE;
    c->gpr[X86_RAX] = (uint64_t)-1;
    cr_assert_eq(STEP(&p, 0x48, 0x0f, 0xa3, 0x07), PROCESSOR_OK, "the bit is before the hole");
}

Test(op_bits, beside_index_displacement_and_rip)
{
    struct cpu *c = p.cpu;

    c->gpr[X86_RDI] = PROCESSOR_DATA;
    c->gpr[X86_RCX] = 0x10;
    c->gpr[X86_RAX] = 33;
    cr_assert_eq(STEP(&p, 0x0f, 0xab, 0x44, 0x8f, 0x08), PROCESSOR_OK); /* [rdi + rcx*4 + 8] */
    cr_assert_eq(p.data[0x4c], 2);
    /* bts [rip + to data], eax */
    cr_assert_eq(STEP(&p, 0x0f, 0xab, 0x05, 0xf9, 0xff, 0x00, 0x00), PROCESSOR_OK);
    cr_assert_eq(p.data[4], 2);
}

/* The sum of base and number wraps before the segment's base is added. */
Test(op_bits, with_32_bit_addresses)
{
    struct cpu *c = p.cpu;

    c->gpr[X86_RDI] = UINT64_C(0xffffffff00000000) | (PROCESSOR_DATA + 0x100);
    c->gpr[X86_RAX] = (uint64_t)-1;
    cr_assert_eq(STEP(&p, 0x67, 0x48, 0x0f, 0xab, 0x07), PROCESSOR_OK);
    cr_assert_eq(p.data[0xff], 0x80);
    c->gpr[X86_RDI] = 0;
    c->gpr[X86_RAX] = (uint64_t)-8;
    cr_assert_eq(STEP(&p, 0x67, 0x48, 0x0f, 0xa3, 0x07), CPU_PF);
    cr_assert_eq(c->fault.address, 0xfffffff8);
}

/* With an immediate the number picks a bit of the operand and no more. */
Test(op_bits, an_immediate_does_not_move_it)
{
    p.cpu->gpr[X86_RDI] = PROCESSOR_DATA;
    cr_assert_eq(STEP(&p, 0x0f, 0xba, 0x2f, 33), PROCESSOR_OK);
    cr_assert_eq(p.data[0], 2);
    cr_assert_eq(p.data[4], 0);
}
