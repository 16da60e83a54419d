/* Control registers: what they refuse, and what a write sets going. */
#include <criterion/criterion.h>

#include "core/x86/bits.h"
#include "emu/x86/cpu/mode.h"
#include "emu/x86/mem/mmu.h"
#include "emu/x86/sys/cpuid.h"
#include "emu/x86/sys/msr.h"
#include "lib/x86/emu_rig.h"

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

TestSuite(control, .init = set_up, .fini = tear_down);

static void expect_fault(bool done, unsigned vector)
{
    cr_assert(!done);
    cr_assert_eq(c->leave, CPU_FAULT);
    cr_assert_eq(c->fault.vector, vector, "vector %u", c->fault.vector);
    c->leave = CPU_ON;
}

static uint64_t get(unsigned number)
{
    uint64_t value;

    cr_assert(control_read(c, number, &value));
    return value;
}

static void refuses(unsigned number, uint64_t value)
{
    uint64_t before = get(number);

    expect_fault(control_write(c, number, value), CPU_GP);
    cr_assert_eq(get(number), before);
}

Test(control, there_are_five)
{
    uint64_t value;

    for (unsigned n = 0; n < 16; n++) {
        if (n == 0 || n == 2 || n == 3 || n == 4 || n == 8)
            continue;
        expect_fault(control_read(c, n, &value), CPU_UD);
        expect_fault(control_write(c, n, 0), CPU_UD);
    }
}

Test(control, cr0_refuses_combinations_without_meaning)
{
    refuses(0, UINT64_C(1) << 32 | c->cr0);
    refuses(0, (c->cr0 | X86_CR0_PG) & ~X86_CR0_PE);
    refuses(0, (c->cr0 | X86_CR0_NW) & ~X86_CR0_CD);
    refuses(0, c->cr0 & ~X86_CR0_PG);
}

Test(control, cr0_keeps_et_and_no_undefined_bit)
{
    cr_assert(control_write(c, 0, (c->cr0 | 0x1000) & ~X86_CR0_ET));
    cr_assert_eq(get(0) & 0x1000, 0);
    cr_assert(get(0) & X86_CR0_ET);
}

Test(control, cr0_switches_the_units)
{
    cr_assert_eq(c->mode & (MODE_NO_X87 | MODE_NO_SSE | MODE_NO_AVX | MODE_EM), 0);
    cr_assert(control_write(c, 0, c->cr0 | X86_CR0_TS));
    cr_assert(c->mode & MODE_NO_X87);
    cr_assert(!(c->mode & MODE_NO_SSE));
    cr_assert(control_write(c, 0, (c->cr0 | X86_CR0_EM) & ~X86_CR0_TS));
    cr_assert_eq(c->mode & (MODE_NO_X87 | MODE_NO_SSE | MODE_EM),
                 MODE_NO_X87 | MODE_NO_SSE | MODE_EM);
}

/* From protected mode into IA-32e mode and back. */
Test(control, paging_and_lme_make_ia32e_mode)
{
    emu_rig_protected_mode(&rig);
    c->efer = X86_EFER_LME;
    c->cr4 = 0;
    refuses(0, c->cr0 | X86_CR0_PG);
    cr_assert(control_write(c, 4, X86_CR4_PAE));
    cr_assert(control_write(c, 0, c->cr0 | X86_CR0_PG));
    cr_assert(c->efer & X86_EFER_LMA);
    cr_assert(!(c->mode & MODE_64), "the code segment is a 32-bit one");
    refuses(4, 0);
    cr_assert(control_write(c, 0, c->cr0 & ~X86_CR0_PG));
    cr_assert(!(c->efer & X86_EFER_LMA));
    c->seg[X86_CS].access = X86_ACCESS_CODE64;
    refuses(0, c->cr0 | X86_CR0_PG);
}

Test(control, cr3_has_as_many_bits_as_addresses)
{
    refuses(3, UINT64_C(1) << CPU_PHYSICAL_BITS);
    cr_assert(control_write(c, 3, c->cr3 | 0x18));
    cr_assert_eq(get(3) & 0x18, 0x18);
}

