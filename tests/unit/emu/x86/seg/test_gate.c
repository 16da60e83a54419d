/* Call gates inside and outside IA-32e mode, and task switches, which there are not. */
#include "emu/x86/seg/gate.h"

#include <criterion/criterion.h>

#include "core/x86/bits.h"
#include "emu/x86/cpu/mode.h"
#include "emu/x86/seg/far.h"
#include "emu/x86/seg/intr.h"
#include "emu/x86/seg/seg.h"
#include "emu/x86/seg/tss.h"
#include "lib/x86/emu_rig.h"

#define FREE   EMU_RIG_FREE
#define TARGET 0x9120u
#define NEXT   0x8005u
#define INNER  0x7000u

#define GATE64 0xcu
#define GATE32 0xcu
#define GATE16 0x4u
#define TASK   0x5u
#define DPL3   0x60u
#define P      0x80u

static struct emu_rig rig;
static struct cpu *c;

static void set_up(void)
{
    const uint64_t rsp0 = INNER;

    emu_rig_init(&rig, 1);
    emu_rig_long_mode(&rig);
    c = rig.cpu;
    emu_rig_write(&rig, EMU_RIG_TSS + 4, &rsp0, 8);
}

/* Flat 32-bit code, ESP0 and SS0 in the task state segment. */
static void protected(void)
{
    const uint32_t stack[] = { INNER, EMU_RIG_DATA };

    c->efer = 0;
    emu_rig_protected_mode(&rig);
    emu_rig_write(&rig, EMU_RIG_TSS + 4, stack, sizeof(stack));
}

static void user32(void)
{
    for (unsigned i = 0; i < X86_SEGS; i++)
        c->seg[i] =
            (struct x86_segment){ 0, 0xffffffff, EMU_RIG_USERDS | 3, X86_ACCESS_DATA32 | DPL3 };
    c->seg[X86_CS] =
        (struct x86_segment){ 0, 0xffffffff, EMU_RIG_USER32 | 3, X86_ACCESS_CODE32 | DPL3 };
    c->cpl = 3;
    emu_rig_update(&rig);
}

static void tear_down(void)
{
    emu_rig_finish(&rig);
}

TestSuite(gate, .init = set_up, .fini = tear_down);

static void gate_put(uint16_t selector, uint64_t rip, unsigned parameters, unsigned access)
{
    emu_rig_descriptor(&rig, FREE,
                       (rip & 0xffff) | (uint64_t)selector << 16 | (uint64_t)parameters << 32 |
                           (uint64_t)access << 40 | (rip >> 16 & 0xffff) << 48);
    if (c->efer & X86_EFER_LMA)
        emu_rig_descriptor(&rig, FREE + 8, rip >> 32);
}

static void expect_fault(bool done, unsigned vector, uint32_t error)
{
    cr_assert(!done);
    cr_assert_eq(c->leave, CPU_FAULT);
    cr_assert_eq(c->fault.vector, vector, "vector %u", c->fault.vector);
    cr_assert_eq(c->fault.error, error, "error %#x", c->fault.error);
    c->leave = CPU_ON;
}

static bool call(uint16_t selector)
{
    return far_call(c, selector, 0xdead, 8, NEXT);
}

static void expect_words(uint64_t at, unsigned size, const uint64_t *words, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        uint64_t word = emu_rig_read64(&rig, at + i * size);

        if (size < 8)
            word &= (UINT64_C(1) << size * 8) - 1;
        cr_assert_eq(word, words[i], "word %u is %#llx", i, (unsigned long long)word);
    }
}

Test(gate, call_at_the_same_level)
{
    const uint64_t frame[] = { NEXT, EMU_RIG_CODE64 };

    gate_put(EMU_RIG_CODE64, TARGET, 0, P | GATE64);
    cr_assert(call(FREE));
    cr_assert_eq(c->rip, TARGET);
    cr_assert_eq(c->gpr[X86_RSP], EMU_RIG_STACK - 16);
    expect_words(EMU_RIG_STACK - 16, 8, frame, 2);
    cr_assert(far_return(c, 8, 0));
    cr_assert_eq(c->rip, NEXT);
}

