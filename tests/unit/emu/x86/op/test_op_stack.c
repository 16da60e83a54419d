/* POP to memory: the address, and what a fault leaves behind. */
#include <criterion/criterion.h>
#include <string.h>

#include "emu/x86/cpu/descriptor.h"
#include "lib/x86/processor.h"

#define VALUE UINT64_C(0x1122334455667788)
#define TOP   0x40u /* of the stack, in the data */

static struct processor p;

static void start(unsigned bits)
{
    const uint64_t value = VALUE;

    processor_init(&p, bits);
    memcpy(p.data + TOP, &value, sizeof(value));
    p.cpu->gpr[X86_RSP] = PROCESSOR_DATA + TOP;
}

static void start_64(void)
{
    start(64);
}

static void start_32(void)
{
    start(32);
}

static void start_16(void)
{
    start(16);
}

static void finish(void)
{
    processor_finish(&p);
}

TestSuite(op_stack_64, .init = start_64, .fini = finish);
TestSuite(op_stack_32, .init = start_32, .fini = finish);
TestSuite(op_stack_16, .init = start_16, .fini = finish);

/* This many bytes were popped, and stored at this offset in the data. */
static void expect_popped(unsigned size, unsigned at)
{
    const uint64_t value = VALUE;

    cr_assert_eq(p.cpu->gpr[X86_RSP], PROCESSOR_DATA + TOP + size);
    cr_assert_eq(memcmp(p.data + at, &value, size), 0, "not stored at %#x", at);
}

Test(op_stack_64, the_address_is_computed_behind_the_value_popped)
{
    cr_assert_eq(STEP(&p, 0x8f, 0x44, 0x24, 0x10), PROCESSOR_OK); /* pop qword [rsp+16] */
    expect_popped(8, TOP + 8 + 16);
}

Test(op_stack_64, so_is_one_of_32_bits)
{
    cr_assert_eq(STEP(&p, 0x67, 0x8f, 0x44, 0x24, 0x10), PROCESSOR_OK); /* pop qword [esp+16] */
    expect_popped(8, TOP + 8 + 16);
}

Test(op_stack_32, the_address_is_computed_behind_the_value_popped)
{
    cr_assert_eq(STEP(&p, 0x8f, 0x44, 0x24, 0x10), PROCESSOR_OK); /* pop dword [esp+16] */
    expect_popped(4, TOP + 4 + 16);
}

Test(op_stack_32, a_word_moves_it_by_two)
{
    cr_assert_eq(STEP(&p, 0x66, 0x8f, 0x44, 0x24, 0x10), PROCESSOR_OK); /* pop word [esp+16] */
    expect_popped(2, TOP + 2 + 16);
}

Test(op_stack_32, an_index_is_added_to_it)
{
    p.cpu->gpr[X86_RCX] = 4;
    cr_assert_eq(STEP(&p, 0x8f, 0x44, 0x8c, 0x10), PROCESSOR_OK); /* pop dword [esp+4*ecx+16] */
    expect_popped(4, TOP + 4 + 32);
}

Test(op_stack_32, another_base_stays_as_it_is)
{
    p.cpu->gpr[X86_RBX] = PROCESSOR_DATA + 0x80;
    cr_assert_eq(STEP(&p, 0x8f, 0x43, 0x10), PROCESSOR_OK); /* pop dword [ebx+16] */
    expect_popped(4, 0x90);
}

Test(op_stack_32, the_limit_is_checked_against_it)
{
    p.cpu->seg[X86_SS].limit = PROCESSOR_DATA + TOP + 0x17; /* the dword at [old ESP+20] fits */
    cr_assert_eq(STEP(&p, 0x8f, 0x44, 0x24, 0x10), PROCESSOR_OK);
    p.cpu->gpr[X86_RSP] = PROCESSOR_DATA + TOP;
    cr_assert_eq(STEP(&p, 0x8f, 0x44, 0x24, 0x11), CPU_SS);
    cr_assert_eq(p.cpu->gpr[X86_RSP], PROCESSOR_DATA + TOP);
}

/* Only SP wraps around, so the address has the old upper half of ESP. */
Test(op_stack_16, a_16_bit_stack_pointer_wraps_around)
{
    const uint16_t value = 0x7788;

    p.cpu->seg[X86_SS].access &= (uint16_t)~SEG_DB;
    p.cpu->gpr[X86_RSP] = 0x2fffe;
    cr_assert(mem_write(&p.mem, 0xfffe, &value, 2));
    cr_assert_eq(STEP(&p, 0x67, 0x8f, 0x44, 0x24, 0x10), PROCESSOR_OK); /* pop word [esp+16] */
    cr_assert_eq(p.cpu->gpr[X86_RSP], 0x20000);
    cr_assert_eq(memcmp(p.data + 0x10, &value, 2), 0);
}

Test(op_stack_64, a_store_that_faults_leaves_the_stack_pointer)
{
    p.cpu->gpr[X86_RBX] = PROCESSOR_HOLE;
    cr_assert_eq(STEP(&p, 0x8f, 0x03), CPU_PF); /* pop qword [rbx] */
    cr_assert_eq(p.cpu->gpr[X86_RSP], PROCESSOR_DATA + TOP);
}
