/* The I/O APIC: registers, edge and level entries, masks, remote IRR. */
#include "emu/x86/apic/ioapic.h"

#include <criterion/criterion.h>

#include "emu/x86/apic/lapic.h"
#include "emu/x86/apic/lapic_internal.h"
#include "lib/x86/emu_rig.h"

#define SELECT 0x00u
#define WINDOW 0x10u
#define EOI    0x40u

#define LEVEL      (1u << 15)
#define MASKED     (1u << 16)
#define REMOTE_IRR (1u << 14)
#define LOGICAL    (1u << 11)
#define LOWEST     (1u << 8)
#define NMI        (4u << 8)

static struct emu_rig rig;
static struct ioapic *io;

static void set_up(void)
{
    emu_rig_init(&rig, 2);
    io = rig.emu->ioapic;
    for (unsigned n = 0; n < 2; n++)
        lapic_write(rig.emu->cpus[n]->lapic, REG_SVR, 0x1ff);
    (void)cpu_requests_take(rig.emu->cpus[1], ~0u);
}

static void tear_down(void)
{
    emu_rig_finish(&rig);
}

TestSuite(ioapic, .init = set_up, .fini = tear_down);

static uint32_t get(unsigned reg)
{
    ioapic_write(io, SELECT, reg);
    return ioapic_read(io, WINDOW);
}

static void set(unsigned reg, uint32_t value)
{
    ioapic_write(io, SELECT, reg);
    ioapic_write(io, WINDOW, value);
}

static void entry_set(unsigned input, uint32_t low, uint32_t destination)
{
    set(0x11 + input * 2, destination << 24);
    set(0x10 + input * 2, low);
}

static int pending(unsigned cpu)
{
    return lapic_pending(rig.emu->cpus[cpu]->lapic);
}

/* Takes the interrupt into service and ends it. */
static void serve(unsigned cpu, uint8_t vector)
{
    cr_assert_eq(pending(cpu), vector);
    lapic_accept(rig.emu->cpus[cpu]->lapic, vector);
    lapic_write(rig.emu->cpus[cpu]->lapic, REG_EOI, 0);
}

Test(ioapic, registers)
{
    cr_assert_eq(get(1), 0x00170020, "24 inputs, with an EOI register");
    set(0, 0xffffffff);
    cr_assert_eq(get(0), 0x0f000000);
    cr_assert_eq(get(2), 0x0f000000);
    set(1, 0);
    cr_assert_eq(get(1), 0x00170020);
    cr_assert_eq(ioapic_read(io, SELECT), 1);
    cr_assert_eq(ioapic_read(io, 0x20), 0);
}

Test(ioapic, entries_begin_masked)
{
    for (unsigned i = 0; i < IOAPIC_INPUTS; i++) {
        cr_assert_eq(get(0x10 + 2 * i), MASKED);
        cr_assert_eq(get(0x11 + 2 * i), 0);
    }
    ioapic_pulse(io, 4);
    cr_assert_eq(pending(0), -1);
}

Test(ioapic, entries_keep_their_writable_bits)
{
    entry_set(3, 0xffffffff, 0x5a);
    cr_assert_eq(get(0x16), 0x1afff, "all but remote IRR, delivery status and the reserved bits");
    cr_assert_eq(get(0x17), 0x5a000000);
}

Test(ioapic, registers_beyond_the_last_read_zero)
{
    set(0x40, 0xffffffff);
    cr_assert_eq(get(0x40), 0);
    cr_assert_eq(get(0xff), 0);
    cr_assert_eq(get(0x0f), 0);
    cr_assert_eq(get(0x3e), MASKED, "the last entry is as it was");
}

Test(ioapic, edge_is_delivered_once_a_pulse)
{
    entry_set(4, 0x34, 1);
    ioapic_pulse(io, 4);
    cr_assert_eq(pending(0), -1);
    serve(1, 0x34);
    cr_assert_eq(pending(1), -1);
    ioapic_pulse(io, 4);
    serve(1, 0x34);
    cr_assert_eq(get(0x18), 0x34, "no remote IRR");
}

