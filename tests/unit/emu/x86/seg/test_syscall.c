/* SYSCALL, SYSRET, SYSENTER, SYSEXIT: registers, RFLAGS, rings, and what they refuse. */
#include "emu/x86/seg/syscall.h"

#include <criterion/criterion.h>

#include "core/x86/bits.h"
#include "emu/x86/cpu/descriptor.h"
#include "emu/x86/cpu/mode.h"
#include "emu/x86/decode/vendor.h"
#include "lib/x86/emu_rig.h"

#define TF UINT64_C(0x100)
#define IF UINT64_C(0x200)
#define DF UINT64_C(0x400)
#define RF UINT64_C(0x10000)
#define VM UINT64_C(0x20000)

#define STAR           (UINT64_C(0x00230010) << 32)
#define ENTRY          UINT64_C(0xffffffff80001000)
#define ENTRY_32       UINT64_C(0x00401000)
#define NOT_CANONICAL  (UINT64_C(1) << 47)
#define SYSENTER_CS    0x60u
#define SYSENTER_STACK UINT64_C(0xffffffff80002000)

static struct emu_rig rig;
static struct cpu *c;

static void set_up(void)
{
    emu_rig_init(&rig, 1);
    emu_rig_long_mode(&rig);
    c = rig.cpu;
    c->efer |= X86_EFER_SCE;
    c->star = STAR;
    c->lstar = ENTRY;
    c->cstar = ENTRY_32;
    c->fmask = TF | IF | DF;
    c->sysenter_cs = SYSENTER_CS;
    c->sysenter_eip = ENTRY;
    c->sysenter_esp = SYSENTER_STACK;
    c->vendor = vendor_of("GenuineIntel", 6);
}

static void be_amd(void)
{
    c->vendor = vendor_of("AuthenticAMD", 0x19);
}

static void compatibility_mode(void)
{
    c->seg[X86_CS].access = (uint16_t)((c->seg[X86_CS].access & ~SEG_L) | SEG_DB);
    cpu_mode_update(c);
}

static void tear_down(void)
{
    emu_rig_finish(&rig);
}

TestSuite(syscall, .init = set_up, .fini = tear_down);

static void expect_ring(unsigned cpl, uint16_t cs, bool is_64bit, uint16_t ss)
{
    cr_assert_eq(c->cpl, cpl);
    cr_assert_eq(c->seg[X86_CS].selector, cs);
    cr_assert_eq(c->seg[X86_SS].selector, ss);
    cr_assert_eq(!!(c->seg[X86_CS].access & SEG_L), is_64bit);
    cr_assert_eq(SEG_DPL(c->seg[X86_CS].access), cpl);
    cr_assert_eq(SEG_DPL(c->seg[X86_SS].access), cpl);
}

static void expect_refused(bool done, enum cpu_vector vector)
{
    cr_assert(!done);
    cr_assert_eq(c->leave, CPU_FAULT);
    cr_assert_eq(c->fault.vector, vector);
    cr_assert_eq(c->fault.error, 0);
    c->leave = CPU_ON;
}

Test(syscall, enters_the_kernel)
{
    emu_rig_user(&rig);
    cpu_rflags_set(c, 2 | 1 | TF | IF | DF | RF);
    cr_assert(syscall_enter(c, 0x1234));
    cr_assert_eq(c->rip, ENTRY);
    cr_assert_eq(c->gpr[X86_RCX], 0x1234);
    cr_assert_eq(c->gpr[X86_R11], 2 | 1 | TF | IF | DF, "all but RF");
    cr_assert_eq(cpu_rflags(c), 2 | 1);
    cr_assert_eq(c->leave, CPU_STEP, "TF is tested again");
    expect_ring(0, 0x10, true, 0x18);
}

Test(syscall, enters_from_compatibility_mode_on_amd_alone)
{
    emu_rig_user(&rig);
    compatibility_mode();
    c->gpr[X86_RCX] = 7;
    expect_refused(syscall_enter(c, 0x1234), CPU_UD);
    cr_assert_eq(c->cpl, 3);
    cr_assert_eq(c->gpr[X86_RCX], 7);
    be_amd();
    cr_assert(syscall_enter(c, 0x1234));
    cr_assert_eq(c->rip, ENTRY_32);
    expect_ring(0, 0x10, true, 0x18);
}

