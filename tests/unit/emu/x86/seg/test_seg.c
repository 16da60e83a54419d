/* Loading segments: what each kind of load demands, and the questions VERR and its kin ask. */
#include "emu/x86/seg/seg.h"

#include <criterion/criterion.h>

#include "core/x86/bits.h"
#include "emu/x86/cpu/mode.h"
#include "emu/x86/seg/far.h"
#include "lib/x86/emu_rig.h"

#define FREE EMU_RIG_FREE

/* Byte-granular descriptors of 64 KiB at 0x12345678. */
#define RAW(access) (UINT64_C(0x120000345678ffff) | (uint64_t)(access) << 40)

#define DATA     0x92u /* present, DPL 0, writable */
#define READONLY 0x90u
#define CODE     0x9au /* readable */
#define EXECUTE  0x98u
#define CONFORM  0x9eu
#define LDT      0x82u
#define TSS      0x89u
#define DPL3     0x60u

static struct emu_rig rig;
static struct cpu *c;

static void set_up(void)
{
    emu_rig_init(&rig, 1);
    emu_rig_long_mode(&rig);
    c = rig.cpu;
}

static void tear_down(void)
{
    emu_rig_finish(&rig);
}

TestSuite(seg, .init = set_up, .fini = tear_down);

static void expect_fault(bool done, unsigned vector, uint32_t error)
{
    cr_assert(!done);
    cr_assert_eq(c->leave, CPU_FAULT);
    cr_assert_eq(c->fault.vector, vector, "vector %u", c->fault.vector);
    cr_assert(c->fault.has_error);
    cr_assert_eq(c->fault.error, error, "error %#x", c->fault.error);
    c->leave = CPU_ON;
}

static void expect_refused(enum x86_seg which, unsigned access, unsigned vector, uint16_t selector)
{
    struct x86_segment before = c->seg[which];

    emu_rig_descriptor(&rig, FREE, RAW(access));
    expect_fault(seg_load(c, which, selector), vector, selector & ~3u);
    cr_assert_eq(c->seg[which].selector, before.selector, "nothing has changed");
}

Test(seg, load_takes_the_descriptor_and_marks_it)
{
    emu_rig_descriptor(&rig, FREE, RAW(DATA));
    cr_assert(seg_load(c, X86_DS, FREE));
    cr_assert_eq(c->seg[X86_DS].base, 0x12345678);
    cr_assert_eq(c->seg[X86_DS].limit, 0xffff);
    cr_assert_eq(c->seg[X86_DS].selector, FREE);
    cr_assert_eq(emu_rig_read64(&rig, EMU_RIG_GDT + FREE), RAW(DATA | 1), "accessed");
    cr_assert_eq(c->gpr[CPU_DS_BASE], 0, "it does not count in 64-bit mode");
    cr_assert(seg_load(c, X86_FS, FREE));
    cr_assert_eq(c->gpr[CPU_FS_BASE], 0x12345678);
}

Test(seg, load_wants_readable_and_present)
{
    expect_refused(X86_DS, EXECUTE, CPU_GP, FREE);
    expect_refused(X86_ES, TSS, CPU_GP, FREE);
    expect_refused(X86_GS, DATA & ~0x80u, CPU_NP, FREE);
    emu_rig_descriptor(&rig, FREE, RAW(CODE));
    cr_assert(seg_load(c, X86_DS, FREE));
    emu_rig_descriptor(&rig, FREE, RAW(READONLY));
    cr_assert(seg_load(c, X86_ES, FREE));
}

Test(seg, load_wants_privilege)
{
    expect_refused(X86_DS, DATA, CPU_GP, FREE | 3);
    emu_rig_descriptor(&rig, FREE, RAW(CONFORM));
    cr_assert(seg_load(c, X86_DS, FREE | 3), "conforming code is everybody's");
    emu_rig_user(&rig);
    *emu_rig_entry(&rig, 0, 2) |= X86_PTE_US;
    expect_refused(X86_DS, DATA, CPU_GP, FREE);
    emu_rig_descriptor(&rig, FREE, RAW(DATA | DPL3));
    cr_assert(seg_load(c, X86_DS, FREE | 3));
}

Test(seg, stack_wants_writable_data_of_this_level)
{
    expect_refused(X86_SS, READONLY, CPU_GP, FREE);
    expect_refused(X86_SS, CODE, CPU_GP, FREE);
    expect_refused(X86_SS, DATA | DPL3, CPU_GP, FREE);
    expect_refused(X86_SS, DATA, CPU_GP, FREE | 1);
    expect_refused(X86_SS, DATA & ~0x80u, CPU_SS, FREE);
    emu_rig_descriptor(&rig, FREE, RAW(DATA));
    cr_assert(seg_load(c, X86_SS, FREE));
}

