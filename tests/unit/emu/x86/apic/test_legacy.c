/* The 8259 pair and the 8254 in the machine: their ports, the wire to the processors, the lines. */
#include "emu/x86/apic/legacy.h"

#include <criterion/criterion.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/vm/irq.h"
#include "emu/emu.h"
#include "emu/x86/apic/ioapic.h"
#include "emu/x86/apic/lapic.h"
#include "emu/x86/apic/lapic_internal.h"
#include "emu/x86/mem/mmio.h"
#include "emu/x86/time/tsc.h"
#include "lib/x86/emu_rig.h"

#define EXTINT 0x700u
#define FIXED  0x045u
#define NMI    0x400u

static struct emu_rig rig;
static struct legacy *legacy;

static void out(uint16_t port, uint8_t value)
{
    port_write(rig.cpu, port, &value, 1);
}

static uint8_t in(uint16_t port)
{
    uint8_t value;

    port_read(rig.cpu, port, &value, 1);
    return value;
}

static void set_up(void)
{
    emu_rig_init(&rig, 2);
    legacy = rig.emu->legacy;
    (void)cpu_requests_take(rig.emu->cpus[0], ~0u);
    (void)cpu_requests_take(rig.emu->cpus[1], ~0u);
}

static void tear_down(void)
{
    emu_rig_finish(&rig);
}

TestSuite(legacy, .init = set_up, .fini = tear_down);

static void initialise(void)
{
    static const uint8_t first[] = { 0x30, 4, 1, 0 }, second[] = { 0x38, 2, 1, 0 };

    out(PIC_FIRST, 0x11);
    out(PIC_SECOND, 0x11);
    for (unsigned i = 0; i < 4; i++) {
        out(PIC_FIRST + 1, first[i]);
        out(PIC_SECOND + 1, second[i]);
    }
}

static bool is_told(unsigned cpu)
{
    return cpu_requests_take(rig.emu->cpus[cpu], CPU_REQ_INTERRUPT);
}

Test(legacy, the_first_processor_begins_in_virtual_wire_mode)
{
    cr_assert_eq(lapic_read(rig.cpu->lapic, REG_LVT_TIMER + 0x30), EXTINT, "LINT0");
    cr_assert_eq(lapic_read(rig.cpu->lapic, REG_LVT_TIMER + 0x40), NMI, "LINT1");
    cr_assert_eq(lapic_read(rig.emu->cpus[1]->lapic, REG_LVT_TIMER + 0x30), LVT_MASKED);
    initialise();
    legacy_raise(legacy, 4);
    cr_assert(is_told(0));
    cr_assert_not(is_told(1));
    cr_assert(legacy_asks(legacy, rig.cpu));
    cr_assert_not(legacy_asks(legacy, rig.emu->cpus[1]));
    cr_assert_eq(legacy_take(legacy), 0x34);
    cr_assert_not(legacy_asks(legacy, rig.cpu));
}

Test(legacy, a_processor_whose_local_apic_is_off_has_the_wire_itself)
{
    cr_assert(lapic_msr_write(rig.emu->cpus[1]->lapic, 0x1b, 0xfee00000));
    initialise();
    legacy_raise(legacy, 9);
    cr_assert(is_told(1));
    cr_assert(legacy_asks(legacy, rig.emu->cpus[1]));
}

Test(legacy, a_wire_that_is_up_is_seen_when_lint0_opens)
{
    struct lapic *l = rig.cpu->lapic;

    lapic_write(l, REG_SVR, 0x1ff);
    lapic_write(l, REG_LVT_TIMER + 0x30, LVT_MASKED | EXTINT);
    initialise();
    legacy_raise(legacy, 4);
    (void)is_told(0);
    cr_assert_not(legacy_asks(legacy, rig.cpu));
    lapic_write(l, REG_LVT_TIMER + 0x30, EXTINT);
    cr_assert(is_told(0));
    cr_assert(legacy_asks(legacy, rig.cpu));
}