/* In protected mode the entry is in STAR, and EFLAGS is not saved. */
Test(syscall, enters_from_protected_mode_on_amd_alone)
{
    emu_rig_protected_mode(&rig);
    c->efer = X86_EFER_SCE;
    c->star = STAR | ENTRY_32;
    cpu_rflags_set(c, 2 | IF | DF);
    expect_refused(syscall_enter(c, 0x1234), CPU_UD);
    be_amd();
    c->gpr[X86_R11] = 5;
    cr_assert(syscall_enter(c, 0x1234));
    cr_assert_eq(c->rip, ENTRY_32);
    cr_assert_eq(c->gpr[X86_RCX], 0x1234);
    cr_assert_eq(c->gpr[X86_R11], 5);
    cr_assert_eq(cpu_rflags(c), 2 | DF);
    expect_ring(0, 0x10, false, 0x18);
    c->gpr[X86_RCX] = 0x5678;
    cr_assert(syscall_return(c, 4));
    cr_assert_eq(c->rip, 0x5678);
    cr_assert_eq(cpu_rflags(c), 2 | IF | DF);
    expect_ring(3, 0x23, false, 0x2b);
    c->cr0 &= ~(uint64_t)X86_CR0_PE;
    expect_refused(syscall_enter(c, 0), CPU_UD);
}

Test(syscall, is_undefined_without_its_efer_bit)
{
    c->efer &= ~(uint64_t)X86_EFER_SCE;
    expect_refused(syscall_enter(c, 0), CPU_UD);
    expect_refused(syscall_return(c, 8), CPU_UD);
}

Test(syscall, returns_to_64_bit_code)
{
    c->gpr[X86_RCX] = ENTRY - 1;
    c->gpr[X86_R11] = UINT64_MAX;
    cr_assert(syscall_return(c, 8));
    cr_assert_eq(c->rip, ENTRY - 1);
    cr_assert_eq(cpu_rflags(c), 0x3c7fd7, "neither RF nor VM");
    cr_assert_eq(c->leave, CPU_STEP);
    expect_ring(3, 0x33, true, 0x2b);
}

Test(syscall, returns_to_32_bit_code)
{
    c->gpr[X86_RCX] = NOT_CANONICAL | 0x5678;
    c->gpr[X86_R11] = VM | 2;
    cr_assert(syscall_return(c, 4));
    cr_assert_eq(c->rip, 0x5678);
    cr_assert_eq(cpu_rflags(c), 2);
    expect_ring(3, 0x23, false, 0x2b);
}

Test(syscall, return_is_refused)
{
    c->gpr[X86_RCX] = NOT_CANONICAL;
    expect_refused(syscall_return(c, 8), CPU_GP);
    c->gpr[X86_RCX] = 0;
    emu_rig_user(&rig);
    expect_refused(syscall_return(c, 8), CPU_GP);
    compatibility_mode();
    expect_refused(syscall_return(c, 8), CPU_UD);
    be_amd();
    expect_refused(syscall_return(c, 8), CPU_GP);
}

Test(syscall, return_to_a_bad_address_faults_in_ring_3_on_amd)
{
    be_amd();
    c->gpr[X86_RCX] = NOT_CANONICAL;
    cr_assert(syscall_return(c, 8));
    cr_assert_eq(c->rip, NOT_CANONICAL);
    cr_assert_eq(c->cpl, 3);
    cr_assert_not(emu_rig_step(&rig));
    cr_assert_eq(c->fault.vector, CPU_GP);
}

Test(syscall, return_on_amd_leaves_the_stack_segment_what_it_was)
{
    be_amd();
    c->seg[X86_SS] = (struct x86_segment){ .base = 0x1000, .limit = 5, .access = SEG_P };
    cr_assert(syscall_return(c, 8));
    expect_ring(3, 0x33, true, 0x2b);
    cr_assert_eq(c->seg[X86_SS].base, 0x1000);
    cr_assert_eq(c->gpr[CPU_SS_BASE], 0, "64-bit mode has no such base");
    cr_assert_eq(c->seg[X86_SS].limit, 5);
    cr_assert_eq(c->seg[X86_SS].access, SEG_P | 0x60);
}

