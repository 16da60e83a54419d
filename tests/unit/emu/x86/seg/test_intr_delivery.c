/* Interrupts and exceptions in IA-32e mode: gates, stacks, frames, double faults, IRET. */
#include "emu/x86/seg/intr.h"

#include <criterion/criterion.h>

#include "core/x86/bits.h"
#include "emu/x86/cpu/mode.h"
#include "lib/x86/emu_rig.h"

#define HANDLER UINT64_C(0x9000)
#define RSP0    0x7000u
#define IST1    0x6ff8u /* not a multiple of 16 */
#define INTR    0xeu
#define TRAP    0xfu
#define DPL3    0x60u
#define HOLE    UINT64_C(0x400000)
#define RFLAGS  UINT64_C(0x10346) /* RF, IF, TF, ZF, PF */
#define RF      UINT64_C(0x10000)
#define NT      UINT64_C(0x4000)
#define TF_IF   UINT64_C(0x300)
#define ERR_IDT 2u
#define ERR_EXT 1u

static struct emu_rig rig;
static struct cpu *c;

static void set_up(void)
{
    const uint64_t rsp0 = RSP0, ist1 = IST1;

    emu_rig_init(&rig, 1);
    emu_rig_long_mode(&rig);
    c = rig.cpu;
    emu_rig_write(&rig, EMU_RIG_TSS + 4, &rsp0, 8);
    emu_rig_write(&rig, EMU_RIG_TSS + 36, &ist1, 8);
    cpu_rflags_set(c, RFLAGS);
    c->rip = 0x8123;
}

static void tear_down(void)
{
    emu_rig_finish(&rig);
}

TestSuite(intr_delivery, .init = set_up, .fini = tear_down);

static bool fault(enum cpu_vector vector, bool has_error, uint32_t error)
{
    if (has_error)
        cpu_fault_error(c, vector, error);
    else
        cpu_fault(c, vector);
    return intr_deliver_fault(c);
}

/* The frame at RSP: error code (or not), RIP, CS, RFLAGS, RSP, SS. */
static void expect_frame(uint64_t rsp, uint64_t rip, uint16_t cs, uint64_t flags, uint64_t old_rsp,
                         uint16_t ss)
{
    const uint64_t expected[] = { rip, cs, flags, old_rsp, ss };

    for (unsigned i = 0; i < 5; i++)
        cr_assert_eq(emu_rig_read64(&rig, rsp + i * 8), expected[i], "word %u is %#llx", i,
                     (unsigned long long)emu_rig_read64(&rig, rsp + i * 8));
}

/* The processor is at this handler, with this error code on the stack. */
static void expect_entered(uint64_t handler, uint64_t error)
{
    cr_assert_eq(c->leave, CPU_ON);
    cr_assert_eq(c->rip, handler, "at %#llx", (unsigned long long)c->rip);
    cr_assert_eq(emu_rig_read64(&rig, c->gpr[X86_RSP]), error, "error code %#llx",
                 (unsigned long long)emu_rig_read64(&rig, c->gpr[X86_RSP]));
}

Test(intr_delivery, fault_without_an_error_code)
{
    emu_rig_gate(&rig, CPU_UD, HANDLER, 0, INTR);
    cr_assert(fault(CPU_UD, false, 0));
    cr_assert_eq(c->rip, HANDLER);
    cr_assert_eq(c->gpr[X86_RSP], EMU_RIG_STACK - 40);
    expect_frame(c->gpr[X86_RSP], 0x8123, EMU_RIG_CODE64, RFLAGS, EMU_RIG_STACK, EMU_RIG_DATA);
    cr_assert_eq(cpu_rflags(c), RFLAGS & ~(RF | TF_IF));
    cr_assert_eq(c->seg[X86_SS].selector, EMU_RIG_DATA, "the level stays, and so does SS");
}