Test(gate, jump_takes_the_gates_offset)
{
    gate_put(EMU_RIG_CODE64, UINT64_C(0xffff800012345678), 0, P | GATE64);
    cr_assert(far_jump(c, FREE, 0xdead));
    cr_assert_eq(c->rip, UINT64_C(0xffff800012345678));
    cr_assert_eq(c->gpr[X86_RSP], EMU_RIG_STACK);
}

Test(gate, call_from_user_mode_changes_the_stack)
{
    const uint64_t frame[] = { NEXT, EMU_RIG_USER64 | 3, EMU_RIG_STACK, EMU_RIG_USERDS | 3 };

    emu_rig_user(&rig);
    gate_put(EMU_RIG_CODE64, TARGET, 0, P | DPL3 | GATE64);
    cr_assert(call(FREE | 3));
    cr_assert_eq(c->cpl, 0);
    cr_assert(c->mode & MODE_CPL0);
    cr_assert_eq(c->seg[X86_CS].selector, EMU_RIG_CODE64);
    cr_assert_eq(c->seg[X86_SS].selector, 0);
    cr_assert_eq(c->gpr[X86_RSP], INNER - 32);
    expect_words(INNER - 32, 8, frame, 4);
    cr_assert(far_return(c, 8, 0));
    cr_assert_eq(c->cpl, 3);
    cr_assert_eq(c->gpr[X86_RSP], EMU_RIG_STACK);
}

Test(gate, code_as_executed_goes_through_it)
{
    const uint8_t far[] = { 0, 0, 0, 0, EMU_RIG_FREE, 0 };
    const uint8_t code[] = { 0xff, 0x1c, 0x25, 0, 0x90, 0, 0 }; /* lcall *0x9000 */

    gate_put(EMU_RIG_CODE64, TARGET, 0, P | GATE64);
    emu_rig_write(&rig, 0x9000, far, sizeof(far));
    emu_rig_write(&rig, EMU_RIG_CODE, code, sizeof(code));
    cr_assert(emu_rig_step(&rig));
    cr_assert_eq(c->rip, TARGET);
    cr_assert_eq(emu_rig_read64(&rig, c->gpr[X86_RSP]), EMU_RIG_CODE + sizeof(code));
}

Test(gate, jump_stays_at_its_level)
{
    emu_rig_user(&rig);
    gate_put(EMU_RIG_CODE64, TARGET, 0, P | DPL3 | GATE64);
    expect_fault(far_jump(c, FREE | 3, 0), CPU_GP, EMU_RIG_CODE64);
}

Test(gate, gates_that_will_not_do)
{
    gate_put(EMU_RIG_CODE64, TARGET, 0, P | GATE64);
    expect_fault(call(FREE | 3), CPU_GP, FREE);
    gate_put(EMU_RIG_CODE64, TARGET, 0, GATE64);
    expect_fault(call(FREE), CPU_NP, FREE);
    expect_fault(call(FREE | 3), CPU_GP, FREE);
    gate_put(0, TARGET, 0, P | GATE64);
    expect_fault(call(FREE), CPU_GP, 0);
    gate_put(EMU_RIG_DATA, TARGET, 0, P | GATE64);
    expect_fault(call(FREE), CPU_GP, EMU_RIG_DATA);
    gate_put(EMU_RIG_CODE32, TARGET, 0, P | GATE64);
    expect_fault(call(FREE), CPU_GP, EMU_RIG_CODE32);
    gate_put(EMU_RIG_CODE64, UINT64_C(0x800000000000), 0, P | GATE64);
    expect_fault(call(FREE), CPU_GP, 0);
    gate_put(EMU_RIG_CODE64, TARGET, 0, P | GATE64);
    emu_rig_descriptor(&rig, FREE + 8, UINT64_C(0x1000) << 32);
    expect_fault(call(FREE), CPU_GP, FREE);
    gate_put(EMU_RIG_CODE64, TARGET, 0, P | GATE64);
    c->gdt.limit = FREE + 14;
    expect_fault(call(FREE), CPU_GP, FREE);
    cr_assert_eq(c->gpr[X86_RSP], EMU_RIG_STACK);
    cr_assert_eq(c->rip, EMU_RIG_CODE);
}

