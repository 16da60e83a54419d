/* The local APIC: registers, priorities, end of interrupt, LVT, its MSRs. */
#include "emu/x86/apic/lapic.h"

#include <criterion/criterion.h>

#include "core/x86/layout.h"
#include "emu/x86/apic/lapic_internal.h"
#include "lib/x86/emu_rig.h"

#define ENABLED     0x1ffu /* SVR: on, spurious vector 0xff */
#define BASE_BSP    UINT64_C(0x100)
#define BASE_X2APIC UINT64_C(0x400)
#define BASE_ENABLE UINT64_C(0x800)
#define MSR_BASE    0x1bu
#define MSR_X2APIC  0x800u

static struct emu_rig rig;
static struct lapic *l;
static unsigned eois;
static uint8_t eoi_vector;
static bool eoi_level;

static void count_eoi(struct lapic *from, uint8_t vector, bool level)
{
    cr_assert_eq(from, l);
    eois++;
    eoi_vector = vector;
    eoi_level = level;
}

static void set_up(void)
{
    emu_rig_init(&rig, 2);
    l = rig.cpu->lapic;
    l->on_eoi = count_eoi;
    eois = 0;
    lapic_write(l, REG_SVR, ENABLED);
}

static void tear_down(void)
{
    emu_rig_finish(&rig);
}

TestSuite(lapic, .init = set_up, .fini = tear_down);

static void enter_x2apic(void)
{
    cr_assert(lapic_msr_write(l, MSR_BASE, LAYOUT_LAPIC | BASE_ENABLE | BASE_X2APIC | BASE_BSP));
}

static void expect_msr(uint32_t offset, uint64_t value)
{
    uint64_t got;

    cr_assert(lapic_msr_read(l, MSR_X2APIC + (offset >> 4), &got));
    cr_assert_eq(got, value, "offset %#x reads %#llx", offset, (unsigned long long)got);
}

static bool msr_write(uint32_t offset, uint64_t value)
{
    return lapic_msr_write(l, MSR_X2APIC + (offset >> 4), value);
}

Test(lapic, begins_as_after_reset)
{
    uint64_t base;

    lapic_reset(l, false);
    cr_assert(lapic_msr_read(l, MSR_BASE, &base));
    cr_assert_eq(base, LAYOUT_LAPIC | BASE_ENABLE | BASE_BSP);
    cr_assert_eq(rig.emu->cpus[1]->lapic->base_msr, LAYOUT_LAPIC | BASE_ENABLE);
    cr_assert_eq(lapic_read(l, REG_ID), 0);
    cr_assert_eq(lapic_read(rig.emu->cpus[1]->lapic, REG_ID), 1u << 24);
    cr_assert_eq(lapic_read(l, REG_VERSION), 0x50014, "integrated, six LVT entries");
    cr_assert_eq(lapic_read(l, REG_SVR), 0xff);
    cr_assert_eq(lapic_read(l, REG_DFR), 0xffffffff);
    for (uint32_t lvt = REG_LVT_TIMER; lvt <= REG_LVT_ERROR; lvt += 0x10)
        cr_assert_eq(lapic_read(l, lvt), LVT_MASKED);
    cr_assert_eq(lapic_pending(l), -1);
}

Test(lapic, init_keeps_the_base_and_nothing_else)
{
    enter_x2apic();
    lapic_raise(l, 0x40, false);
    lapic_reset(l, true);
    cr_assert(lapic_is_x2apic(l));
    cr_assert_eq(lapic_read(l, REG_SVR), 0xff);
    cr_assert_eq(lapic_read(l, REG_IRR + 0x20), 0);
}

Test(lapic, highest_vector_goes_first)
{
    lapic_raise(l, 0x41, false);
    lapic_raise(l, 0x93, false);
    lapic_raise(l, 0x40, false);
    cr_assert_eq(lapic_pending(l), 0x93);
    lapic_accept(l, 0x93);
    cr_assert_eq(lapic_read(l, REG_ISR + 0x40), 1u << 0x13);
    cr_assert_eq(lapic_read(l, REG_IRR + 0x40), 0);
    cr_assert_eq(lapic_read(l, REG_IRR + 0x20), 3);
    cr_assert_eq(lapic_pending(l), -1, "a lower class waits");
    lapic_write(l, REG_EOI, 0);
    cr_assert_eq(lapic_pending(l), 0x41);
}