Test(intr_delivery, fault_with_an_error_code)
{
    emu_rig_gate(&rig, CPU_GP, HANDLER, 0, INTR);
    cr_assert(fault(CPU_GP, true, 0x5a));
    expect_entered(HANDLER, 0x5a);
    expect_frame(c->gpr[X86_RSP] + 8, 0x8123, EMU_RIG_CODE64, RFLAGS, EMU_RIG_STACK, EMU_RIG_DATA);
}

Test(intr_delivery, page_fault_sets_cr2)
{
    emu_rig_gate(&rig, CPU_PF, HANDLER, 0, INTR);
    cpu_fault_page(c, 0x123456789, 7);
    cr_assert(intr_deliver_fault(c));
    expect_entered(HANDLER, 7);
    cr_assert_eq(c->cr2, 0x123456789);
}

Test(intr_delivery, trap_gate_leaves_interrupts_on)
{
    emu_rig_gate(&rig, 0x40, HANDLER, 0, TRAP);
    cr_assert(intr_deliver(c, 0x40));
    cr_assert_eq(cpu_rflags(c) & TF_IF, 0x200);
}

Test(intr_delivery, stack_is_aligned_to_16)
{
    emu_rig_gate(&rig, 0x40, HANDLER, 0, INTR);
    c->gpr[X86_RSP] = EMU_RIG_STACK - 3;
    cr_assert(intr_deliver(c, 0x40));
    cr_assert_eq(c->gpr[X86_RSP], EMU_RIG_STACK - 16 - 40);
    cr_assert_eq(emu_rig_read64(&rig, c->gpr[X86_RSP] + 24), EMU_RIG_STACK - 3);
}

Test(intr_delivery, from_user_mode_to_the_stack_of_the_task)
{
    emu_rig_user(&rig);
    emu_rig_gate(&rig, 0x40, HANDLER, 0, INTR);
    cr_assert(intr_deliver(c, 0x40));
    cr_assert_eq(c->cpl, 0);
    cr_assert_eq(c->gpr[X86_RSP], RSP0 - 40);
    expect_frame(c->gpr[X86_RSP], 0x8123, EMU_RIG_USER64 | 3, RFLAGS, EMU_RIG_STACK,
                 EMU_RIG_USERDS | 3);
    cr_assert_eq(c->seg[X86_SS].selector, 0);
    cr_assert_eq(c->seg[X86_CS].selector, EMU_RIG_CODE64);
    cr_assert(c->mode & MODE_CPL0);
}

Test(intr_delivery, interrupt_stack_table_is_used_at_any_level)
{
    emu_rig_gate(&rig, CPU_NMI, HANDLER, 1, INTR);
    cr_assert(intr_deliver(c, CPU_NMI));
    cr_assert_eq(c->gpr[X86_RSP], (IST1 & ~15u) - 40);
    cr_assert_eq(c->cpl, 0);
}

Test(intr_delivery, software_interrupt_needs_the_gates_privilege)
{
    struct cpu_fault soft = { .vector = 0x80, .software = true };

    emu_rig_user(&rig);
    emu_rig_gate(&rig, 0x80, HANDLER, 0, TRAP);
    emu_rig_gate(&rig, CPU_GP, HANDLER + 0x100, 0, INTR);
    c->fault = soft;
    cr_assert(intr_deliver_fault(c));
    expect_entered(HANDLER + 0x100, 0x80 * 8 | ERR_IDT);
    emu_rig_user(&rig);
    emu_rig_gate(&rig, 0x80, HANDLER, 0, TRAP | DPL3);
    c->fault = soft;
    cr_assert(intr_deliver_fault(c));
    cr_assert_eq(c->rip, HANDLER);
}

Test(intr_delivery, exceptions_ignore_the_gates_privilege)
{
    emu_rig_user(&rig);
    emu_rig_gate(&rig, CPU_DE, HANDLER, 0, INTR);
    cr_assert(fault(CPU_DE, false, 0));
    cr_assert_eq(c->rip, HANDLER);
}

