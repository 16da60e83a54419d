/* The slow path to memory: alignment checking at CPL 3. */
#include "emu/x86/mem/mmu.h"

#include <criterion/criterion.h>

#include "core/base/units.h"
#include "core/x86/bits.h"
#include "emu/x86/cpu/tlb.h"
#include "lib/x86/emu_rig.h"

#define PAGE   UINT64_C(0x400000) /* the user's */
#define ABSENT UINT64_C(0x402000) /* behind its second page */

static struct emu_rig rig;
static struct cpu *c;

static void set_up(void)
{
    emu_rig_init(&rig, 1);
    emu_rig_long_mode(&rig);
    emu_rig_map(&rig, PAGE, 0x10000, X86_PTE_P | X86_PTE_RW | X86_PTE_US);
    emu_rig_map(&rig, PAGE + PAGE_4K, 0x20000, X86_PTE_P | X86_PTE_RW | X86_PTE_US);
    c = rig.cpu;
    c->cr0 |= X86_CR0_AM;
    cpu_rflags_set(c, X86_RFLAGS_R1 | X86_RFLAGS_AC);
    emu_rig_user(&rig);
    emu_rig_update(&rig);
}

static void tear_down(void)
{
    emu_rig_finish(&rig);
}

TestSuite(mmu, .init = set_up, .fini = tear_down);

static void expect_fault(bool done, enum cpu_vector vector)
{
    cr_assert(!done);
    cr_assert_eq(c->leave, CPU_FAULT);
    cr_assert_eq(c->fault.vector, vector);
    c->leave = CPU_ON;
}

static void expect_checked(unsigned size, unsigned to)
{
    const uint8_t data[64] = { 0 };

    for (unsigned at = 0; at < 2 * to; at++) {
        bool aligned = at % to == 0;

        cr_assert_eq(mmu_read_at(c, PAGE + at, size) != NULL, aligned, "%u at %u", size, at);
        if (!aligned)
            expect_fault(false, CPU_AC);
        cr_assert_eq(mmu_write_slow(c, PAGE + at, data, size), aligned);
        if (!aligned)
            expect_fault(false, CPU_AC);
    }
}

Test(mmu, alignment_by_size)
{
    static const unsigned sizes[][2] = { { 1, 1 }, { 2, 2 },  { 4, 4 },   { 6, 4 },
                                         { 8, 8 }, { 10, 8 }, { 16, 16 }, { 32, 1 } };

    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        expect_checked(sizes[i][0], sizes[i][1]);
}

Test(mmu, every_way_of_writing_is_checked)
{
    cr_assert(mmu_modify_slow(c, PAGE + 4, 4));
    expect_fault(mmu_modify_slow(c, PAGE + 2, 4), CPU_AC);
    cr_assert(mmu_writable(c, PAGE + 4, 4));
    expect_fault(mmu_writable(c, PAGE + 2, 4), CPU_AC);
    cr_assert_eq(c->fault.error, 0);
    cr_assert(c->fault.has_error);
}

/* If one were left behind, the next access would not be checked. */
Test(mmu, checked_accesses_leave_no_translation)
{
    cr_assert(mmu_read_at(c, PAGE, 4));
    cr_assert(mmu_write_slow(c, PAGE, "abcd", 4));
    cr_assert_null(mmu_read_hit(c, PAGE, 4));
    cr_assert_null(mmu_write_hit(c, PAGE, 4));
    for (unsigned i = 0; i < TLB_ENTRIES; i++) { /* the first pages included */
        cr_assert_null(mmu_read_hit(c, (uint64_t)i * PAGE_4K, 1));
        cr_assert_null(mmu_write_hit(c, (uint64_t)i * PAGE_4K, 1));
    }
}

Test(mmu, page_faults_come_before_alignment)
{
    expect_fault(mmu_read_at(c, ABSENT + 1, 4), CPU_PF);
    expect_fault(mmu_read_at(c, ABSENT - 1, 4), CPU_PF);
    expect_fault(mmu_read_at(c, PAGE + PAGE_4K - 1, 4), CPU_AC);
}

Test(mmu, alignment_counts_for_the_user_who_asked)
{
    cpu_rflags_set(c, X86_RFLAGS_R1);
    emu_rig_update(&rig);
    cr_assert(mmu_read_at(c, PAGE + 1, 4));
    cr_assert(mmu_read_hit(c, PAGE + 1, 4), "from the table from now on");
    cpu_rflags_set(c, X86_RFLAGS_R1 | X86_RFLAGS_AC);
    c->cr0 &= ~X86_CR0_AM;
    emu_rig_update(&rig);
    cr_assert(mmu_read_at(c, PAGE + 1, 4));
    c->cr0 |= X86_CR0_AM;
    c->cpl = 0;
    emu_rig_update(&rig);
    cr_assert(mmu_read_at(c, PAGE + 1, 4));
}