/* Priority is by class: the upper four bits of the vector. */
Test(lapic, equal_class_does_not_interrupt_and_higher_does)
{
    lapic_raise(l, 0x51, false);
    lapic_accept(l, 0x51);
    lapic_raise(l, 0x5f, false);
    cr_assert_eq(lapic_pending(l), -1);
    lapic_raise(l, 0x60, false);
    cr_assert_eq(lapic_pending(l), 0x60);
    lapic_accept(l, 0x60);
    cr_assert_eq(lapic_read(l, REG_PPR), 0x60);
    lapic_write(l, REG_EOI, 0);
    cr_assert_eq(lapic_read(l, REG_PPR), 0x50, "the last one ends first");
    lapic_write(l, REG_EOI, 0);
    cr_assert_eq(lapic_pending(l), 0x5f);
}

Test(lapic, task_priority_holds_back_its_class)
{
    lapic_raise(l, 0x5f, false);
    lapic_write(l, REG_TPR, 0x50);
    cr_assert_eq(lapic_cr8(l), 5);
    cr_assert_eq(lapic_read(l, REG_TPR), 0x50);
    cr_assert_eq(lapic_read(l, REG_PPR), 0x50);
    cr_assert_eq(lapic_pending(l), -1);
    (void)cpu_requests_take(rig.cpu, CPU_REQ_INTERRUPT);
    lapic_write(l, REG_TPR, 0x40);
    cr_assert(cpu_requests_take(rig.cpu, CPU_REQ_INTERRUPT), "the processor has to look again");
    cr_assert_eq(lapic_pending(l), 0x5f);
}

/* SDM 3A, 11.8.3.1 and 11.8.6. */
Test(lapic, task_priority_has_a_lower_half)
{
    lapic_write(l, REG_TPR, 0xffffff5b);
    cr_assert_eq(lapic_read(l, REG_TPR), 0x5b);
    cr_assert_eq(lapic_cr8(l), 5);
    cr_assert_eq(lapic_read(l, REG_PPR), 0x5b);
    lapic_raise(l, 0x5f, false);
    cr_assert_eq(lapic_pending(l), -1, "its class counts, not the lower half");
    lapic_raise(l, 0x60, false);
    lapic_accept(l, 0x60);
    cr_assert_eq(lapic_read(l, REG_PPR), 0x60);
    lapic_cr8_set(l, 5);
    cr_assert_eq(lapic_read(l, REG_TPR), 0x50, "CR8 clears it");
    lapic_write(l, REG_TPR, 0x6c);
    lapic_reset(l, true);
    cr_assert_eq(lapic_read(l, REG_TPR), 0);
}

Test(lapic, software_disabled_delivers_nothing_and_masks_its_lvt)
{
    lapic_write(l, REG_LVT_ERROR, 0x33);
    cr_assert_eq(lapic_read(l, REG_LVT_ERROR), 0x33);
    lapic_raise(l, 0x40, false);
    lapic_write(l, REG_SVR, 0xff);
    cr_assert_eq(lapic_pending(l), -1);
    cr_assert_eq(lapic_read(l, REG_LVT_ERROR), LVT_MASKED | 0x33);
    lapic_write(l, REG_LVT_ERROR, 0x34);
    cr_assert_eq(lapic_read(l, REG_LVT_ERROR), LVT_MASKED | 0x34);
    lapic_raise(l, 0x41, false);
    lapic_write(l, REG_SVR, ENABLED);
    cr_assert_eq(lapic_pending(l), 0x40, "it stays pending while disabled; the other was refused");
}

