/* The page walk outside IA-32e mode: no paging, two levels, PAE. */
#include <criterion/criterion.h>

#include "core/x86/bits.h"
#include "emu/x86/mem/walk.h"
#include "lib/x86/emu_rig.h"

#define VA     0x12345678u
#define PAGE   0x200000u
#define TABLE  0x110000u
#define TABLE2 0x111000u
#define TABLE3 0x112000u

static struct emu_rig rig;

static void set_up(void)
{
    emu_rig_init(&rig, 1);
    emu_rig_protected_mode(&rig);
    rig.cpu->cr3 = TABLE;
}

static void tear_down(void)
{
    emu_rig_finish(&rig);
}

TestSuite(walk_legacy, .init = set_up, .fini = tear_down);

static void expect_gpa(enum walk_access access, enum walk_as as, gpa_t gpa)
{
    uint32_t error = 0;
    struct walk w;

    cr_assert(walk_page(rig.cpu, VA, access, as, &w, &error), "error %#x", error);
    cr_assert_eq(w.gpa, gpa, "%#llx", (unsigned long long)w.gpa);
}

static void expect_fault(enum walk_access access, enum walk_as as, uint32_t error)
{
    uint32_t got;
    struct walk w;

    cr_assert(!walk_page(rig.cpu, VA, access, as, &w, &got));
    cr_assert_eq(got, error, "error %#x, not %#x", got, error);
}

/* 32-bit entries: index 0x48 of the directory, 0x345 of the table. */
static uint32_t *directory(void)
{
    return (uint32_t *)emu_rig_at(&rig, TABLE + 0x48 * 4);
}

static uint32_t *leaf(void)
{
    return (uint32_t *)emu_rig_at(&rig, TABLE2 + 0x345 * 4);
}

static void two_levels(uint32_t bits)
{
    rig.cpu->cr0 |= X86_CR0_PG;
    *directory() = TABLE2 | X86_PTE_P | X86_PTE_RW | X86_PTE_US;
    *leaf() = PAGE | bits;
}

Test(walk_legacy, without_paging_addresses_are_physical)
{
    struct walk w;
    uint32_t error;

    expect_gpa(WALK_WRITE, WALK_USER, VA);
    cr_assert(walk_page(rig.cpu, UINT64_C(0x112345678), WALK_FETCH, WALK_SUPERVISOR, &w, &error));
    cr_assert_eq(w.gpa, VA, "32 bits of address");
    cr_assert(w.writable);
    cr_assert(!w.global);
}

Test(walk_legacy, two_levels_translate_and_mark)
{
    two_levels(X86_PTE_P | X86_PTE_RW | X86_PTE_US);
    expect_gpa(WALK_READ, WALK_USER, PAGE + 0x678);
    cr_assert_eq(*leaf(), PAGE | X86_PTE_P | X86_PTE_RW | X86_PTE_US | X86_PTE_A);
    expect_gpa(WALK_WRITE, WALK_USER, PAGE + 0x678);
    cr_assert_eq(*leaf(), PAGE | X86_PTE_P | X86_PTE_RW | X86_PTE_US | X86_PTE_A | X86_PTE_D);
    cr_assert_eq(*directory(), TABLE2 | X86_PTE_P | X86_PTE_RW | X86_PTE_US | X86_PTE_A);
}

Test(walk_legacy, two_levels_have_rights)
{
    two_levels(X86_PTE_P | X86_PTE_US);
    expect_fault(WALK_WRITE, WALK_USER, PF_PRESENT | PF_WRITE | PF_USER);
    two_levels(X86_PTE_P | X86_PTE_RW);
    expect_fault(WALK_READ, WALK_USER, PF_PRESENT | PF_USER);
    two_levels(0);
    expect_fault(WALK_FETCH, WALK_SUPERVISOR, 0);
    *directory() = 0;
    expect_fault(WALK_READ, WALK_SUPERVISOR, 0);
}

