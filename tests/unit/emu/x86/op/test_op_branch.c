#include <criterion/criterion.h>
#include <string.h>

#include "emu/x86/decode/vendor.h"
#include "lib/x86/processor.h"

static struct processor p;

static void start(void)
{
    processor_init(&p, 32);
}

static void start_64(void)
{
    processor_init(&p, 64);
    p.cpu->gpr[X86_RSP] = PROCESSOR_DATA + 0x100;
}

static void finish(void)
{
    processor_finish(&p);
}

TestSuite(op_branch, .init = start, .fini = finish);
TestSuite(op_branch_66, .init = start_64, .fini = finish);

Test(op_branch, into_interrupts_where_of_is_set)
{
    p.cpu->flags = FLAGS_OF;
    cr_assert_eq(STEP(&p, 0xce), CPU_OF);
    cr_assert(p.cpu->fault.software);
    cr_assert_eq(p.cpu->fault.length, 1);
    cr_assert_eq(p.cpu->rip, PROCESSOR_CODE);
}

Test(op_branch, into_goes_on_where_of_is_clear)
{
    p.cpu->flags = FLAGS_ALL & ~FLAGS_OF;
    cr_assert_eq(STEP(&p, 0xce), PROCESSOR_OK);
    cr_assert_eq(p.cpu->rip, PROCESSOR_CODE + 1);
}

/* Near transfers to the first byte beyond the limit of CS: #GP, and nothing has changed. */
Test(op_branch, targets_are_within_the_limit_of_cs)
{
    const uint32_t far = PROCESSOR_CODE + 0x100;
    struct cpu *c = p.cpu;

    c->seg[X86_CS].limit = far - 1;
    c->gpr[X86_RSP] = PROCESSOR_DATA + 0x100;
    c->gpr[X86_RBX] = far;
    c->gpr[X86_RCX] = 5;
    memcpy(p.data + 0x100, &far, sizeof(far));
    cr_assert_eq(STEP(&p, 0xe9, 0xfb, 0, 0, 0), CPU_GP);       /* jmp */
    cr_assert_eq(STEP(&p, 0x71, 0x7e), PROCESSOR_OK);          /* jno */
    cr_assert_eq(STEP(&p, 0x0f, 0x81, 0xfa, 0, 0, 0), CPU_GP); /* jno */
    cr_assert_eq(STEP(&p, 0xe8, 0xfb, 0, 0, 0), CPU_GP);       /* call */
    cr_assert_eq(STEP(&p, 0xff, 0xe3), CPU_GP);                /* jmp *%ebx */
    cr_assert_eq(STEP(&p, 0xff, 0xd3), CPU_GP);                /* call *%ebx */
    cr_assert_eq(STEP(&p, 0xc3), CPU_GP);                      /* ret */
    cr_assert_eq(c->fault.error, 0);
    cr_assert_eq(c->rip, PROCESSOR_CODE);
    cr_assert_eq(c->gpr[X86_RSP], PROCESSOR_DATA + 0x100);
    c->seg[X86_CS].limit = PROCESSOR_CODE + 0x40;
    cr_assert_eq(STEP(&p, 0xe2, 0x7e), CPU_GP); /* loop */
    cr_assert_eq(c->gpr[X86_RCX], 5);
    cr_assert_eq(STEP(&p, 0xe2, 0x3e), PROCESSOR_OK);
    cr_assert_eq(c->gpr[X86_RCX], 4);
}

/* PROCESSOR_CODE is at 64 KiB, so that an address cut to 16 bits lies below it. */
#define HERE (PROCESSOR_CODE & 0xffffu)

static uint64_t went(int vector)
{
    cr_assert_eq(vector, PROCESSOR_OK);
    return p.cpu->rip;
}

Test(op_branch_66, intel_ignores_it)
{
    p.cpu->vendor = vendor_of("GenuineIntel", 6);
    cr_assert_eq(went(STEP(&p, 0x66, 0xe9, 0x10, 0, 0, 0)), PROCESSOR_CODE + 0x16);
    cr_assert_eq(went(STEP(&p, 0x66, 0xeb, 0x10)), PROCESSOR_CODE + 0x13);
    cr_assert_eq(went(STEP(&p, 0x66, 0x71, 0x10)), PROCESSOR_CODE + 0x13);
    cr_assert_eq(went(STEP(&p, 0x66, 0xe8, 0x10, 0, 0, 0)), PROCESSOR_CODE + 0x16);
    cr_assert_eq(p.cpu->gpr[X86_RSP], PROCESSOR_DATA + 0x100 - 8);
    cr_assert_eq(went(STEP(&p, 0x66, 0xc3)), PROCESSOR_CODE + 6);
    cr_assert_eq(p.cpu->gpr[X86_RSP], PROCESSOR_DATA + 0x100);
}

Test(op_branch_66, amd_cuts_relative_targets_to_16_bits)
{
    p.cpu->vendor = vendor_of("AuthenticAMD", 6);
    p.cpu->gpr[X86_RCX] = 2;
    cr_assert_eq(went(STEP(&p, 0x66, 0xe9, 0x10, 0)), HERE + 0x14);
    cr_assert_eq(went(STEP(&p, 0x66, 0xeb, 0x10)), HERE + 0x13);
    cr_assert_eq(went(STEP(&p, 0x66, 0x71, 0x10)), HERE + 0x13);
    cr_assert_eq(went(STEP(&p, 0x66, 0x0f, 0x81, 0x10, 0)), HERE + 0x15);
    cr_assert_eq(went(STEP(&p, 0x66, 0xe2, 0x10)), HERE + 0x13);
    cr_assert_eq(went(STEP(&p, 0x66, 0x48, 0xe9, 0x10, 0, 0, 0)), PROCESSOR_CODE + 0x17);
    cr_assert_eq(went(STEP(&p, 0x66, 0x70, 0x10)), PROCESSOR_CODE + 3, "not taken");
}

Test(op_branch_66, amd_pushes_and_pops_16_bits)
{
    p.cpu->vendor = vendor_of("AuthenticAMD", 6);
    cr_assert_eq(went(STEP(&p, 0x66, 0xe8, 0x10, 0)), HERE + 0x14);
    cr_assert_eq(p.cpu->gpr[X86_RSP], PROCESSOR_DATA + 0x100 - 2);
    cr_assert_eq(p.data[0xfe] | p.data[0xff] << 8, HERE + 4);
    cr_assert_eq(went(STEP(&p, 0x66, 0xc2, 8, 0)), HERE + 4);
    cr_assert_eq(p.cpu->gpr[X86_RSP], PROCESSOR_DATA + 0x108);
}

Test(op_branch_66, amd_reads_16_bits_of_an_operand)
{
    memcpy(p.data, (uint8_t[]){ 0x34, 0x12, 0x56, 0x78, 0, 0, 0, 0 }, 8);
    p.cpu->vendor = vendor_of("AuthenticAMD", 6);
    p.cpu->gpr[X86_RAX] = 0x56781234;
    p.cpu->gpr[X86_RBX] = PROCESSOR_DATA;
    cr_assert_eq(went(STEP(&p, 0x66, 0xff, 0xe0)), 0x1234); /* jmp ax */
    cr_assert_eq(went(STEP(&p, 0x66, 0xff, 0x23)), 0x1234); /* jmp word [rbx] */
    cr_assert_eq(went(STEP(&p, 0x66, 0xff, 0x13)), 0x1234); /* call word [rbx] */
    cr_assert_eq(p.cpu->gpr[X86_RSP], PROCESSOR_DATA + 0x100 - 2);
}