Test(lapic, a_pending_vector_is_not_one_more)
{
    cr_assert(lapic_keeps(l, 0x40));
    lapic_raise(l, 0x40, false);
    cr_assert_not(lapic_keeps(l, 0x40));
    cr_assert(lapic_keeps(l, 0x41));
    lapic_accept(l, 0x40);
    cr_assert(lapic_keeps(l, 0x40), "in service");
    cr_assert_not(lapic_keeps(l, 15));
    lapic_write(l, REG_SVR, 0xff);
    cr_assert_not(lapic_keeps(l, 0x40), "disabled");
}

Test(lapic, vectors_below_16_are_an_error)
{
    lapic_raise(l, 15, false);
    cr_assert_eq(lapic_read(l, REG_IRR), 0);
    cr_assert_eq(lapic_read(l, REG_ESR), 1u << 6);
    lapic_write(l, REG_ESR, 0);
    cr_assert_eq(lapic_read(l, REG_ESR), 0);
}

Test(lapic, an_eoi_is_reported_with_its_trigger_mode)
{
    lapic_raise(l, 0x71, true);
    cr_assert_eq(lapic_read(l, REG_TMR + 0x30), 1u << 0x11);
    lapic_accept(l, 0x71);
    lapic_write(l, REG_EOI, 0);
    cr_assert_eq(eois, 1);
    cr_assert_eq(eoi_vector, 0x71);
    cr_assert(eoi_level);
    lapic_raise(l, 0x71, false);
    cr_assert_eq(lapic_read(l, REG_TMR + 0x30), 0);
    lapic_accept(l, 0x71);
    lapic_write(l, REG_EOI, 0);
    cr_assert_eq(eois, 2);
    cr_assert_not(eoi_level);
}

Test(lapic, eoi_without_an_interrupt_is_nothing)
{
    lapic_write(l, REG_EOI, 0);
    cr_assert_eq(eois, 0);
    cr_assert_eq(lapic_read(l, REG_PPR), 0);
}

Test(lapic, lvt_entries_keep_what_they_have)
{
    static const struct {
        uint32_t reg, keeps;
    } entries[] = {
        { REG_LVT_TIMER, 0x700ff },        { REG_LVT_TIMER + 0x10, 0x107ff },
        { REG_LVT_TIMER + 0x20, 0x107ff }, { REG_LVT_TIMER + 0x30, 0x1a7ff },
        { REG_LVT_TIMER + 0x40, 0x1a7ff }, { REG_LVT_ERROR, 0x100ff },
    };

    for (unsigned i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
        lapic_write(l, entries[i].reg, 0xffffffff);
        cr_assert_eq(lapic_read(l, entries[i].reg), entries[i].keeps);
    }
}

Test(lapic, xapic_registers_keep_their_writable_bits)
{
    lapic_write(l, REG_ID, 0x12345678);
    cr_assert_eq(lapic_read(l, REG_ID), 0x12000000);
    cr_assert_eq(lapic_id(l), 0x12);
    lapic_write(l, REG_LDR, 0xffffffff);
    cr_assert_eq(lapic_read(l, REG_LDR), 0xff000000);
    lapic_write(l, REG_DFR, 0);
    cr_assert_eq(lapic_read(l, REG_DFR), 0x0fffffff);
    lapic_write(l, REG_ICR_HIGH, 0x03000000);
    cr_assert_eq(lapic_read(l, REG_ICR_HIGH), 0x03000000);
    lapic_write(l, REG_VERSION, 0);
    cr_assert_eq(lapic_read(l, REG_VERSION), 0x50014);
    cr_assert_eq(lapic_read(l, 0x40), 0, "nothing is there");
}

Test(lapic, logical_destinations_in_the_flat_model)
{
    lapic_write(l, REG_LDR, 0x05000000);
    cr_assert(lapic_matches_logical(l, 0x01));
    cr_assert(lapic_matches_logical(l, 0x0c));
    cr_assert(!lapic_matches_logical(l, 0x0a));
}

Test(lapic, logical_destinations_in_the_cluster_model)
{
    lapic_write(l, REG_DFR, 0x0fffffff);
    lapic_write(l, REG_LDR, 0x25000000);
    cr_assert(lapic_matches_logical(l, 0x21));
    cr_assert(lapic_matches_logical(l, 0x2c));
    cr_assert(!lapic_matches_logical(l, 0x2a));
    cr_assert(!lapic_matches_logical(l, 0x31));
}

