/* The loop that runs a processor: counted turns, sleep, interrupts, kicks, the limit of CS. */
#include <criterion/criterion.h>

#include "emu/x86/apic/lapic.h"
#include "emu/x86/exec.h"
#include "lib/x86/emu_rig.h"

static struct emu_rig r;

static void start(void)
{
    emu_rig_init(&r, 2);
    emu_rig_long_mode(&r);
}

static void finish(void)
{
    emu_rig_finish(&r);
}

static void start_32(void)
{
    emu_rig_init(&r, 1);
    emu_rig_protected_mode(&r);
}

TestSuite(exec, .init = start, .fini = finish);
TestSuite(exec_32, .init = start_32, .fini = finish);

/* Runs these bytes for at most so many turns. */
#define TURNS(count, ...) \
    turns(count, (uint8_t[]){ __VA_ARGS__ }, sizeof((uint8_t[]){ __VA_ARGS__ }))

static enum vcpu_exit turns(uint32_t count, const uint8_t *code, size_t len)
{
    emu_rig_write(&r, EMU_RIG_CODE, code, len);
    r.cpu->rip = EMU_RIG_CODE;
    r.cpu->turns = count;
    cpu_request(r.cpu, CPU_REQ_TURNS);
    return emu_rig_go(&r);
}

Test(exec, counted_turns_are_blocks)
{
    cr_assert_eq(TURNS(5, 0xeb, 0xfe), VCPU_KICKED); /* jmp . */
    cr_assert_eq(r.cpu->executed, 5);
    cr_assert_eq(r.cpu->rip, EMU_RIG_CODE);
}

Test(exec, a_block_of_two_instructions_is_one_turn)
{
    cr_assert_eq(TURNS(7, 0xff, 0xc0, 0xeb, 0xfc), VCPU_KICKED); /* inc eax; jmp there */
    cr_assert_eq(r.cpu->executed, 14);
    cr_assert_eq(r.cpu->gpr[X86_RAX], 7);
}

Test(exec, no_turns_run_nothing)
{
    cr_assert_eq(TURNS(0, 0xff, 0xc0), VCPU_KICKED);
    cr_assert_eq(r.cpu->executed, 0);
    cr_assert_eq(r.cpu->gpr[X86_RAX], 0);
}

Test(exec, counted_turns_end_a_repetition)
{
    r.cpu->gpr[X86_RCX] = UINT64_MAX;
    r.cpu->gpr[X86_RDI] = EMU_RIG_CODE + 0x1000;
    cr_assert_eq(TURNS(3, 0xf3, 0xaa), VCPU_KICKED); /* rep stosb */
    cr_assert_eq(r.cpu->rip, EMU_RIG_CODE);
    cr_assert_gt(r.cpu->gpr[X86_RDI], EMU_RIG_CODE + 0x1000);
}

Test(exec, counted_turns_end_faults_without_end)
{
    emu_rig_gate(&r, CPU_UD, EMU_RIG_CODE, 0, 0xe);
    cr_assert_eq(TURNS(9, 0x0f, 0x0b), VCPU_KICKED); /* ud2, and its handler again */
    cr_assert_eq(r.cpu->executed, 0);
    cr_assert_eq(r.cpu->gpr[X86_RSP] & 15, 8);
    cr_assert_eq(EMU_RIG_STACK - r.cpu->gpr[X86_RSP], 8 * 48 + 40);
}

Test(exec, a_halted_processor_returns_while_its_turns_are_counted)
{
    cr_assert_eq(TURNS(5, 0xf4), VCPU_KICKED); /* hlt */
    cr_assert(r.cpu->halted_by_guest);
    cr_assert_eq(r.cpu->turns, 4);
    cr_assert_eq(r.cpu->executed, 1);
    cr_assert_eq(emu_rig_go(&r), VCPU_KICKED, "and again");
    cr_assert_eq(r.cpu->turns, 4);
}

Test(exec, an_interrupt_ends_hlt_while_turns_are_counted)
{
    emu_rig_gate(&r, CPU_NMI, EMU_RIG_CODE + 0x100, 0, 0xe);
    emu_rig_write(&r, EMU_RIG_CODE + 0x100, (uint8_t[]){ 0xff, 0xc0, 0xeb, 0xfe }, 4);
    cr_assert_eq(TURNS(5, 0xf4), VCPU_KICKED);
    cpu_request(r.cpu, CPU_REQ_NMI);
    cr_assert_eq(emu_rig_go(&r), VCPU_KICKED);
    cr_assert_not(r.cpu->halted_by_guest);
    cr_assert_eq(r.cpu->turns, 0);
    cr_assert_eq(r.cpu->gpr[X86_RAX], 1);
}

/* No NMI comes between STI and the next instruction either: between STI and HLT it would let in the
 * interrupt that HLT is to wait for. */
Test(exec, an_nmi_waits_for_what_follows_sti)
{
    emu_rig_gate(&r, CPU_NMI, EMU_RIG_CODE + 0x100, 0, 0xe);
    emu_rig_write(&r, EMU_RIG_CODE + 0x100, (uint8_t[]){ 0x89, 0xc3, 0xeb, 0xfe }, 4);
    cpu_request(r.cpu, CPU_REQ_NMI);
    r.cpu->nmi_blocked = true;
    cr_assert_eq(TURNS(1, 0xfb, 0xff, 0xc0, 0xff, 0xc0), VCPU_KICKED); /* sti; inc; inc */
    cr_assert(r.cpu->alone & CPU_ALONE_NO_INTERRUPT);
    r.cpu->nmi_blocked = false;
    r.cpu->turns = 4;
    cr_assert_eq(emu_rig_go(&r), VCPU_KICKED);
    cr_assert_eq(r.cpu->gpr[X86_RBX], 1, "between the two");
}