Test(intr_delivery, gates_that_will_not_do)
{
    emu_rig_gate(&rig, CPU_GP, HANDLER, 0, INTR);
    emu_rig_gate(&rig, CPU_NP, HANDLER + 0x100, 0, INTR);
    cr_assert(intr_deliver(c, 0x41));
    expect_entered(HANDLER, 0x41 * 8 | ERR_IDT | ERR_EXT);
    emu_rig_gate(&rig, 0x41, HANDLER, 0, INTR);
    *(uint64_t *)emu_rig_at(&rig, EMU_RIG_IDT + 0x41 * 16) &= ~(UINT64_C(0x80) << 40);
    cr_assert(intr_deliver(c, 0x41));
    expect_entered(HANDLER + 0x100, 0x41 * 8 | ERR_IDT | ERR_EXT);
    c->idt.limit = 0x41 * 16 + 14;
    cr_assert(intr_deliver(c, 0x41));
    expect_entered(HANDLER, 0x41 * 8 | ERR_IDT | ERR_EXT);
}

Test(intr_delivery, handler_must_be_64_bit_code)
{
    emu_rig_gate(&rig, CPU_GP, HANDLER, 0, INTR);
    emu_rig_gate(&rig, 0x41, HANDLER, 0, INTR);
    *(uint64_t *)emu_rig_at(&rig, EMU_RIG_IDT + 0x41 * 16) ^=
        (uint64_t)(EMU_RIG_CODE64 ^ EMU_RIG_CODE32) << 16;
    cr_assert(intr_deliver(c, 0x41));
    expect_entered(HANDLER, EMU_RIG_CODE32 | ERR_EXT);
}

Test(intr_delivery, contributory_fault_in_a_contributory_one_doubles)
{
    emu_rig_gate(&rig, CPU_DF, HANDLER, 0, INTR);
    cr_assert(fault(CPU_GP, true, 0x10));
    expect_entered(HANDLER, 0);
    cr_assert_eq(emu_rig_read64(&rig, c->gpr[X86_RSP] + 8), 0x8123);
}

Test(intr_delivery, contributory_fault_in_a_benign_one_does_not)
{
    emu_rig_gate(&rig, CPU_DF, HANDLER, 0, INTR);
    emu_rig_gate(&rig, CPU_GP, HANDLER + 0x100, 0, INTR);
    cr_assert(fault(CPU_UD, false, 0));
    expect_entered(HANDLER + 0x100, CPU_UD * 8 | ERR_IDT | ERR_EXT);
}

Test(intr_delivery, page_fault_in_a_contributory_one_is_served_first)
{
    emu_rig_gate(&rig, CPU_GP, HANDLER, 0, INTR);
    emu_rig_gate(&rig, CPU_PF, HANDLER + 0x100, 1, INTR);
    c->gpr[X86_RSP] = HOLE;
    cr_assert(fault(CPU_GP, true, 0));
    expect_entered(HANDLER + 0x100, 2);
    cr_assert_eq(c->cr2 & ~UINT64_C(0xfff), HOLE - 0x1000 + 0x1000 * (c->cr2 >= HOLE));
}

Test(intr_delivery, page_fault_in_a_page_fault_doubles)
{
    emu_rig_gate(&rig, CPU_PF, HANDLER, 0, INTR);
    emu_rig_gate(&rig, CPU_DF, HANDLER + 0x100, 1, INTR);
    c->gpr[X86_RSP] = HOLE;
    cpu_fault_page(c, 0x1234, 4);
    cr_assert(intr_deliver_fault(c));
    expect_entered(HANDLER + 0x100, 0);
}

Test(intr_delivery, fault_in_a_double_fault_shuts_down)
{
    cr_assert(!fault(CPU_GP, true, 0));
    c->idt.limit = 0;
    cr_assert(!fault(CPU_UD, false, 0));
    cr_assert(!intr_deliver(c, CPU_NMI));
}