Test(legacy, lint0_may_be_a_vector_or_an_nmi)
{
    struct lapic *l = rig.cpu->lapic;

    lapic_write(l, REG_SVR, 0x1ff);
    lapic_write(l, REG_LVT_TIMER + 0x30, FIXED);
    initialise();
    legacy_raise(legacy, 4);
    cr_assert_eq(lapic_pending(l), 0x45);
    cr_assert_not(legacy_asks(legacy, rig.cpu));
    (void)legacy_take(legacy);
    out(PIC_FIRST, 0x20);
    lapic_write(l, REG_LVT_TIMER + 0x30, NMI);
    legacy_raise(legacy, 4);
    cr_assert(cpu_requests_take(rig.cpu, CPU_REQ_NMI));
}

/* Masking in the pair takes the wire down again. */
Test(legacy, the_wire_follows_the_pair)
{
    initialise();
    legacy_raise(legacy, 4);
    out(PIC_FIRST + 1, 0xff);
    cr_assert_not(legacy_asks(legacy, rig.cpu));
    out(PIC_FIRST + 1, 0);
    cr_assert(legacy_asks(legacy, rig.cpu));
    out(PIC_FIRST, 0x0c);
    cr_assert_eq(in(PIC_FIRST), 0x84, "a poll");
    cr_assert_not(legacy_asks(legacy, rig.cpu));
}

/* The loop thread raises lines; no processor may keep it out by taking the lock over and over. */
Test(legacy, a_line_goes_before_accesses, .timeout = 30)
{
    initialise();
    legacy->lock.first = 1; /* as if another thread that goes first waited */
    legacy_raise(legacy, 4);
    legacy->lock.first = 0;
    cr_assert_eq(legacy_take(legacy), 0x34);
}

Test(legacy, lines_below_16_go_to_both_controllers)
{
    struct irq_line low = { 0 }, high = { 0 };
    struct err e;

    lapic_write(rig.cpu->lapic, REG_SVR, 0x1ff);
    cr_assert_eq(emu_accel.irq_init(rig.accel, &low, 12, &e), 0);
    cr_assert_eq(emu_accel.irq_init(rig.accel, &high, 16, &e), 0);
    ioapic_write(rig.emu->ioapic, 0, 0x10 + 2 * 12);
    ioapic_write(rig.emu->ioapic, 0x10, 0x51);
    initialise();
    irq_line_raise(&high);
    cr_assert_not(legacy_asks(legacy, rig.cpu));
    irq_line_raise(&low);
    cr_assert(legacy_asks(legacy, rig.cpu));
    cr_assert_eq(lapic_pending(rig.cpu->lapic), 0x51);
    cr_assert_eq(legacy_take(legacy), 0x3c);
    emu_accel.irq_finish(rig.accel, &low);
    emu_accel.irq_finish(rig.accel, &high);
}

/* Time passes, and the host timer signals. */
static void time_goes_by(uint64_t ns)
{
    legacy->pit.counter[0].started_ns -= ns;
    legacy->due_ns -= ns;
    legacy_timer_ran_out(legacy);
}

#define PERIOD_NS UINT64_C(51490000) /* a little less than 0xf000 counts */

static void timer_set(void)
{
    out(PIT_COMMAND, 0x34);
    out(PIT_FIRST, 0);
    out(PIT_FIRST, 0xf0);
}

Test(legacy, the_timer_is_interrupt_0_of_both_controllers)
{
    lapic_write(rig.cpu->lapic, REG_SVR, 0x1ff);
    ioapic_write(rig.emu->ioapic, 0, 0x10);
    ioapic_write(rig.emu->ioapic, 0x10, 0x52);
    initialise();
    timer_set();
    legacy_timer_ran_out(legacy);
    cr_assert_not(legacy_asks(legacy, rig.cpu), "the signal was another timer's");
    time_goes_by(60000000);
    cr_assert(legacy_asks(legacy, rig.cpu));
    cr_assert_eq(legacy_take(legacy), 0x30);
    cr_assert_eq(lapic_pending(rig.cpu->lapic), 0x52);
    cr_assert_gt(legacy->due_ns, clock_now_ns() - 60000000, "and again");
    out(PIT_COMMAND, 0x30);
    cr_assert_eq(legacy->due_ns, PIT_NEVER, "until it is set to something else");
}

