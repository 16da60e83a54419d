/* The page walk in IA-32e mode: rights, reserved bits, A and D, large pages, tables outside RAM. */
#include "emu/x86/mem/walk.h"

#include <criterion/criterion.h>

#include "core/x86/bits.h"
#include "lib/x86/emu_rig.h"

#define VA   UINT64_C(0xffff912345678000)
#define PAGE UINT64_C(0x200000)

static struct emu_rig rig;

static void set_up(void)
{
    emu_rig_init(&rig, 1);
    emu_rig_long_mode(&rig);
}

static void tear_down(void)
{
    emu_rig_finish(&rig);
}

TestSuite(walk, .init = set_up, .fini = tear_down);

static bool walks(uint64_t va, enum walk_access access, enum walk_as as, struct walk *out,
                  uint32_t *error)
{
    *error = ~0u;
    return walk_page(rig.cpu, va, access, as, out, error);
}

static void expect_gpa(uint64_t va, enum walk_access access, enum walk_as as, gpa_t gpa)
{
    struct walk w;
    uint32_t error;

    cr_assert(walks(va, access, as, &w, &error), "%#llx: error %#x", (unsigned long long)va, error);
    cr_assert_eq(w.gpa, gpa, "%#llx", (unsigned long long)w.gpa);
}

static void expect_fault(uint64_t va, enum walk_access access, enum walk_as as, uint32_t error)
{
    struct walk w;
    uint32_t got;

    cr_assert(!walks(va, access, as, &w, &got));
    cr_assert_eq(got, error, "error %#x, not %#x", got, error);
}

Test(walk, not_present_says_who_and_what)
{
    emu_rig_map(&rig, VA, PAGE, 0);
    expect_fault(VA, WALK_READ, WALK_SUPERVISOR, 0);
    expect_fault(VA, WALK_WRITE, WALK_SUPERVISOR, PF_WRITE);
    expect_fault(VA, WALK_FETCH, WALK_SUPERVISOR, PF_FETCH);
    expect_fault(VA, WALK_READ, WALK_USER, PF_USER);
    expect_fault(VA, WALK_WRITE, WALK_USER, PF_USER | PF_WRITE);
    expect_fault(VA, WALK_FETCH, WALK_USER, PF_USER | PF_FETCH);
}

Test(walk, fetch_bit_needs_nx_or_smep)
{
    emu_rig_map(&rig, VA, PAGE, 0);
    rig.cpu->efer &= ~(uint64_t)X86_EFER_NXE;
    expect_fault(VA, WALK_FETCH, WALK_USER, PF_USER);
    rig.cpu->cr4 |= X86_CR4_SMEP;
    expect_fault(VA, WALK_FETCH, WALK_USER, PF_USER | PF_FETCH);
}

Test(walk, any_level_may_be_absent)
{
    for (unsigned level = 1; level <= 4; level++) {
        emu_rig_map(&rig, VA, PAGE, X86_PTE_P);
        expect_gpa(VA + 0x123, WALK_READ, WALK_SUPERVISOR, PAGE + 0x123);
        *emu_rig_entry(&rig, VA, level) &= ~X86_PTE_P;
        expect_fault(VA, WALK_READ, WALK_SUPERVISOR, 0);
        *emu_rig_entry(&rig, VA, level) |= X86_PTE_P;
    }
}

/* An access is allowed only if the entries of all four levels allow it. */
Test(walk, rights_are_those_of_all_levels)
{
    for (unsigned level = 1; level <= 4; level++) {
        uint64_t *entry;

        emu_rig_map(&rig, VA, PAGE, X86_PTE_P | X86_PTE_RW | X86_PTE_US);
        entry = emu_rig_entry(&rig, VA, level);
        expect_gpa(VA, WALK_WRITE, WALK_USER, PAGE);
        *entry &= ~X86_PTE_RW;
        expect_gpa(VA, WALK_READ, WALK_USER, PAGE);
        expect_fault(VA, WALK_WRITE, WALK_USER, PF_PRESENT | PF_WRITE | PF_USER);
        *entry = (*entry & ~X86_PTE_US) | X86_PTE_RW;
        expect_fault(VA, WALK_READ, WALK_USER, PF_PRESENT | PF_USER);
        expect_gpa(VA, WALK_WRITE, WALK_SUPERVISOR, PAGE);
        *entry |= X86_PTE_NX | X86_PTE_US;
        expect_gpa(VA, WALK_READ, WALK_USER, PAGE);
        expect_fault(VA, WALK_FETCH, WALK_USER, PF_PRESENT | PF_USER | PF_FETCH);
        expect_fault(VA, WALK_FETCH, WALK_SUPERVISOR, PF_PRESENT | PF_FETCH);
        *entry &= ~X86_PTE_NX;
    }
}

