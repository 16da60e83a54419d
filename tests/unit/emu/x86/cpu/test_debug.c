/* Debug registers: what they refuse, and which accesses meet a breakpoint. */
#include "emu/x86/cpu/debug.h"

#include <criterion/criterion.h>

#include "core/x86/bits.h"
#include "emu/x86/mem/mmu.h"
#include "lib/x86/emu_rig.h"

#define VA 0x7000u

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

TestSuite(debug, .init = set_up, .fini = tear_down);

static void expect_fault(bool done, unsigned vector)
{
    cr_assert(!done);
    cr_assert_eq(c->leave, CPU_FAULT);
    cr_assert_eq(c->fault.vector, vector, "vector %u", c->fault.vector);
    c->leave = CPU_ON;
}

Test(debug, debug_registers_have_fixed_bits)
{
    uint64_t value;

    cr_assert(debug_write(c, 6, 0));
    cr_assert(debug_read(c, 6, &value));
    cr_assert_eq(value, 0xffff0ff0);
    cr_assert(debug_write(c, 7, 0));
    cr_assert(debug_read(c, 7, &value));
    cr_assert_eq(value, 0x400);
    expect_fault(debug_write(c, 7, UINT64_C(1) << 32), CPU_GP);
    cr_assert(debug_write(c, 3, UINT64_MAX));
    cr_assert(debug_read(c, 3, &value));
    cr_assert_eq(value, UINT64_MAX);
}

Test(debug, debug_registers_4_and_5_are_aliases_unless_de)
{
    uint64_t value;

    cr_assert(debug_write(c, 5, 0x401));
    cr_assert(debug_read(c, 7, &value));
    cr_assert_eq(value, 0x401);
    c->cr4 |= X86_CR4_DE;
    expect_fault(debug_read(c, 4, &value), CPU_UD);
    expect_fault(debug_write(c, 5, 0), CPU_UD);
}

Test(debug, general_detect_guards_the_debug_registers)
{
    uint64_t value;

    c->dr[7] = 0x2400;
    expect_fault(debug_read(c, 0, &value), CPU_DB);
    cr_assert(c->dr[6] & 0x2000);
    cr_assert_eq(c->dr[7], 0x400, "the handler may look");
    cr_assert(debug_read(c, 0, &value));
}

/* Enables breakpoint n alone. kind as in DR7: 0 code, 1 writes, 2 ports, 3 all accesses; length: 0
 * for 1 byte, 1 for 2, 3 for 4, 2 for 8. */
static void arm(unsigned n, uint64_t address, unsigned kind, unsigned length)
{
    cr_assert(debug_write(c, n, address));
    cr_assert(
        debug_write(c, 7, UINT64_C(1) << 2 * n | (uint64_t)(kind | length << 2) << (16 + 4 * n)));
}

static unsigned met(void)
{
    unsigned bits = c->debug_met;

    c->debug_met = 0;
    return bits;
}

Test(debug, an_access_meets_what_it_overlaps)
{
    arm(2, VA + 8, 1, 2);
    debug_access(c, VA + 7, 1, true);
    debug_access(c, VA + 16, 8, true);
    debug_access(c, VA + 8, 8, false);
    cr_assert_eq(met(), 0);
    debug_access(c, VA + 7, 2, true);
    cr_assert_eq(met(), 4);
    debug_access(c, VA + 15, 1, true);
    cr_assert_eq(met(), 4);
    debug_access(c, VA, 64, true);
    cr_assert_eq(met(), 4);
}

Test(debug, an_address_is_aligned_to_the_length)
{
    arm(0, VA + 7, 3, 3);
    debug_access(c, VA + 4, 1, false);
    cr_assert_eq(met(), 1);
    debug_access(c, VA + 8, 1, true);
    cr_assert_eq(met(), 0);
}

Test(debug, the_last_bytes_of_memory_can_be_watched)
{
    arm(0, UINT64_MAX, 1, 2);
    debug_access(c, UINT64_MAX, 1, true);
    cr_assert_eq(met(), 1);
    debug_access(c, 0, 8, true);
    cr_assert_eq(met(), 0);
}

Test(debug, ports_count_with_de)
{
    arm(3, 0x62, 2, 0);
    debug_port(c, 0x60, 4);
    cr_assert_eq(met(), 0);
    c->cr4 |= X86_CR4_DE;
    debug_port(c, 0x60, 4);
    cr_assert_eq(met(), 8);
    debug_port(c, 0x63, 1);
    cr_assert_eq(met(), 0);
}

Test(debug, code_stops_at_its_breakpoint)
{
    arm(1, VA, 0, 0);
    c->rip = VA + 1;
    cr_assert(debug_may_begin(c));
    c->rip = VA;
    expect_fault(debug_may_begin(c), CPU_DB);
    cr_assert_eq(c->dr[6] & 0xf, 2);
    cr_assert_eq(met(), 0);
}

Test(debug, a_watched_page_stays_out_of_the_tables)
{
    uint8_t byte = 1;

    emu_rig_map(&rig, VA, VA, X86_PTE_P | X86_PTE_RW);
    cr_assert(mmu_write_slow(c, VA, &byte, 1));
    cr_assert_not_null(mmu_write_hit(c, VA, 1));
    arm(0, VA + 100, 1, 0);
    cr_assert(c->alone & CPU_ALONE_WATCHED);
    cr_assert_null(mmu_write_hit(c, VA, 1), "the old translation is gone");
    cr_assert(mmu_write_slow(c, VA, &byte, 1));
    cr_assert_null(mmu_write_hit(c, VA, 1));
    cr_assert_eq(met(), 0);
    cr_assert(mmu_write_slow(c, VA + 100, &byte, 1));
    cr_assert_eq(met(), 1);
    cr_assert(debug_write(c, 7, 0));
    cr_assert(!(c->alone & CPU_ALONE_WATCHED));
    cr_assert(mmu_write_slow(c, VA, &byte, 1));
    cr_assert_not_null(mmu_write_hit(c, VA, 1));
}