Test(exec, a_processor_that_waits_for_sipi_returns_while_its_turns_are_counted)
{
    struct cpu *other = r.emu->cpus[1];

    other->turns = 3;
    cpu_request(other, CPU_REQ_TURNS);
    cr_assert_eq(exec_run(other), VCPU_KICKED);
    cr_assert_eq(other->turns, 3);
    cr_assert(other->waiting_for_sipi);
}

Test(exec, a_kick_comes_before_the_first_turn)
{
    cpu_request(r.cpu, CPU_REQ_KICK);
    cr_assert_eq(TURNS(5, 0xff, 0xc0, 0xeb, 0xfe), VCPU_KICKED);
    cr_assert_eq(r.cpu->turns, 5);
    cr_assert_eq(emu_rig_go(&r), VCPU_KICKED);
    cr_assert_eq(r.cpu->gpr[X86_RAX], 1);
}

Test(exec, a_third_fault_shuts_the_processor_down)
{
    r.cpu->idt.limit = 0;
    cr_assert_eq(TURNS(100, 0x0f, 0x0b), VCPU_TRIPLE_FAULT);
    cr_assert_eq(r.cpu->rip, EMU_RIG_CODE);
}

Test(exec_32, eip_wraps_at_four_gigabytes)
{
    r.cpu->rip = 0xffffffff; /* no RAM: ff there, and what follows it is at 0 */
    emu_rig_write(&r, 0, (uint8_t[]){ 0xc0 }, 1); /* inc eax */
    emu_rig_write(&r, 1, (uint8_t[]){ 0xeb, 0xfe }, 2);
    r.cpu->turns = 1;
    cpu_request(r.cpu, CPU_REQ_TURNS);
    cr_assert_eq(emu_rig_go(&r), VCPU_KICKED);
    cr_assert_eq(r.cpu->gpr[X86_RAX], 1);
    cr_assert_eq(r.cpu->rip, 1);
}

/* Runs code at 0x8ff8 with a CS limit of 0x8ffd and expects a #GP at rip. */
static void faults_at(uint64_t rip, const char *code, size_t len)
{
    emu_rig_gate(&r, CPU_GP, 0xa000, 0, 0xe);
    emu_rig_write(&r, 0xa000, (uint8_t[]){ 0xeb, 0xfe }, 2);
    emu_rig_write(&r, 0x8ff8, code, len);
    r.cpu->seg[X86_CS].limit = 0x8ffd;
    emu_rig_update(&r);
    r.cpu->rip = 0x8ff8;
    r.cpu->turns = 20;
    cpu_request(r.cpu, CPU_REQ_TURNS);
    cr_assert_eq(emu_rig_go(&r), VCPU_KICKED);
    cr_assert_eq(r.cpu->rip, 0xa000, "in the handler");
    cr_assert_eq((uint32_t)emu_rig_read64(&r, r.cpu->gpr[X86_RSP]), 0, "error code");
    cr_assert_eq((uint32_t)emu_rig_read64(&r, r.cpu->gpr[X86_RSP] + 4), rip);
}

Test(exec_32, code_ends_at_the_limit_of_cs)
{
    faults_at(0x8ffe, "\x40\x40\x40\x40\x40\x40\x40\x40", 8); /* inc eax, all of one block */
    cr_assert_eq(r.cpu->gpr[X86_RAX], 6);
}

Test(exec_32, an_instruction_half_beyond_the_limit_of_cs_is_beyond_it)
{
    faults_at(0x8ffc, "\x40\x40\x40\x40\xb8\x01\x02\x03\x04", 9); /* mov $0x4030201, eax */
    cr_assert_eq(r.cpu->gpr[X86_RAX], 4);
}

Test(exec_32, a_target_beyond_the_limit_of_cs_is_the_jumps_fault)
{
    faults_at(0x8ff9, "\x40\xeb\x10", 3);
    cr_assert_eq(r.cpu->gpr[X86_RAX], 1);
}

/* The next page is not mapped, which does not matter: the limit is checked first. */
Test(exec, what_is_beyond_the_limit_of_cs_is_not_fetched)
{
    r.cpu->seg[X86_CS] = (struct x86_segment){ 0, 0x1fffff, EMU_RIG_CODE32, X86_ACCESS_CODE32 };
    emu_rig_update(&r);
    emu_rig_write(&r, 0x1fffff, (uint8_t[]){ 0xb8 }, 1);
    r.cpu->rip = 0x1fffff;
    cr_assert_not(emu_rig_step(&r));
    cr_assert_eq(r.cpu->fault.vector, CPU_GP);
    cr_assert_eq(r.cpu->rip, 0x1fffff);
    r.cpu->seg[X86_CS].limit++;
    cr_assert_not(emu_rig_step(&r));
    cr_assert_eq(r.cpu->fault.vector, CPU_PF);
}
