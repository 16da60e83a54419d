#include <criterion/criterion.h>

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

TestSuite(op_branch, .init = start, .fini = finish);

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