Test(seg, null_selectors)
{
    cr_assert(seg_load(c, X86_DS, 3));
    cr_assert_eq(c->seg[X86_DS].access & SEG_P, 0);
    cr_assert(seg_load(c, X86_SS, 0), "64-bit code needs no stack segment");
    expect_fault(seg_load(c, X86_SS, 3), CPU_GP, 0);
    c->seg[X86_CS].access = X86_ACCESS_CODE32;
    expect_fault(seg_load(c, X86_SS, 0), CPU_GP, 0);
}

Test(seg, selectors_beyond_their_table)
{
    expect_fault(seg_load(c, X86_DS, EMU_RIG_LIMIT + 1), CPU_GP, EMU_RIG_LIMIT + 1);
    expect_fault(seg_load(c, X86_DS, SELECTOR_LDT | 8), CPU_GP, SELECTOR_LDT | 8);
    c->gdt.limit = FREE + 6;
    expect_refused(X86_DS, DATA, CPU_GP, FREE);
}

Test(seg, ldt_is_loaded_and_used)
{
    uint64_t raw = RAW(DATA);

    emu_rig_descriptor(&rig, EMU_RIG_LDT, UINT64_C(0x0000820060000017));
    emu_rig_write(&rig, 0x6008, &raw, sizeof(raw));
    cr_assert(seg_load_ldt(c, EMU_RIG_LDT));
    cr_assert_eq(c->ldt.base, 0x6000);
    cr_assert(seg_load(c, X86_DS, SELECTOR_LDT | 8));
    cr_assert_eq(c->seg[X86_DS].base, 0x12345678);
    cr_assert_eq(emu_rig_read64(&rig, 0x6008), RAW(DATA | 1));
    cr_assert(seg_load_ldt(c, 0));
    expect_fault(seg_load(c, X86_DS, SELECTOR_LDT | 8), CPU_GP, SELECTOR_LDT | 8);
}

Test(seg, system_segments_have_bases_of_64_bits)
{
    emu_rig_descriptor(&rig, FREE, RAW(TSS));
    emu_rig_descriptor(&rig, FREE + 8, UINT64_C(0xffff8881));
    cr_assert(seg_load_tr(c, FREE));
    cr_assert_eq(c->tr.base, UINT64_C(0xffff888112345678));
    cr_assert_eq(emu_rig_read64(&rig, EMU_RIG_GDT + FREE), RAW(TSS | 2), "busy");
    expect_fault(seg_load_tr(c, FREE), CPU_GP, FREE);
}

Test(seg, system_segments_of_the_wrong_kind)
{
    emu_rig_descriptor(&rig, FREE, RAW(DATA));
    expect_fault(seg_load_ldt(c, FREE), CPU_GP, FREE);
    expect_fault(seg_load_tr(c, FREE), CPU_GP, FREE);
    expect_fault(seg_load_tr(c, 0), CPU_GP, 0);
    expect_fault(seg_load_ldt(c, SELECTOR_LDT | 8), CPU_GP, SELECTOR_LDT | 8);
    emu_rig_descriptor(&rig, FREE, RAW(LDT & ~0x80u));
    expect_fault(seg_load_ldt(c, FREE), CPU_NP, FREE);
    emu_rig_descriptor(&rig, FREE, RAW(TSS & ~0x80u));
    expect_fault(seg_load_tr(c, FREE), CPU_NP, FREE);
    emu_rig_descriptor(&rig, FREE, RAW(TSS));
    c->gdt.limit = FREE + 14;
    expect_fault(seg_load_tr(c, FREE), CPU_GP, FREE);
}

Test(seg, code_for_a_transfer)
{
    struct x86_segment s;

    expect_fault(seg_code(c, 0, &s), CPU_GP, 0);
    emu_rig_descriptor(&rig, FREE, RAW(DATA));
    expect_fault(seg_code(c, FREE, &s), CPU_GP, FREE);
    emu_rig_descriptor(&rig, FREE, RAW(CODE & ~0x80u));
    cr_assert(seg_code(c, FREE, &s));
    expect_fault(seg_code_present(c, &s), CPU_NP, FREE);
    emu_rig_descriptor(&rig, FREE, RAW(CODE | 0x6000)); /* L and D */
    expect_fault(seg_code(c, FREE, &s), CPU_GP, FREE);
    emu_rig_descriptor(&rig, FREE, RAW(CODE | 0x2000));
    cr_assert(seg_code(c, FREE | 3, &s) && seg_code_present(c, &s));
    cr_assert_eq(s.selector, FREE | 3);
    cr_assert(s.access & SEG_L);
}

