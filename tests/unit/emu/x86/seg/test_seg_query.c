#include <criterion/criterion.h>
#include <string.h>

#include "core/x86/bits.h"
#include "emu/x86/cpu/descriptor.h"
#include "emu/x86/seg/seg.h"
#include "lib/x86/processor.h"

static struct processor p;

/* The table's selectors, by what they name. */
enum {
    CODE = 1 << 3,
    DATA = 2 << 3,
    USER_EXECUTE_ONLY = 3 << 3,
    USER_READ_ONLY = 4 << 3,
    CONFORMING = 5 << 3,
    TSS = 6 << 3, /* and the entry behind it */
    CALL_GATE = 8 << 3,
    TASK_GATE = 9 << 3,
    INTERRUPT_GATE = 10 << 3,
    USER_DATA = 11 << 3,
    TSS_16 = 12 << 3,
    BEYOND = 13 << 3,
};

#define LIMIT     0x54321u
#define BIG_PAGES 0x800000u /* G, in the descriptor's high half */

static void describe(uint16_t selector, uint32_t access, uint32_t flags)
{
    uint32_t low = LIMIT & 0xffff;
    uint32_t high = access << 8 | (LIMIT & 0xf0000) | flags;

    memcpy(p.data + selector, &low, 4);
    memcpy(p.data + selector + 4, &high, 4);
}

static void start(void)
{
    processor_init(&p, 64);
    p.cpu->gdt = (struct x86_table){ PROCESSOR_DATA, BEYOND - 1 };
    describe(CODE, 0x9a, 0x200000);
    describe(DATA, 0x92, BIG_PAGES);
    describe(USER_EXECUTE_ONLY, 0xf8, 0);
    describe(USER_READ_ONLY, 0xf0, 0);
    describe(CONFORMING, 0x9e, 0);
    describe(TSS, 0x8b, 0);
    describe(CALL_GATE, 0xec, 0);
    describe(TASK_GATE, 0xe5, 0);
    describe(INTERRUPT_GATE, 0xee, 0);
    describe(USER_DATA, 0x72, 0); /* not present */
    describe(TSS_16, 0x83, 0);
}

static void finish(void)
{
    processor_finish(&p);
}

TestSuite(seg_query, .init = start, .fini = finish);

static bool verifies(uint16_t selector, bool write)
{
    bool ok;

    cr_assert(seg_verify(p.cpu, selector, write, &ok));
    cr_assert_eq(p.cpu->leave, CPU_ON);
    return ok;
}

Test(seg_query, verifies_kinds)
{
    cr_assert(verifies(CODE, false));
    cr_assert_not(verifies(CODE, true), "code is never writable");
    cr_assert(verifies(DATA, false));
    cr_assert(verifies(DATA, true));
    cr_assert(verifies(USER_READ_ONLY, false));
    cr_assert_not(verifies(USER_READ_ONLY, true));
    cr_assert_not(verifies(USER_EXECUTE_ONLY, false));
    cr_assert_not(verifies(TSS, false), "a system segment");
    cr_assert_not(verifies(0, false));
    cr_assert_not(verifies(3, false), "null with any RPL");
    cr_assert_not(verifies(BEYOND, false));
    cr_assert_not(verifies(CODE | SELECTOR_LDT, false), "there is no LDT");
    cr_assert(verifies(USER_DATA, true), "presence is not asked");
}

Test(seg_query, verifies_privilege)
{
    cr_assert_not(verifies(DATA | 1, false), "the RPL counts");
    cr_assert(verifies(CONFORMING | 3, false), "conforming code is everyone's");
    p.cpu->cpl = 3;
    cr_assert_not(verifies(DATA, false));
    cr_assert_not(verifies(CODE, false));
    cr_assert(verifies(CONFORMING, false));
    cr_assert(verifies(USER_READ_ONLY | 3, false));
}

static bool describes(uint16_t selector, bool rights, uint32_t *value)
{
    bool ok;

    cr_assert(seg_describe(p.cpu, selector, rights, value, &ok));
    cr_assert_eq(p.cpu->leave, CPU_ON);
    return ok;
}