Test(gate, nothing_else_is_a_way_in_long_mode)
{
    static const uint8_t types[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0xa, 0xb, 0xd, 0xe, 0xf };

    for (unsigned i = 0; i < sizeof(types); i++) {
        gate_put(EMU_RIG_CODE64, TARGET, 0, P | types[i]);
        expect_fault(call(FREE), CPU_GP, FREE);
        expect_fault(far_jump(c, FREE, 0), CPU_GP, FREE);
    }
    expect_fault(call(0), CPU_GP, 0);
    expect_fault(call(EMU_RIG_LIMIT + 1), CPU_GP, EMU_RIG_LIMIT + 1);
}

Test(gate, stack_that_the_task_does_not_have)
{
    const uint64_t hole = UINT64_C(0x800000000000), unmapped = 0x400000;

    emu_rig_user(&rig);
    gate_put(EMU_RIG_CODE64, TARGET, 0, P | DPL3 | GATE64);
    emu_rig_write(&rig, EMU_RIG_TSS + 4, &hole, 8);
    expect_fault(call(FREE | 3), CPU_SS, 0);
    emu_rig_write(&rig, EMU_RIG_TSS + 4, &unmapped, 8);
    expect_fault(call(FREE | 3), CPU_PF, 2);
    cr_assert_eq(c->cpl, 3, "nothing has changed");
    cr_assert_eq(c->seg[X86_SS].selector, EMU_RIG_USERDS | 3);
    cr_assert(c->mode & MODE_USER);
    c->tr.limit = 10;
    expect_fault(call(FREE | 3), CPU_TS, EMU_RIG_TR);
}

/* The call copies the caller's parameters to the inner stack. */
Test(gate, parameters_go_with_a_32_bit_call)
{
    const uint32_t parameters[] = { 0x11111111, 0x22222222, 0x33333333 };
    const uint64_t frame[] = { NEXT,       EMU_RIG_USER32 | 3, 0x11111111,        0x22222222,
                               0x33333333, EMU_RIG_STACK - 12, EMU_RIG_USERDS | 3 };

    protected();
    user32();
    emu_rig_write(&rig, EMU_RIG_STACK - 12, parameters, sizeof(parameters));
    c->gpr[X86_RSP] = EMU_RIG_STACK - 12;
    gate_put(EMU_RIG_CODE32, 0x12349120, 3, P | DPL3 | GATE32);
    cr_assert(call(FREE | 3));
    cr_assert_eq(c->rip, 0x12349120);
    cr_assert_eq(c->cpl, 0);
    cr_assert_eq(c->seg[X86_SS].selector, EMU_RIG_DATA);
    cr_assert_eq(c->gpr[X86_RSP], INNER - 28);
    expect_words(INNER - 28, 4, frame, 7);
    cr_assert(far_return(c, 4, 12));
    cr_assert_eq(c->cpl, 3);
    cr_assert_eq(c->gpr[X86_RSP], EMU_RIG_STACK, "both stacks lose them");
}

Test(gate, all_of_31_parameters)
{
    protected();
    user32();
    c->gpr[X86_RSP] = EMU_RIG_STACK - 31 * 4;
    gate_put(EMU_RIG_CODE32, TARGET, 31, P | DPL3 | GATE32);
    cr_assert(call(FREE | 3));
    cr_assert_eq(c->gpr[X86_RSP], INNER - 35 * 4);
}