/* The check of the levels comes before that of presence. */
Test(seg, levels_are_judged_before_presence)
{
    const uint64_t frame[] = { 0x9000, FREE };

    emu_rig_descriptor(&rig, FREE, RAW((CODE & ~0x80u) | DPL3 | 0x2000));
    expect_fault(far_jump(c, FREE, 0x9000), CPU_GP, FREE);
    emu_rig_write(&rig, EMU_RIG_STACK - 16, frame, sizeof(frame));
    c->gpr[X86_RSP] = EMU_RIG_STACK - 16;
    expect_fault(far_return(c, 8, 0), CPU_GP, FREE);
    emu_rig_descriptor(&rig, FREE, RAW((CODE & ~0x80u) | 0x2000));
    expect_fault(far_jump(c, FREE, 0x9000), CPU_NP, FREE);
    expect_fault(far_return(c, 8, 0), CPU_NP, FREE);
    cr_assert_eq(c->gpr[X86_RSP], EMU_RIG_STACK - 16);
}

/* Bytes 12 to 15 have a type field of their own, which must be 0; the base must be canonical. */
Test(seg, system_segments_have_a_second_half)
{
    emu_rig_descriptor(&rig, FREE, RAW(TSS));
    emu_rig_descriptor(&rig, FREE + 8, UINT64_C(0x1000) << 32);
    expect_fault(seg_load_tr(c, FREE), CPU_GP, FREE);
    emu_rig_descriptor(&rig, FREE + 8, 0x8000);
    expect_fault(seg_load_tr(c, FREE), CPU_GP, FREE);
    emu_rig_descriptor(&rig, FREE, RAW(LDT));
    expect_fault(seg_load_ldt(c, FREE), CPU_GP, FREE);
    emu_rig_descriptor(&rig, FREE + 8, 0);
    cr_assert(seg_load_ldt(c, FREE));
}

Test(seg, sixteen_bit_tasks_are_loaded_outside_long_mode)
{
    emu_rig_descriptor(&rig, FREE, RAW(0x81u));
    expect_fault(seg_load_tr(c, FREE), CPU_GP, FREE);
    emu_rig_protected_mode(&rig);
    c->efer = 0;
    emu_rig_descriptor(&rig, FREE, RAW(0x81u));
    cr_assert(seg_load_tr(c, FREE));
    cr_assert_eq(c->tr.access & 0xf, 3, "busy");
}

/* After RETF, as after IRET, 64-bit code needs no stack segment, except in ring 3. RSP is the
 * frame's. */
Test(seg, far_returns_to_code_without_a_stack_segment)
{
    const uint64_t frame[] = { 0x9000, FREE | 1, 0x4800, 1 };

    emu_rig_descriptor(&rig, FREE, RAW(CODE | 0x20u | 0x2000));
    emu_rig_write(&rig, EMU_RIG_STACK - sizeof(frame), frame, sizeof(frame));
    c->gpr[X86_RSP] = EMU_RIG_STACK - sizeof(frame);
    cr_assert(far_return(c, 8, 0));
    cr_assert_eq(c->cpl, 1);
    cr_assert_eq(c->seg[X86_SS].selector, 1);
    cr_assert_eq(c->gpr[X86_RSP], 0x4800);
}

Test(seg, table_that_is_not_mapped_faults)
{
    c->gdt.base = 0x400000;
    expect_fault(seg_load(c, X86_DS, FREE), CPU_PF, 0);
}

Test(seg, real_mode_loads_sixteen_times_the_selector)
{
    c->cr0 &= ~(uint64_t)X86_CR0_PE;
    cr_assert(seg_load(c, X86_ES, 0xb800));
    cr_assert_eq(c->seg[X86_ES].base, 0xb8000);
    cr_assert_eq(c->seg[X86_ES].selector, 0xb800);
}