/* Every write that brings the entries into use checks them: of CR3, CR4 and CR0. */
Test(control, pae_looks_at_its_topmost_entries)
{
    const uint64_t good = 0x111000 | X86_PTE_P, bad = good | X86_PTE_RW, absent = X86_PTE_RW;
    const gpa_t last = 0x110018;

    c->efer = 0;
    emu_rig_protected_mode(&rig);
    emu_rig_write(&rig, last, &bad, sizeof(bad));
    cr_assert(control_write(c, 3, 0x110000), "without paging they are not in use");
    cr_assert(control_write(c, 4, c->cr4 | X86_CR4_PAE));
    refuses(0, c->cr0 | X86_CR0_PG);
    emu_rig_write(&rig, last, &absent, sizeof(absent));
    cr_assert(control_write(c, 0, c->cr0 | X86_CR0_PG));
    emu_rig_write(&rig, last, &good, sizeof(good));
    cr_assert(control_write(c, 3, 0x110000));
    emu_rig_write(&rig, last, &bad, sizeof(bad));
    refuses(3, 0x110000);
    refuses(3, EMU_RIG_RAM);
    refuses(4, c->cr4 | UINT64_C(0x80));
    cr_assert(control_write(c, 4, c->cr4 & ~(uint64_t)X86_CR4_PAE));
    refuses(4, c->cr4 | X86_CR4_PAE);
}

Test(control, cr3_write_forgets_all_but_global_pages)
{
    emu_rig_map(&rig, 0x400000, 0x6000, X86_PTE_P | X86_PTE_RW | X86_PTE_D | X86_PTE_A);
    emu_rig_map(&rig, 0x401000, 0x7000, X86_PTE_P | X86_PTE_RW | X86_PTE_D | X86_PTE_A | X86_PTE_G);
    cr_assert(mmu_read_at(c, 0x400000, 8));
    cr_assert(mmu_read_at(c, 0x401000, 8));
    cr_assert(control_write(c, 3, c->cr3));
    cr_assert_null(mmu_read_hit(c, 0x400000, 8));
    cr_assert(mmu_read_hit(c, 0x401000, 8));
    cr_assert(control_write(c, 4, c->cr4 ^ 0x80));
    cr_assert_null(mmu_read_hit(c, 0x401000, 8), "CR4.PGE changes");
}

Test(control, cr0_wp_drops_write_translations)
{
    cr_assert(control_write(c, 0, c->cr0 & ~X86_CR0_WP));
    emu_rig_map(&rig, 0x400000, 0x6000, X86_PTE_P);
    cr_assert(mmu_write_slow(c, 0x400000, "x", 1));
    cr_assert(mmu_write_hit(c, 0x400000, 1));
    cr_assert(control_write(c, 0, c->cr0 | X86_CR0_WP));
    cr_assert_null(mmu_write_hit(c, 0x400000, 1));
    expect_fault(mmu_write_slow(c, 0x400000, "x", 1), CPU_PF);
}

Test(control, cr4_refuses_what_is_not_offered)
{
    refuses(4, c->cr4 | 1u << 13); /* VMXE */
    refuses(4, c->cr4 | 1u << 17); /* PCIDE */
    refuses(4, c->cr4 | UINT64_C(1) << 32);
    refuses(4, c->cr4 & ~(uint64_t)X86_CR4_PAE);
}

Test(control, cr8_is_the_task_priority)
{
    (void)cpu_requests_take(c, CPU_REQ_INTERRUPT);
    cr_assert(control_write(c, 8, 9));
    cr_assert_eq(get(8), 9);
    cr_assert(cpu_requests_take(c, CPU_REQ_INTERRUPT));
    refuses(8, 16);
}

Test(control, cr2_is_storage)
{
    cr_assert(control_write(c, 2, UINT64_MAX));
    cr_assert_eq(get(2), UINT64_MAX);
}

Test(control, xcr0_names_what_the_host_has)
{
    cr_assert(xcr0_write(c, 1));
    cr_assert(c->mode & MODE_NO_AVX);
    expect_fault(xcr0_write(c, 0), CPU_GP);
    expect_fault(xcr0_write(c, 5), CPU_GP);
    expect_fault(xcr0_write(c, UINT64_C(1) << 9 | 1), CPU_GP);
    cr_assert(xcr0_write(c, emu_cpuid_xcr0()));
    cr_assert_eq(c->xcr0, emu_cpuid_xcr0());
}