Test(gate, call_through_a_16_bit_gate)
{
    const uint64_t frame[] = { NEXT, EMU_RIG_CODE32 };

    protected();
    gate_put(EMU_RIG_CODE32, 0x12349120, 3, P | GATE16);
    cr_assert(call(FREE));
    cr_assert_eq(c->rip, 0x9120);
    expect_words(EMU_RIG_STACK - 4, 2, frame, 2);
}

Test(gate, inner_stack_of_a_16_bit_task)
{
    const uint16_t stack[] = { 0, 0x6000, EMU_RIG_DATA };

    protected();
    user32();
    emu_rig_write(&rig, EMU_RIG_TSS, stack, sizeof(stack));
    c->tr.access = P | 3;
    gate_put(EMU_RIG_CODE32, TARGET, 0, P | DPL3 | GATE32);
    cr_assert(call(FREE | 3));
    cr_assert_eq(c->gpr[X86_RSP], 0x6000 - 16);
}

/* A fault because of the inner stack has that stack's selector as error code. */
Test(gate, inner_stacks_that_will_not_do)
{
    uint32_t stack[] = { INNER, EMU_RIG_USERDS };

    protected();
    user32();
    gate_put(EMU_RIG_CODE32, TARGET, 0, P | DPL3 | GATE32);
    emu_rig_write(&rig, EMU_RIG_TSS + 4, stack, sizeof(stack));
    expect_fault(call(FREE | 3), CPU_TS, EMU_RIG_USERDS);
    stack[1] = 0;
    emu_rig_write(&rig, EMU_RIG_TSS + 4, stack, sizeof(stack));
    expect_fault(call(FREE | 3), CPU_TS, 0);
    stack[1] = FREE + 8;
    emu_rig_write(&rig, EMU_RIG_TSS + 4, stack, sizeof(stack));
    emu_rig_descriptor(&rig, FREE + 8, UINT64_C(0x004013000000ffff)); /* not present */
    expect_fault(call(FREE | 3), CPU_SS, FREE + 8);
    emu_rig_descriptor(&rig, FREE + 8, UINT64_C(0x0040930000000fff)); /* the limit is below INNER */
    expect_fault(call(FREE | 3), CPU_SS, FREE + 8);
    cr_assert_eq(c->cpl, 3);
    cr_assert_eq(c->gpr[X86_RSP], EMU_RIG_STACK);
}

static void expect_unable(bool done, const char *what)
{
    cr_assert(!done);
    cr_assert_eq(c->leave, CPU_UNABLE);
    cr_assert_str_eq(c->unable, what);
    c->leave = CPU_ON;
}

Test(gate, task_switches_are_named)
{
    protected();
    emu_rig_descriptor(&rig, FREE, UINT64_C(0x0000890030000067));
    expect_unable(far_jump(c, FREE, 0), "a task switch by JMP or CALL");
    expect_unable(call(FREE), "a task switch by JMP or CALL");
    emu_rig_descriptor(&rig, FREE + 8, (uint64_t)(P | TASK) << 40 | (uint64_t)FREE << 16);
    expect_unable(call(FREE + 8), "a task switch through a task gate");
}

/* The faults that silicon raises before it switches. */
Test(gate, tasks_that_cannot_be_switched_to)
{
    protected();
    emu_rig_descriptor(&rig, FREE, UINT64_C(0x00008b0030000067));
    expect_fault(call(FREE), CPU_GP, FREE);
    gate_put(FREE, 0, 0, P | TASK);
    emu_rig_descriptor(&rig, FREE + 8, (uint64_t)(P | TASK) << 40 | (uint64_t)FREE << 16);
    expect_fault(call(FREE + 8), CPU_GP, FREE);
    emu_rig_descriptor(&rig, FREE, UINT64_C(0x0000090030000067));
    expect_fault(call(FREE), CPU_NP, FREE);
    expect_fault(call(FREE | 3), CPU_GP, FREE);
    expect_fault(call(FREE + 8), CPU_NP, FREE);
    emu_rig_descriptor(&rig, FREE + 8, (uint64_t)TASK << 40 | (uint64_t)FREE << 16);
    expect_fault(call(FREE + 8), CPU_NP, FREE + 8);
}