Test(seg, lower_privilege_loses_what_it_may_not_use)
{
    c->seg[X86_ES].access = DATA;
    c->seg[X86_DS].access = DATA | DPL3;
    c->seg[X86_FS].access = CONFORM;
    c->seg[X86_GS].access = CODE;
    c->seg[X86_GS].base = 0x4321;
    c->cpl = 3;
    seg_drop_privileged(c);
    cr_assert_eq(c->seg[X86_ES].access, 0);
    cr_assert_eq(c->seg[X86_ES].selector, 0);
    cr_assert_eq(c->seg[X86_DS].access, DATA | DPL3);
    cr_assert_eq(c->seg[X86_FS].access, CONFORM);
    cr_assert_eq(c->seg[X86_GS].access, 0);
    cr_assert_eq(c->seg[X86_GS].base, 0x4321);
}

/* The same with a whole RETF. */
Test(seg, far_returns_outward_leave_the_bases)
{
    const uint64_t frame[] = { 0x9000, EMU_RIG_USER64 | 3, 0x4800, EMU_RIG_USERDS | 3 };

    emu_rig_write(&rig, EMU_RIG_STACK - sizeof(frame), frame, sizeof(frame));
    c->gpr[X86_RSP] = EMU_RIG_STACK - sizeof(frame);
    c->seg[X86_FS].base = 0x1234;
    c->seg[X86_GS].base = 0x5678;
    cr_assert(far_return(c, 8, 0));
    cr_assert_eq(c->cpl, 3);
    cr_assert_eq(c->seg[X86_GS].selector, 0);
    cr_assert_eq(c->gpr[CPU_FS_BASE], 0x1234);
    cr_assert_eq(c->gpr[CPU_GS_BASE], 0x5678);
}

Test(seg, lower_privilege_finds_every_null_selector_as_0)
{
    c->seg[X86_DS] = (struct x86_segment){ .selector = 3 };
    c->seg[X86_GS] = (struct x86_segment){ .selector = 2, .base = 0x1234 };
    c->cpl = 3;
    seg_drop_privileged(c);
    cr_assert_eq(c->seg[X86_DS].selector, 0);
    cr_assert_eq(c->seg[X86_GS].selector, 0);
    cr_assert_eq(c->gpr[CPU_GS_BASE], 0x1234);
}

static bool verifies(unsigned access, uint16_t selector, bool write)
{
    bool ok;

    emu_rig_descriptor(&rig, FREE, RAW(access));
    cr_assert(seg_verify(c, selector, write, &ok));
    return ok;
}

Test(seg, verify_answers_and_does_not_fault)
{
    cr_assert(verifies(DATA, FREE, false));
    cr_assert(verifies(DATA, FREE, true));
    cr_assert(verifies(READONLY, FREE, false));
    cr_assert(!verifies(READONLY, FREE, true));
    cr_assert(verifies(CODE, FREE, false));
    cr_assert(!verifies(CODE, FREE, true));
    cr_assert(!verifies(EXECUTE, FREE, false));
    cr_assert(!verifies(TSS, FREE, false));
    cr_assert(!verifies(DATA, FREE | 3, false));
    cr_assert(verifies(CONFORM, FREE | 3, false));
    cr_assert(!verifies(DATA, 0, false));
    cr_assert(!verifies(DATA, EMU_RIG_LIMIT + 1, false));
    cr_assert_eq(emu_rig_read64(&rig, EMU_RIG_GDT + FREE), RAW(DATA),
                 "nor does it mark the segment");
}

static bool describes(unsigned access, bool rights, uint32_t *value)
{
    bool ok;

    emu_rig_descriptor(&rig, FREE, RAW(access));
    cr_assert(seg_describe(c, FREE, rights, value, &ok));
    return ok;
}

Test(seg, describe_gives_rights_and_limit)
{
    uint32_t value;

    cr_assert(describes(DATA | 0xc000, true, &value));
    cr_assert_eq(value, 0x00c09200);
    cr_assert(describes(DATA | 0x8000, false, &value));
    cr_assert_eq(value, 0xfffffff, "the limit, in bytes");
    cr_assert(describes(TSS, false, &value));
    cr_assert(describes(LDT, true, &value));
    cr_assert(describes(0x8c, true, &value), "a call gate has rights");
    cr_assert(!describes(0x8c, false, &value), "and no limit");
    cr_assert(!describes(0x8e, true, &value), "an interrupt gate is nothing to LAR");
    cr_assert(!describes(0x81, true, &value), "nor a 16-bit TSS in IA-32e mode");
    c->efer = c->cr0 = 0;
    cr_assert(describes(0x81, true, &value));
    cr_assert(describes(0x85, true, &value), "a task gate");
    cr_assert(!describes(0x85, false, &value));
}
