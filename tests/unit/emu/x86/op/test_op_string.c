#include <criterion/criterion.h>
#include <string.h>

#include "emu/x86/decode/vendor.h"
#include "lib/x86/processor.h"

#define HIGH UINT64_C(0x1234567800000000)

#define REP_STOSB32 STEP(&p, 0x67, 0xf3, 0xaa)
#define REP_LODSB32 STEP(&p, 0x67, 0xf3, 0xac)
#define SCASB       STEP(&p, 0xae)

static struct processor p;

static void start(void)
{
    processor_init(&p, 64);
    p.cpu->gpr[X86_RSI] = p.cpu->gpr[X86_RDI] = HIGH | PROCESSOR_HOLE;
    p.cpu->gpr[X86_RCX] = HIGH | 5;
}

static void finish(void)
{
    processor_finish(&p);
}

TestSuite(op_string, .init = start, .fini = finish);

Test(op_string, intels_count_is_narrow_at_the_first_fault)
{
    p.cpu->vendor = vendor_of("GenuineIntel", 6);
    cr_assert_eq(REP_LODSB32, CPU_PF);
    cr_assert_eq(p.cpu->gpr[X86_RCX], 5);
    cr_assert_eq(p.cpu->gpr[X86_RSI], HIGH | PROCESSOR_HOLE);
    cr_assert_eq(REP_STOSB32, CPU_PF);
    cr_assert_eq(p.cpu->gpr[X86_RDI], PROCESSOR_HOLE);
}

Test(op_string, amds_registers_are_as_they_were_at_the_first_fault)
{
    p.cpu->vendor = vendor_of("AuthenticAMD", 6);
    cr_assert_eq(REP_STOSB32, CPU_PF);
    cr_assert_eq(p.cpu->gpr[X86_RCX], HIGH | 5);
    cr_assert_eq(p.cpu->gpr[X86_RDI], HIGH | PROCESSOR_HOLE);
}

Test(op_string, what_does_not_repeat_changes_nothing_at_a_fault)
{
    p.cpu->vendor = vendor_of("GenuineIntel", 6);
    p.cpu->gpr[X86_RDI] = PROCESSOR_HOLE;
    cr_assert_eq(SCASB, CPU_PF);
    cr_assert_eq(p.cpu->gpr[X86_RCX], HIGH | 5);
}

static void start_32(void)
{
    processor_init(&p, 32);
    memset(p.data, 0x11, 16);
    p.cpu->gpr[X86_RSI] = PROCESSOR_DATA;
    p.cpu->gpr[X86_RDI] = PROCESSOR_DATA + 0x100;
    p.cpu->gpr[X86_RCX] = 8;
    p.cpu->request = 0; /* those from the start would end a repetition after its first element */
}

TestSuite(op_string_32, .init = start_32, .fini = finish);

/* FS and GS have limits of their own, even where the others are flat. */
Test(op_string_32, a_source_through_fs_ends_at_its_limit)
{
    p.cpu->seg[X86_FS].limit = PROCESSOR_DATA + 4;
    cr_assert_eq(STEP(&p, 0x64, 0xf3, 0xa4), CPU_GP); /* rep movsb from fs:[esi] */
    cr_assert_eq(p.cpu->fault.error, 0);
    cr_assert_eq(p.cpu->gpr[X86_RCX], 3);
    cr_assert_eq(p.cpu->gpr[X86_RSI], PROCESSOR_DATA + 5);
    cr_assert_eq(p.data[0x104], 0x11);
    cr_assert_eq(p.data[0x105], 0);
    cr_assert_eq(STEP(&p, 0x64, 0xac), CPU_GP); /* lodsb */
    p.cpu->gpr[X86_RSI]--;
    cr_assert_eq(STEP(&p, 0x64, 0xac), PROCESSOR_OK);
}

Test(op_string_32, a_null_gs_holds_no_source)
{
    p.cpu->seg[X86_GS] = (struct x86_segment){ 0 };
    cr_assert_eq(STEP(&p, 0x65, 0xf3, 0xa5), CPU_GP); /* rep movsd from gs:[esi] */
    cr_assert_eq(p.cpu->gpr[X86_RCX], 8);
}

Test(op_string_32, beyond_the_limit_of_ss_it_is_a_stack_fault)
{
    p.cpu->seg[X86_SS].limit = PROCESSOR_DATA - 1;
    cr_assert_eq(STEP(&p, 0x36, 0xac), CPU_SS); /* lodsb ss:[esi] */
    cr_assert_eq(p.cpu->fault.error, 0);
    p.cpu->seg[X86_ES].limit = PROCESSOR_DATA - 1;
    cr_assert_eq(STEP(&p, 0xaa), CPU_GP); /* stosb */
}