/* The host was away for several periods: the guest gets each tick once it has served the last. */
Test(legacy, ticks_of_a_late_host_are_owed_through_the_pair)
{
    initialise();
    timer_set();
    time_goes_by(4 * PERIOD_NS + PERIOD_NS / 2);
    for (unsigned i = 0; i < 4; i++) {
        cr_assert(legacy_asks(legacy, rig.cpu), "tick %u", i);
        cr_assert_eq(legacy_take(legacy), 0x30);
        cr_assert_not(legacy_asks(legacy, rig.cpu), "in service");
        out(PIC_FIRST, 0x20);
    }
    cr_assert_not(legacy_asks(legacy, rig.cpu));
    time_goes_by(2 * PERIOD_NS);
    out(PIC_FIRST, 0x0c);
    cr_assert_eq(in(PIC_FIRST), 0x80, "a poll takes");
    out(PIC_FIRST, 0x20);
    cr_assert(legacy_asks(legacy, rig.cpu), "and lets the next one go");
}

Test(legacy, ticks_of_a_late_host_are_owed_through_the_io_apic)
{
    struct lapic *l = rig.cpu->lapic;

    lapic_write(l, REG_SVR, 0x1ff);
    ioapic_write(rig.emu->ioapic, 0, 0x10);
    ioapic_write(rig.emu->ioapic, 0x10, 0x52);
    timer_set();
    time_goes_by(3 * PERIOD_NS + PERIOD_NS / 2);
    time_goes_by(PERIOD_NS);
    for (unsigned i = 0; i < 4; i++) {
        cr_assert_eq(lapic_pending(l), 0x52, "tick %u", i);
        lapic_accept(l, 0x52);
        lapic_write(l, REG_EOI, 0);
    }
    cr_assert_eq(lapic_pending(l), -1);
}

/* Linux leaves the pair behind masked, or with a tick pending that nobody takes. */
Test(legacy, a_controller_that_nobody_serves_holds_no_tick_back)
{
    struct lapic *l = rig.cpu->lapic;

    initialise();
    lapic_write(l, REG_SVR, 0x1ff);
    lapic_write(l, REG_LVT_TIMER + 0x30, LVT_MASKED | EXTINT);
    ioapic_write(rig.emu->ioapic, 0, 0x10);
    ioapic_write(rig.emu->ioapic, 0x10, 0x52);
    timer_set();
    for (unsigned i = 0; i < 3; i++) {
        time_goes_by(PERIOD_NS + PERIOD_NS / 8);
        cr_assert_eq(lapic_pending(l), 0x52, "tick %u", i);
        lapic_accept(l, 0x52);
        lapic_write(l, REG_EOI, 0);
        cr_assert_eq(lapic_pending(l), -1);
    }
}

/* Linux masks the line while it handles a tick. */
Test(legacy, a_masked_line_loses_no_tick)
{
    initialise();
    timer_set();
    time_goes_by(PERIOD_NS + PERIOD_NS / 2);
    cr_assert_eq(legacy_take(legacy), 0x30);
    out(PIC_FIRST + 1, 0x01);
    out(PIC_FIRST, 0x20);
    time_goes_by(3 * PERIOD_NS);
    cr_assert_not(legacy_asks(legacy, rig.cpu));
    out(PIC_FIRST + 1, 0x00);
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(legacy_take(legacy), 0x30, "tick %u", i);
        out(PIC_FIRST, 0x20);
    }
    cr_assert_not(legacy_asks(legacy, rig.cpu));
}

Test(legacy, claims_its_ports_for_single_bytes_only)
{
    uint32_t value = 0;

    cr_assert(legacy_claims(0x61, 1));
    cr_assert(legacy_claims(0x43, 1));
    cr_assert_not(legacy_claims(0x40, 2));
    cr_assert_not(legacy_claims(0x60, 1));
    cr_assert_not(legacy_claims(0x44, 1));
    port_read(rig.cpu, 0x20, &value, 4);
    cr_assert_eq(value, UINT32_MAX, "no device has it");
}