static const uint64_t canonical_hole = UINT64_C(0x800000000000);

Test(intr_delivery, stack_pointer_of_the_task_must_be_canonical)
{
    emu_rig_write(&rig, EMU_RIG_TSS + 4, &canonical_hole, 8);
    emu_rig_gate(&rig, 0x40, HANDLER, 0, INTR);
    emu_rig_gate(&rig, CPU_SS, HANDLER + 0x100, 1, INTR);
    emu_rig_user(&rig);
    cr_assert(intr_deliver(c, 0x40));
    expect_entered(HANDLER + 0x100, ERR_EXT);
}

Test(intr_delivery, task_state_that_ends_too_early)
{
    emu_rig_gate(&rig, 0x40, HANDLER, 0, INTR);
    emu_rig_gate(&rig, CPU_TS, HANDLER + 0x100, 1, INTR);
    c->tr.limit = 42;
    emu_rig_gate(&rig, 0x40, HANDLER, 1, INTR);
    cr_assert(!intr_deliver(c, 0x40), "IST1 ends at 43, for the fault too");
    c->tr.limit = 43;
    cr_assert(intr_deliver(c, 0x40));
    cr_assert_eq(c->rip, HANDLER);
}

Test(intr_delivery, address_of_the_handler_must_be_canonical)
{
    emu_rig_gate(&rig, 0x40, canonical_hole, 0, INTR);
    emu_rig_gate(&rig, CPU_GP, HANDLER, 0, INTR);
    cr_assert(intr_deliver(c, 0x40));
    expect_entered(HANDLER, ERR_EXT);
    cr_assert_eq(emu_rig_read64(&rig, c->gpr[X86_RSP] + 8), 0x8123,
                 "the frame is that of the interrupted code");
}

Test(intr_delivery, stack_that_is_no_address_is_a_stack_fault)
{
    emu_rig_gate(&rig, 0x40, HANDLER + 0x100, 0, INTR);
    emu_rig_gate(&rig, CPU_SS, HANDLER, 1, INTR);
    c->gpr[X86_RSP] = canonical_hole + 0x1000;
    cr_assert(intr_deliver(c, 0x40));
    expect_entered(HANDLER, ERR_EXT);
}

static void frame_write(uint64_t at, uint64_t rip, uint64_t cs, uint64_t flags, uint64_t rsp,
                        uint64_t ss)
{
    const uint64_t frame[] = { rip, cs, flags, rsp, ss };

    emu_rig_write(&rig, at, frame, sizeof(frame));
    c->gpr[X86_RSP] = at;
}

Test(intr_delivery, return_to_the_same_level)
{
    c->nmi_blocked = true;
    frame_write(0x4800, 0x8888, EMU_RIG_CODE64, 0x10246, 0x4321, EMU_RIG_DATA);
    cr_assert(intr_return(c, 8));
    cr_assert_eq(c->rip, 0x8888);
    cr_assert_eq(c->gpr[X86_RSP], 0x4321, "always popped in 64-bit mode");
    cr_assert_eq(cpu_rflags(c), 0x10246);
    cr_assert(!c->nmi_blocked);
}

Test(intr_delivery, return_to_user_mode)
{
    c->seg[X86_FS].base = 0x1234;
    c->seg[X86_GS].base = UINT64_C(0xffff800000005678);
    frame_write(0x4800, 0x8888, EMU_RIG_USER64 | 3, 0x3246, 0x4321, EMU_RIG_USERDS | 3);
    cr_assert(intr_return(c, 8));
    cr_assert_eq(c->cpl, 3);
    cr_assert(c->mode & MODE_USER);
    cr_assert_eq(cpu_rflags(c), 0x3246);
    cr_assert_eq(c->seg[X86_FS].selector, 0, "a segment of level 0 is lost");
    cr_assert_eq(c->seg[X86_FS].access, 0);
    cr_assert_eq(c->gpr[CPU_FS_BASE], 0x1234, "but for its base");
    cr_assert_eq(c->gpr[CPU_GS_BASE], UINT64_C(0xffff800000005678));
    cr_assert_eq(c->seg[X86_SS].selector, EMU_RIG_USERDS | 3);
}