Test(syscall, sysenter)
{
    emu_rig_user(&rig);
    cpu_rflags_set(c, 2 | IF | RF | DF);
    cr_assert(sysenter(c));
    cr_assert_eq(c->rip, ENTRY);
    cr_assert_eq(c->gpr[X86_RSP], SYSENTER_STACK);
    cr_assert_eq(cpu_rflags(c), 2 | DF);
    expect_ring(0, SYSENTER_CS, true, SYSENTER_CS + 8);
}

Test(syscall, sysexit)
{
    c->gpr[X86_RDX] = ENTRY;
    c->gpr[X86_RCX] = SYSENTER_STACK;
    cr_assert(sysexit(c, 8));
    cr_assert_eq(c->rip, ENTRY);
    cr_assert_eq(c->gpr[X86_RSP], SYSENTER_STACK);
    expect_ring(3, (SYSENTER_CS + 32) | 3, true, (SYSENTER_CS + 40) | 3);
}

Test(syscall, sysexit_to_32_bit_code)
{
    c->gpr[X86_RDX] = ENTRY;
    c->gpr[X86_RCX] = SYSENTER_STACK;
    cr_assert(sysexit(c, 4));
    cr_assert_eq(c->rip, (uint32_t)ENTRY);
    cr_assert_eq(c->gpr[X86_RSP], (uint32_t)SYSENTER_STACK);
    expect_ring(3, (SYSENTER_CS + 16) | 3, false, (SYSENTER_CS + 24) | 3);
}

Test(syscall, sysenter_and_sysexit_are_refused)
{
    c->gpr[X86_RDX] = NOT_CANONICAL;
    expect_refused(sysexit(c, 8), CPU_GP);
    c->gpr[X86_RDX] = 0;
    c->gpr[X86_RCX] = NOT_CANONICAL;
    expect_refused(sysexit(c, 8), CPU_GP);
    c->sysenter_cs = 3; /* null, whatever its RPL */
    expect_refused(sysenter(c), CPU_GP);
    expect_refused(sysexit(c, 8), CPU_GP);
    c->sysenter_cs = SYSENTER_CS;
    emu_rig_user(&rig);
    expect_refused(sysexit(c, 8), CPU_GP);
}

Test(syscall, sysenter_and_sysexit_are_undefined_in_long_mode_on_amd)
{
    be_amd();
    expect_refused(sysexit(c, 8), CPU_UD);
    emu_rig_user(&rig);
    expect_refused(sysenter(c), CPU_UD);
    compatibility_mode();
    expect_refused(sysenter(c), CPU_UD);
    emu_rig_protected_mode(&rig);
    c->efer = 0;
    cr_assert(sysenter(c));
    expect_ring(0, SYSENTER_CS, false, SYSENTER_CS + 8);
}

Test(syscall, real_mode_has_none)
{
    c->cr0 = X86_CR0_ET;
    c->efer = X86_EFER_SCE;
    expect_refused(sysenter(c), CPU_GP);
    expect_refused(sysexit(c, 4), CPU_GP);
    expect_refused(syscall_enter(c, 0), CPU_UD);
    expect_refused(syscall_return(c, 4), CPU_UD);
}

/* From here on the guest's code runs. The trap of a single step comes before the first instruction
 * of the other ring, or not at all. */

static void single_step_gate(uint64_t handler)
{
    emu_rig_gate(&rig, CPU_DB, handler, 0, 0xe);
}

Test(syscall, masked_trap_flag_does_not_trap_in_the_kernel)
{
    const uint8_t call[] = { 0x9c, 0x81, 0x0c, 0x24, 0, 1, 0, 0, 0x9d, 0x0f, 0x05 };

    c->lstar = EMU_RIG_CODE + sizeof(call); /* pushf; or $TF, (%rsp); popf; syscall */
    c->star = (uint64_t)EMU_RIG_CODE64 << 32;
    single_step_gate(NOT_CANONICAL); /* a trap would shut the processor down */
    cr_assert_eq(emu_rig_run(&rig, call, sizeof(call)), VCPU_KICKED);
    cr_assert_eq(c->gpr[X86_R11] & TF, TF);
}