Test(walk, supervisor_writes_read_only_pages_without_wp)
{
    struct walk w;
    uint32_t error;

    emu_rig_map(&rig, VA, PAGE, X86_PTE_P);
    expect_fault(VA, WALK_WRITE, WALK_SUPERVISOR, PF_PRESENT | PF_WRITE);
    rig.cpu->cr0 &= ~(uint64_t)X86_CR0_WP;
    expect_gpa(VA, WALK_WRITE, WALK_SUPERVISOR, PAGE);
    expect_fault(VA, WALK_WRITE, WALK_USER, PF_PRESENT | PF_WRITE | PF_USER);
    cr_assert(walks(VA, WALK_READ, WALK_SUPERVISOR, &w, &error));
    cr_assert(w.writable, "D is set already");
}

Test(walk, smep_keeps_the_supervisor_from_user_code)
{
    emu_rig_map(&rig, VA, PAGE, X86_PTE_P | X86_PTE_US);
    expect_gpa(VA, WALK_FETCH, WALK_SUPERVISOR, PAGE);
    rig.cpu->cr4 |= X86_CR4_SMEP;
    expect_fault(VA, WALK_FETCH, WALK_SUPERVISOR, PF_PRESENT | PF_FETCH);
    expect_gpa(VA, WALK_FETCH, WALK_USER, PAGE);
    expect_gpa(VA, WALK_READ, WALK_SUPERVISOR, PAGE);
}

Test(walk, smap_keeps_the_supervisor_from_user_data_unless_ac)
{
    emu_rig_map(&rig, VA, PAGE, X86_PTE_P | X86_PTE_US | X86_PTE_RW);
    rig.cpu->cr4 |= X86_CR4_SMAP;
    expect_fault(VA, WALK_READ, WALK_SUPERVISOR, PF_PRESENT);
    expect_fault(VA, WALK_WRITE, WALK_SUPERVISOR, PF_PRESENT | PF_WRITE);
    expect_gpa(VA, WALK_READ, WALK_SUPERVISOR_AC, PAGE);
    expect_gpa(VA, WALK_WRITE, WALK_SUPERVISOR_AC, PAGE);
    expect_gpa(VA, WALK_FETCH, WALK_SUPERVISOR, PAGE);
    expect_gpa(VA, WALK_WRITE, WALK_USER, PAGE);
}

Test(walk, reserved_bits_fault_at_any_level)
{
    for (unsigned level = 1; level <= 4; level++) {
        uint64_t *entry;

        emu_rig_map(&rig, VA, PAGE, X86_PTE_P | X86_PTE_US);
        entry = emu_rig_entry(&rig, VA, level);
        *entry |= UINT64_C(1) << CPU_PHYSICAL_BITS;
        expect_fault(VA, WALK_READ, WALK_USER, PF_PRESENT | PF_USER | PF_RESERVED);
        *entry ^= UINT64_C(1) << CPU_PHYSICAL_BITS;
        *entry |= UINT64_C(1) << 51 | UINT64_C(1) << 52; /* 52 to 62 are the guest's */
        expect_fault(VA, WALK_WRITE, WALK_USER, PF_PRESENT | PF_WRITE | PF_USER | PF_RESERVED);
        *entry ^= UINT64_C(1) << 51;
        expect_gpa(VA, WALK_READ, WALK_USER, PAGE);
    }
}

Test(walk, nx_is_reserved_while_not_enabled)
{
    emu_rig_map(&rig, VA, PAGE, X86_PTE_P | X86_PTE_NX);
    rig.cpu->efer &= ~(uint64_t)X86_EFER_NXE;
    expect_fault(VA, WALK_READ, WALK_SUPERVISOR, PF_PRESENT | PF_RESERVED);
}

Test(walk, the_top_level_has_no_large_pages)
{
    emu_rig_map(&rig, VA, PAGE, X86_PTE_P);
    *emu_rig_entry(&rig, VA, 4) |= X86_PTE_PS;
    expect_fault(VA, WALK_READ, WALK_SUPERVISOR, PF_PRESENT | PF_RESERVED);
}