/* A pulse is lost if its vector is already pending, unless it goes to another processor too. */
Test(ioapic, says_whether_a_pulse_would_be_one_more_interrupt)
{
    cr_assert_not(ioapic_keeps(io, 4), "masked");
    entry_set(4, 0x34, 1);
    cr_assert(ioapic_keeps(io, 4));
    ioapic_pulse(io, 4);
    cr_assert_not(ioapic_keeps(io, 4));
    lapic_accept(rig.emu->cpus[1]->lapic, 0x34);
    cr_assert(ioapic_keeps(io, 4));
    entry_set(4, 0x35, 0xff);
    lapic_raise(rig.emu->cpus[0]->lapic, 0x35, false);
    cr_assert(ioapic_keeps(io, 4), "it goes to both");
    entry_set(4, LOWEST | 0x35, 0xff);
    cr_assert_not(ioapic_keeps(io, 4), "it goes to the first");
    entry_set(4, 0x34, 7);
    cr_assert_not(ioapic_keeps(io, 4), "it goes to none");
    entry_set(4, NMI, 1);
    cr_assert_not(ioapic_keeps(io, 4), "an NMI is not counted");
    entry_set(4, LEVEL | 0x36, 1);
    ioapic_pulse(io, 4);
    lapic_accept(rig.emu->cpus[1]->lapic, 0x36);
    cr_assert_not(ioapic_keeps(io, 4), "a level waits for its EOI");
}

Test(ioapic, pulses_go_before_register_accesses, .timeout = 30)
{
    entry_set(4, 0x34, 1);
    io->lock.first = 1;
    cr_assert(ioapic_keeps(io, 4));
    ioapic_pulse(io, 4);
    io->lock.first = 0;
    serve(1, 0x34);
}

Test(ioapic, edge_while_masked_is_lost)
{
    entry_set(4, MASKED | 0x34, 0);
    ioapic_pulse(io, 4);
    entry_set(4, 0x34, 0);
    cr_assert_eq(pending(0), -1);
}

Test(ioapic, level_waits_for_the_eoi)
{
    entry_set(5, LEVEL | 0x35, 0);
    ioapic_pulse(io, 5);
    cr_assert_eq(get(0x1a), LEVEL | REMOTE_IRR | 0x35);
    serve(0, 0x35);
    cr_assert_eq(get(0x1a), LEVEL | 0x35);
    ioapic_pulse(io, 5);
    serve(0, 0x35);
}

Test(ioapic, level_pulse_before_the_eoi_is_lost)
{
    entry_set(5, LEVEL | 0x35, 0);
    ioapic_pulse(io, 5);
    lapic_accept(rig.cpu->lapic, 0x35);
    ioapic_pulse(io, 5);
    cr_assert_eq(pending(0), -1);
    lapic_write(rig.cpu->lapic, REG_EOI, 0);
    cr_assert_eq(pending(0), -1);
    cr_assert_eq(get(0x1a), LEVEL | 0x35);
}

Test(ioapic, turning_an_entry_to_edge_clears_a_stuck_remote_irr)
{
    entry_set(5, LEVEL | 0x35, 0);
    ioapic_pulse(io, 5);
    entry_set(5, MASKED | 0x35, 0);
    cr_assert_eq(get(0x1a), MASKED | 0x35);
}

Test(ioapic, eoi_register_ends_by_vector)
{
    entry_set(5, LEVEL | 0x35, 0);
    entry_set(6, LEVEL | 0x36, 0);
    ioapic_pulse(io, 5);
    ioapic_pulse(io, 6);
    ioapic_write(io, EOI, 0x36);
    cr_assert_eq(get(0x1a), LEVEL | REMOTE_IRR | 0x35);
    cr_assert_eq(get(0x1c), LEVEL | 0x36);
    ioapic_eoi(io, 0x35);
    cr_assert_eq(get(0x1a), LEVEL | 0x35);
}

Test(ioapic, logical_destination)
{
    lapic_write(rig.emu->cpus[1]->lapic, REG_LDR, 0x02000000);
    entry_set(7, LOGICAL | 0x37, 0x02);
    ioapic_pulse(io, 7);
    cr_assert_eq(pending(0), -1);
    cr_assert_eq(pending(1), 0x37);
}

Test(ioapic, nmi_entry)
{
    entry_set(8, NMI, 1);
    ioapic_pulse(io, 8);
    cr_assert_eq(rig.emu->cpus[1]->request, CPU_REQ_NMI);
}

Test(ioapic, pulse_on_an_input_that_is_not_there)
{
    ioapic_pulse(io, IOAPIC_INPUTS);
    ioapic_pulse(io, ~0u);
    cr_assert_eq(pending(0), -1);
}