Test(walk_legacy, four_mib_pages_where_pse_is_on)
{
    rig.cpu->cr0 |= X86_CR0_PG;
    rig.cpu->cr4 |= X86_CR4_PSE;
    *directory() = 0x800000u | X86_PTE_P | X86_PTE_PS;
    expect_gpa(WALK_READ, WALK_SUPERVISOR, 0x800000u + (VA & 0x3fffff));
    *directory() |= 0x3u << 13; /* PSE-36: bits 32 and 33 */
    expect_gpa(WALK_READ, WALK_SUPERVISOR, UINT64_C(0x300800000) + (VA & 0x3fffff));
    *directory() |= 1u << 21;
    expect_fault(WALK_READ, WALK_SUPERVISOR, PF_PRESENT | PF_RESERVED);
}

Test(walk_legacy, without_pse_the_size_bit_means_nothing)
{
    two_levels(X86_PTE_P);
    *directory() |= X86_PTE_PS;
    expect_gpa(WALK_READ, WALK_SUPERVISOR, PAGE + 0x678);
}

/* PAE: index 0, then 0x91, then 0x145. */
static uint64_t *pae_entry(unsigned level)
{
    static const gpa_t at[] = { TABLE3 + 0x145 * 8, TABLE2 + 0x91 * 8, TABLE };

    return emu_rig_at(&rig, at[level - 1]);
}

static void pae(uint64_t bits)
{
    rig.cpu->cr0 |= X86_CR0_PG;
    rig.cpu->cr4 |= X86_CR4_PAE;
    rig.cpu->efer |= X86_EFER_NXE;
    *pae_entry(3) = TABLE2 | X86_PTE_P;
    *pae_entry(2) = TABLE3 | X86_PTE_P | X86_PTE_RW | X86_PTE_US;
    *pae_entry(1) = PAGE | bits;
}

Test(walk_legacy, pae_translates_and_its_top_has_no_rights)
{
    pae(X86_PTE_P | X86_PTE_RW | X86_PTE_US);
    expect_gpa(WALK_WRITE, WALK_USER, PAGE + 0x678);
    cr_assert_eq(*pae_entry(3), TABLE2 | X86_PTE_P, "nor an accessed bit");
    cr_assert(*pae_entry(2) & X86_PTE_A);
    cr_assert(*pae_entry(1) & X86_PTE_D);
}

Test(walk_legacy, pae_has_nx)
{
    pae(X86_PTE_P | X86_PTE_US | X86_PTE_NX);
    expect_fault(WALK_FETCH, WALK_USER, PF_PRESENT | PF_USER | PF_FETCH);
    expect_gpa(WALK_READ, WALK_USER, PAGE + 0x678);
}

Test(walk_legacy, pae_reaches_beyond_4_gib)
{
    pae(X86_PTE_P | UINT64_C(0x500000000));
    expect_gpa(WALK_READ, WALK_SUPERVISOR, UINT64_C(0x500000000) + PAGE + 0x678);
}

Test(walk_legacy, pae_large_pages_are_2_mib)
{
    pae(X86_PTE_P);
    *pae_entry(2) = 0x600000u | X86_PTE_P | X86_PTE_PS;
    expect_gpa(WALK_READ, WALK_SUPERVISOR, 0x600000u + (VA & 0x1fffff));
    *pae_entry(2) |= UINT64_C(1) << 20;
    expect_fault(WALK_READ, WALK_SUPERVISOR, PF_PRESENT | PF_RESERVED);
}

Test(walk_legacy, pae_top_entries_have_more_reserved_bits)
{
    static const uint64_t reserved[] = { X86_PTE_RW, X86_PTE_US,
                                         X86_PTE_A,  X86_PTE_D,
                                         X86_PTE_PS, X86_PTE_G,
                                         X86_PTE_NX, UINT64_C(1) << CPU_PHYSICAL_BITS };

    for (unsigned i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
        pae(X86_PTE_P);
        *pae_entry(3) |= reserved[i];
        expect_fault(WALK_READ, WALK_SUPERVISOR, PF_PRESENT | PF_RESERVED);
    }
}