Test(gate, interrupt_through_a_task_gate_is_named)
{
    protected();
    emu_rig_descriptor(&rig, FREE, UINT64_C(0x0000890030000067));
    emu_rig_gate(&rig, 0x41, 0, 0, TASK);
    *(uint64_t *)emu_rig_at(&rig, EMU_RIG_IDT + 0x41 * 8) =
        (uint64_t)(P | TASK) << 40 | (uint64_t)FREE << 16;
    cr_assert(!intr_deliver(c, 0x41));
    cr_assert_eq(c->leave, CPU_UNABLE);
}

Test(gate, run_ends_where_it_cannot_go_on)
{
    const uint8_t code[] = { 0xea, 0, 0, 0, 0, EMU_RIG_FREE, 0 }; /* ljmp */

    protected();
    emu_rig_descriptor(&rig, FREE, UINT64_C(0x0000890030000067));
    cr_assert_eq(emu_rig_run(&rig, code, sizeof(code)), VCPU_FAILED);
    cr_assert_eq(c->rip, EMU_RIG_CODE);
    cr_assert_eq(emu_rig_go(&rig), VCPU_FAILED, "and again each time");
}

/* The guest writes the link, and even its user code can set NT. */
Test(gate, return_from_a_nested_task)
{
    uint16_t link = 0;

    protected();
    cpu_rflags_set(c, X86_RFLAGS_NT | 2);
    emu_rig_write(&rig, EMU_RIG_TSS, &link, 2);
    expect_fault(intr_return(c, 4), CPU_TS, 0);
    link = FREE;
    emu_rig_write(&rig, EMU_RIG_TSS, &link, 2);
    emu_rig_descriptor(&rig, FREE, UINT64_C(0x0000890030000067)); /* not busy */
    expect_fault(intr_return(c, 4), CPU_TS, FREE);
    emu_rig_descriptor(&rig, FREE, UINT64_C(0x00000b0030000067));
    expect_fault(intr_return(c, 4), CPU_NP, FREE);
    emu_rig_descriptor(&rig, FREE, UINT64_C(0x00008b0030000067));
    expect_unable(intr_return(c, 4), "a task switch by IRET");
    link = SELECTOR_LDT | 8;
    emu_rig_write(&rig, EMU_RIG_TSS, &link, 2);
    expect_fault(intr_return(c, 4), CPU_TS, SELECTOR_LDT | 8);
}

static void frame32(uint32_t cs, uint32_t flags)
{
    const uint32_t frame[] = { TARGET, cs, flags };

    emu_rig_write(&rig, EMU_RIG_STACK - sizeof(frame), frame, sizeof(frame));
    c->gpr[X86_RSP] = EMU_RIG_STACK - sizeof(frame);
}

Test(gate, virtual_8086_mode_is_named)
{
    protected();
    frame32(0x1234, X86_RFLAGS_VM | 2);
    expect_unable(intr_return(c, 4), "virtual-8086 mode");
}

/* Elsewhere IRET ignores the VM flag: in IA-32e mode, and at other levels than 0. */
Test(gate, virtual_8086_mode_is_for_level_0_outside_long_mode)
{
    const uint64_t frame[] = { TARGET, EMU_RIG_CODE64, X86_RFLAGS_VM | 2, EMU_RIG_STACK,
                               EMU_RIG_DATA };

    emu_rig_write(&rig, EMU_RIG_STACK - sizeof(frame), frame, sizeof(frame));
    c->gpr[X86_RSP] = EMU_RIG_STACK - sizeof(frame);
    cr_assert(intr_return(c, 8));
    cr_assert_eq(cpu_rflags(c) & X86_RFLAGS_VM, 0);
    protected();
    user32();
    frame32(EMU_RIG_USER32 | 3, X86_RFLAGS_VM | 2);
    cr_assert(intr_return(c, 4));
    cr_assert_eq(cpu_rflags(c) & X86_RFLAGS_VM, 0);
}