Test(intr_delivery, return_to_32_bit_user_code)
{
    frame_write(0x4800, 0x8888, EMU_RIG_USER32 | 3, 0x202, 0x4321, EMU_RIG_USERDS | 3);
    cr_assert(intr_return(c, 8));
    cr_assert_eq(c->mode & (MODE_64 | MODE_CODE32 | MODE_USER), MODE_CODE32 | MODE_USER);
}

static void expect_refused(uint32_t error)
{
    cr_assert(!intr_return(c, 8));
    cr_assert_eq(c->leave, CPU_FAULT);
    cr_assert_eq(c->fault.vector, CPU_GP);
    cr_assert_eq(c->fault.error, error, "error code %#x", c->fault.error);
    cr_assert_eq(c->rip, 0x8123);
    cr_assert_eq(c->gpr[X86_RSP], 0x4800);
    c->leave = CPU_ON;
}

Test(intr_delivery, return_refuses_frames_that_will_not_do)
{
    frame_write(0x4800, 0x8888, 0, 0x202, 0x4321, EMU_RIG_DATA);
    expect_refused(0);
    frame_write(0x4800, 0x8888, EMU_RIG_DATA, 0x202, 0x4321, EMU_RIG_DATA);
    expect_refused(EMU_RIG_DATA);
    frame_write(0x4800, 0x8888, EMU_RIG_CODE64 | 3, 0x202, 0x4321, EMU_RIG_USERDS | 3);
    expect_refused(EMU_RIG_CODE64);
    frame_write(0x4800, 0x8888, EMU_RIG_CODE64, 0x202, 0x4321, EMU_RIG_USERDS | 3);
    expect_refused(EMU_RIG_USERDS);
    frame_write(0x4800, canonical_hole, EMU_RIG_CODE64, 0x202, 0x4321, EMU_RIG_DATA);
    expect_refused(0);
    frame_write(0x4800, 0x8888, EMU_RIG_USER64 | 3, 0x202, 0x4321, 3);
    expect_refused(0);
    frame_write(0x4800, 0x8888, EMU_RIG_CODE64, 0x202, 0x4321, EMU_RIG_DATA);
    cpu_rflags_set(c, NT | 2);
    expect_refused(0);
}

/* The check of the levels comes before that of presence. */
Test(intr_delivery, return_judges_levels_before_presence)
{
    const uint64_t absent = UINT64_C(0x00af1b000000ffff);

    emu_rig_descriptor(&rig, EMU_RIG_FREE, absent | UINT64_C(0x6000) << 32);
    frame_write(0x4800, 0x8888, EMU_RIG_FREE, 0x202, 0x4321, EMU_RIG_DATA);
    expect_refused(EMU_RIG_FREE);
    emu_rig_descriptor(&rig, EMU_RIG_FREE, absent);
    cr_assert(!intr_return(c, 8));
    cr_assert_eq(c->fault.vector, CPU_NP);
    cr_assert_eq(c->fault.error, EMU_RIG_FREE);
    cr_assert_eq(c->gpr[X86_RSP], 0x4800);
}

/* Only level 0 may change IOPL, and only levels up to IOPL may change IF. */
Test(intr_delivery, return_in_user_mode_keeps_iopl_and_if)
{
    *emu_rig_entry(&rig, 0, 2) |= X86_PTE_US;
    emu_rig_user(&rig);
    cpu_rflags_set(c, 0x202);
    frame_write(0x4800, 0x8888, EMU_RIG_USER64 | 3, 0x3002, 0x4321, EMU_RIG_USERDS | 3);
    cr_assert(intr_return(c, 8));
    cr_assert_eq(cpu_rflags(c), 0x202);
}
