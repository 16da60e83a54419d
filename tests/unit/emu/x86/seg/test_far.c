/* Far transfers in real mode; tests of gates and privilege levels are in test_gate.c. */
#include "emu/x86/seg/far.h"

#include <criterion/criterion.h>

#include "emu/x86/cpu/mode.h"
#include "lib/x86/emu_rig.h"

#define SELECTOR 0x900u

static struct emu_rig rig;
static struct cpu *c;

static void set_up(void)
{
    emu_rig_init(&rig, 1); /* the reset state is real mode */
    c = rig.cpu;
    c->gpr[X86_RSP] = EMU_RIG_STACK;
}

static void tear_down(void)
{
    emu_rig_finish(&rig);
}

TestSuite(far, .init = set_up, .fini = tear_down);

/* The stack as a RETF with 32-bit operands finds it. */
static void put_frame(uint32_t eip)
{
    const uint32_t frame[] = { eip, SELECTOR };

    emu_rig_write(&rig, EMU_RIG_STACK, frame, sizeof(frame));
}

Test(far, a_return_pops_the_address_and_drops_the_arguments)
{
    put_frame(0x1234);
    cr_assert(far_return(c, 4, 6));
    cr_assert_eq(c->rip, 0x1234);
    cr_assert_eq(c->seg[X86_CS].selector, SELECTOR);
    cr_assert_eq(c->seg[X86_CS].base, SELECTOR << 4);
    cr_assert_eq(c->gpr[X86_RSP], EMU_RIG_STACK + 8 + 6);
}

Test(far, a_return_beyond_the_limit_changes_nothing)
{
    const struct x86_segment cs = c->seg[X86_CS];

    put_frame(0x12345);
    cr_assert_not(far_return(c, 4, 6));
    cr_assert_eq(c->fault.vector, CPU_GP);
    cr_assert_eq(c->gpr[X86_RSP], EMU_RIG_STACK);
    cr_assert_eq(c->seg[X86_CS].selector, cs.selector);
    cr_assert_eq(c->seg[X86_CS].base, cs.base);
}