Test(walk, large_pages_of_2_mib_and_1_gib)
{
    const uint64_t in_2m = VA & 0x1fffff, in_1g = VA & 0x3fffffff;

    *emu_rig_entry(&rig, VA, 2) = UINT64_C(0x40000000) | X86_PTE_P | X86_PTE_PS;
    expect_gpa(VA + 5, WALK_READ, WALK_SUPERVISOR, 0x40000000 + in_2m + 5);
    *emu_rig_entry(&rig, VA, 2) |= UINT64_C(1) << 12; /* PAT */
    expect_gpa(VA, WALK_READ, WALK_SUPERVISOR, 0x40000000 + in_2m);
    *emu_rig_entry(&rig, VA, 2) |= UINT64_C(1) << 13;
    expect_fault(VA, WALK_READ, WALK_SUPERVISOR, PF_PRESENT | PF_RESERVED);
    *emu_rig_entry(&rig, VA, 3) = UINT64_C(0x80000000) | X86_PTE_P | X86_PTE_PS;
    expect_gpa(VA + 5, WALK_READ, WALK_SUPERVISOR, 0x80000000 + in_1g + 5);
    *emu_rig_entry(&rig, VA, 3) |= UINT64_C(1) << 29;
    expect_fault(VA, WALK_READ, WALK_SUPERVISOR, PF_PRESENT | PF_RESERVED);
}

Test(walk, tells_the_size_of_the_page)
{
    struct walk w;
    uint32_t error;

    emu_rig_map(&rig, VA, PAGE, X86_PTE_P);
    for (unsigned level = 1; level <= 3; level++) {
        *emu_rig_entry(&rig, VA, level) = X86_PTE_P | (level > 1 ? X86_PTE_PS : 0);
        cr_assert(walks(VA, WALK_READ, WALK_SUPERVISOR, &w, &error));
        cr_assert_eq(w.size, UINT64_C(0x1000) << (level - 1) * 9);
    }
}

Test(walk, accessed_is_set_on_the_way_and_dirty_by_writes_in_the_leaf)
{
    struct walk w;
    uint32_t error;

    emu_rig_map(&rig, VA, PAGE, X86_PTE_P | X86_PTE_RW);
    cr_assert(walks(VA, WALK_READ, WALK_SUPERVISOR, &w, &error));
    cr_assert(!w.writable, "the first write must walk again to set D");
    for (unsigned level = 1; level <= 4; level++)
        cr_assert_eq(*emu_rig_entry(&rig, VA, level) & (X86_PTE_A | X86_PTE_D), X86_PTE_A);
    cr_assert(walks(VA, WALK_WRITE, WALK_SUPERVISOR, &w, &error));
    cr_assert(w.writable);
    cr_assert_eq(*emu_rig_entry(&rig, VA, 1) & (X86_PTE_A | X86_PTE_D), X86_PTE_A | X86_PTE_D);
    for (unsigned level = 2; level <= 4; level++)
        cr_assert_eq(*emu_rig_entry(&rig, VA, level) & X86_PTE_D, 0);
}

Test(walk, refused_access_leaves_the_leaf_alone)
{
    emu_rig_map(&rig, VA, PAGE, X86_PTE_P | X86_PTE_US);
    expect_fault(VA, WALK_WRITE, WALK_USER, PF_PRESENT | PF_WRITE | PF_USER);
    cr_assert_eq(*emu_rig_entry(&rig, VA, 1) & (X86_PTE_A | X86_PTE_D), 0);
    cr_assert(*emu_rig_entry(&rig, VA, 2) & X86_PTE_A);
}

Test(walk, global_counts_where_it_is_enabled)
{
    struct walk w;
    uint32_t error;

    emu_rig_map(&rig, VA, PAGE, X86_PTE_P | X86_PTE_G);
    cr_assert(walks(VA, WALK_READ, WALK_SUPERVISOR, &w, &error));
    cr_assert(w.global);
    rig.cpu->cr4 &= ~UINT64_C(0x80);
    cr_assert(walks(VA, WALK_READ, WALK_SUPERVISOR, &w, &error));
    cr_assert(!w.global);
}

/* A table outside RAM reads as all ones: present, with reserved bits set. */
Test(walk, tables_outside_ram_fault)
{
    for (unsigned level = 2; level <= 4; level++) {
        emu_rig_map(&rig, VA, PAGE, X86_PTE_P);
        *emu_rig_entry(&rig, VA, level) = UINT64_C(0x300000000) | X86_PTE_P;
        expect_fault(VA, WALK_READ, WALK_SUPERVISOR, PF_PRESENT | PF_RESERVED);
        *emu_rig_entry(&rig, VA, level) = 0;
    }
    rig.cpu->cr3 = UINT64_C(0x300000000);
    expect_fault(VA, WALK_WRITE, WALK_USER, PF_PRESENT | PF_WRITE | PF_USER | PF_RESERVED);
}