Test(seg_query, access_rights)
{
    uint32_t value;

    cr_assert(describes(CODE, true, &value));
    cr_assert_eq(value, 0x209a00, "without the limit's bits");
    cr_assert(describes(DATA, true, &value));
    cr_assert_eq(value, 0x809200);
    cr_assert(describes(TSS, true, &value));
    cr_assert_eq(value, 0x8b00);
    cr_assert(describes(CALL_GATE | 3, true, &value));
    cr_assert_not(describes(INTERRUPT_GATE, true, &value));
    cr_assert_not(describes(DATA | 3, true, &value));
    cr_assert_not(describes(BEYOND, true, &value));
}

Test(seg_query, limits)
{
    uint32_t value;

    cr_assert(describes(CODE, false, &value));
    cr_assert_eq(value, LIMIT);
    cr_assert(describes(DATA, false, &value));
    cr_assert_eq(value, LIMIT << 12 | 0xfff, "in bytes");
    cr_assert(describes(TSS, false, &value));
    cr_assert_not(describes(CALL_GATE, false, &value), "a gate has no limit");
}

Test(seg_query, legacy_system_segments_exist_outside_ia32e_mode)
{
    uint32_t value;

    cr_assert_not(describes(TASK_GATE, true, &value));
    cr_assert_not(describes(TSS_16, false, &value));
    p.cpu->efer = 0;
    p.cpu->cr0 &= ~X86_CR0_PG;
    cr_assert(describes(TASK_GATE, true, &value));
    cr_assert_not(describes(TASK_GATE, false, &value));
    cr_assert(describes(TSS_16, false, &value));
}

Test(seg_query, the_local_table)
{
    p.cpu->ldt = (struct x86_segment){ .base = PROCESSOR_DATA, .limit = 31, .access = SEG_P | 2 };
    cr_assert(verifies(CODE | SELECTOR_LDT, false));
    cr_assert_not(verifies(USER_READ_ONLY | SELECTOR_LDT, false), "beyond its limit");
}

Test(seg_query, only_the_tables_pages_fault)
{
    uint32_t value;
    bool ok;

    p.cpu->gdt = (struct x86_table){ PROCESSOR_HOLE, 0xffff };
    cr_assert_not(seg_verify(p.cpu, CODE, false, &ok));
    cr_assert_eq(p.cpu->fault.vector, CPU_PF);
    cr_assert_eq(p.cpu->fault.address, PROCESSOR_HOLE + CODE);
    cr_assert_not(seg_describe(p.cpu, CODE, true, &value, &ok));
}

/* The instructions themselves: ZF is the answer, and only with ZF the destination changes. */
Test(seg_query, instructions_answer_in_zf)
{
    struct cpu *c = p.cpu;

    c->gpr[X86_RAX] = DATA;
    c->gpr[X86_RBX] = UINT64_C(0x1111222233334444);
    c->flags = FLAGS_CF;
    cr_assert_eq(STEP(&p, 0x0f, 0x00, 0xe8), PROCESSOR_OK); /* verw ax */
    cr_assert_eq(c->flags, FLAGS_CF | FLAGS_ZF);
    cr_assert_eq(STEP(&p, 0x0f, 0x02, 0xd8), PROCESSOR_OK); /* lar ebx, eax */
    cr_assert_eq(c->gpr[X86_RBX], 0x809200);
    cr_assert_eq(STEP(&p, 0x0f, 0x03, 0xd8), PROCESSOR_OK); /* lsl ebx, eax */
    cr_assert_eq(c->gpr[X86_RBX], LIMIT << 12 | 0xfff);
    c->gpr[X86_RAX] = BEYOND;
    cr_assert_eq(STEP(&p, 0x0f, 0x03, 0xd8), PROCESSOR_OK);
    cr_assert_eq(c->gpr[X86_RBX], LIMIT << 12 | 0xfff);
    cr_assert_eq(c->flags, FLAGS_CF);
    cr_assert_eq(STEP(&p, 0x0f, 0x00, 0xe0), PROCESSOR_OK); /* verr ax */
    cr_assert_eq(c->flags, FLAGS_CF);
}