Test(lapic, logical_destinations_in_x2apic_mode)
{
    l = rig.emu->cpus[1]->lapic;
    cr_assert(lapic_msr_write(l, MSR_BASE, LAYOUT_LAPIC | BASE_ENABLE | BASE_X2APIC));
    expect_msr(REG_LDR, 1u << 1);
    cr_assert(lapic_matches_logical(l, 0x0002));
    cr_assert(!lapic_matches_logical(l, 0x0001));
    cr_assert(!lapic_matches_logical(l, 0x10002), "another cluster");
}

Test(lapic, window_is_there_in_xapic_mode_only)
{
    cr_assert(lapic_claims(l, LAYOUT_LAPIC + 0xfff));
    cr_assert(!lapic_claims(l, LAYOUT_LAPIC + 0x1000));
    enter_x2apic();
    cr_assert(!lapic_claims(l, LAYOUT_LAPIC));
    cr_assert(lapic_msr_write(l, MSR_BASE, LAYOUT_LAPIC));
    cr_assert(!lapic_claims(l, LAYOUT_LAPIC));
    cr_assert(!lapic_enabled(l));
}

Test(lapic, base_does_not_move_and_x2apic_is_left_through_off)
{
    cr_assert(!lapic_msr_write(l, MSR_BASE, 0xfee01000 | BASE_ENABLE));
    cr_assert(!lapic_msr_write(l, MSR_BASE, LAYOUT_LAPIC | BASE_ENABLE | 1), "a reserved bit");
    cr_assert(!lapic_msr_write(l, MSR_BASE, LAYOUT_LAPIC | BASE_X2APIC));
    enter_x2apic();
    cr_assert(!lapic_msr_write(l, MSR_BASE, LAYOUT_LAPIC | BASE_ENABLE));
    cr_assert(lapic_msr_write(l, MSR_BASE, LAYOUT_LAPIC));
    cr_assert(!lapic_msr_write(l, MSR_BASE, LAYOUT_LAPIC | BASE_X2APIC));
    cr_assert(!lapic_msr_write(l, MSR_BASE, LAYOUT_LAPIC | BASE_ENABLE | BASE_X2APIC));
    cr_assert(lapic_msr_write(l, MSR_BASE, LAYOUT_LAPIC | BASE_ENABLE));
}

Test(lapic, x2apic_registers_are_msrs_in_its_mode_only)
{
    uint64_t value;

    cr_assert(!lapic_msr_read(l, MSR_X2APIC + 2, &value));
    cr_assert(!msr_write(REG_TPR, 0));
    enter_x2apic();
    expect_msr(REG_ID, 0);
    expect_msr(REG_VERSION, 0x50014);
    cr_assert(msr_write(REG_TPR, 0x30));
    expect_msr(REG_TPR, 0x30);
    cr_assert(!lapic_msr_read(l, MSR_X2APIC + (REG_DFR >> 4), &value));
    cr_assert(!lapic_msr_read(l, MSR_X2APIC + (REG_ICR_HIGH >> 4), &value));
    cr_assert(!lapic_msr_read(l, MSR_X2APIC + 0xff, &value));
    cr_assert(!lapic_msr_read(l, MSR_X2APIC + 0x100, &value));
}

Test(lapic, x2apic_refuses_reserved_bits_and_read_only_registers)
{
    static const uint32_t read_only[] = { REG_ID,  REG_VERSION, REG_PPR,        REG_LDR,
                                          REG_ISR, REG_TMR,     REG_IRR + 0x70, REG_TIMER_CURRENT };

    enter_x2apic();
    for (unsigned i = 0; i < sizeof(read_only) / sizeof(read_only[0]); i++)
        cr_assert(!msr_write(read_only[i], 0), "offset %#x", read_only[i]);
    cr_assert(!msr_write(REG_DFR, 0));
    cr_assert(!msr_write(REG_ICR_HIGH, 0));
    cr_assert(!msr_write(REG_TPR, UINT64_C(1) << 32));
    cr_assert(!msr_write(REG_EOI, 1), "only 0 may be written");
    cr_assert(!msr_write(REG_ESR, 1));
    cr_assert(msr_write(REG_EOI, 0));
    cr_assert(msr_write(REG_ESR, 0));
}

