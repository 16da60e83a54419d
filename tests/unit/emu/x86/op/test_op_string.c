#include <criterion/criterion.h>

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