Test(lapic, write_only_registers_of_x2apic_do_not_read)
{
    uint64_t value;

    enter_x2apic();
    cr_assert(!lapic_msr_read(l, MSR_X2APIC + (REG_EOI >> 4), &value));
    cr_assert(!lapic_msr_read(l, MSR_X2APIC + (REG_SELF_IPI >> 4), &value));
}

Test(lapic, self_ipi_of_x2apic)
{
    enter_x2apic();
    cr_assert(msr_write(REG_SELF_IPI, 0x77));
    cr_assert_eq(lapic_pending(l), 0x77);
}

/* Every bit of every register that can be written (SDM 3A, 11.12.1.3): the reserved ones are
 * refused, and a refused value changes nothing. */
Test(lapic, x2apic_refuses_each_reserved_bit)
{
    static const struct {
        uint32_t reg;
        uint64_t bits;
    } registers[] = {
        { REG_TPR, 0xff },
        { REG_EOI, 0 },
        { REG_SVR, 0x1ff },
        { REG_ESR, 0 },
        { REG_ICR, UINT64_C(0xffffffff000ccfff) },
        { REG_LVT_TIMER, 0x710ff },
        { REG_LVT_TIMER + 0x10, 0x117ff },
        { REG_LVT_TIMER + 0x20, 0x117ff },
        { REG_LVT_TIMER + 0x30, 0x1f7ff },
        { REG_LVT_TIMER + 0x40, 0x1f7ff },
        { REG_LVT_ERROR, 0x110ff },
        { REG_TIMER_INITIAL, UINT32_MAX },
        { REG_TIMER_DIVIDE, 0xb },
        { REG_SELF_IPI, 0xff },
    };

    enter_x2apic();
    for (unsigned i = 0; i < sizeof(registers) / sizeof(registers[0]); i++)
        for (unsigned bit = 0; bit < 64; bit++)
            if (!(registers[i].bits >> bit & 1u))
                cr_assert(!msr_write(registers[i].reg, UINT64_C(1) << bit), "%#x: bit %u",
                          registers[i].reg, bit);
    expect_msr(REG_TPR, 0);
    expect_msr(REG_SVR, ENABLED);
    for (unsigned i = 0; i < sizeof(registers) / sizeof(registers[0]); i++)
        cr_assert(msr_write(registers[i].reg, registers[i].reg == REG_ICR ? 0x4040 : 0), "%#x",
                  registers[i].reg);
}

/* SDM 3A, 11.4.3: when it is enabled again it is as after a reset, and nothing is pending. */
Test(lapic, disabling_resets_it)
{
    uint64_t base;

    enter_x2apic();
    cr_assert(msr_write(REG_TPR, 0x30));
    cr_assert(msr_write(REG_LVT_ERROR, 0x33));
    lapic_raise(l, 0x77, false);
    cr_assert(lapic_is_on(l));
    cr_assert(lapic_msr_write(l, MSR_BASE, LAYOUT_LAPIC | BASE_BSP));
    cr_assert_not(lapic_is_on(l));
    lapic_raise(l, 0x78, false);
    cr_assert(lapic_msr_write(l, MSR_BASE, LAYOUT_LAPIC | BASE_BSP | BASE_ENABLE));
    cr_assert(lapic_msr_read(l, MSR_BASE, &base));
    cr_assert_eq(base, LAYOUT_LAPIC | BASE_BSP | BASE_ENABLE);
    cr_assert_eq(lapic_read(l, REG_SVR), 0xff);
    cr_assert_eq(lapic_read(l, REG_TPR), 0);
    cr_assert_eq(lapic_read(l, REG_LVT_ERROR), LVT_MASKED);
    lapic_write(l, REG_SVR, ENABLED);
    cr_assert_eq(lapic_pending(l), -1);
}
