/* Messages between local APICs: the ICR's destinations, shorthands and delivery modes. */
#include "emu/x86/apic/apic_message.h"

#include <criterion/criterion.h>

#include "core/x86/layout.h"
#include "emu/x86/apic/lapic.h"
#include "emu/x86/apic/lapic_internal.h"
#include "lib/x86/emu_rig.h"

#define CPUS 4u

#define ICR_ASSERT  (1u << 14)
#define ICR_LOGICAL (1u << 11)
#define TO_SELF     (1u << 18)
#define TO_ALL      (2u << 18)
#define TO_OTHERS   (3u << 18)

static struct emu_rig rig;

static struct lapic *lapic_of(unsigned n)
{
    return rig.emu->cpus[n]->lapic;
}

static void set_up(void)
{
    emu_rig_init(&rig, CPUS);
    for (unsigned n = 0; n < CPUS; n++) {
        lapic_write(lapic_of(n), REG_SVR, 0x1ff);
        lapic_write(lapic_of(n), REG_LDR, 1u << (24 + n));
        (void)cpu_requests_take(rig.emu->cpus[n], ~0u);
    }
}

static void tear_down(void)
{
    emu_rig_finish(&rig);
}

TestSuite(apic_message, .init = set_up, .fini = tear_down);

static void send(uint32_t destination, uint32_t low)
{
    lapic_write(lapic_of(0), REG_ICR_HIGH, destination << 24);
    lapic_write(lapic_of(0), REG_ICR, low);
}

/* Exactly the processors of the mask have this vector pending. */
static void expect_pending(unsigned mask, int vector)
{
    for (unsigned n = 0; n < CPUS; n++)
        cr_assert_eq(lapic_pending(lapic_of(n)), mask >> n & 1u ? vector : -1, "processor %u", n);
}

static void expect_requested(unsigned mask, uint32_t bit)
{
    for (unsigned n = 0; n < CPUS; n++)
        cr_assert_eq(rig.emu->cpus[n]->request, mask >> n & 1u ? bit : 0, "processor %u", n);
}

Test(apic_message, physical_destination)
{
    send(2, ICR_ASSERT | 0x40);
    expect_pending(1u << 2, 0x40);
    expect_requested(1u << 2, CPU_REQ_INTERRUPT);
    cr_assert_eq(lapic_read(lapic_of(0), REG_ICR), ICR_ASSERT | 0x40, "and delivery is complete");
}

Test(apic_message, physical_broadcast)
{
    send(0xff, ICR_ASSERT | 0x40);
    expect_pending(0xf, 0x40);
}

Test(apic_message, nobody_at_that_address)
{
    send(9, ICR_ASSERT | 0x40);
    expect_pending(0, 0);
}

Test(apic_message, logical_destination_names_several)
{
    send(0xa, ICR_ASSERT | ICR_LOGICAL | 0x41);
    expect_pending(0xa, 0x41);
}

Test(apic_message, lowest_priority_goes_to_one)
{
    send(0xa, ICR_ASSERT | ICR_LOGICAL | APIC_LOWEST << 8 | 0x41);
    expect_pending(0x2, 0x41);
}

Test(apic_message, shorthands)
{
    send(3, TO_SELF | ICR_ASSERT | 0x50);
    expect_pending(0x1, 0x50);
    send(3, TO_OTHERS | ICR_ASSERT | 0x50);
    expect_pending(0xf, 0x50);
    send(3, TO_ALL | ICR_ASSERT | 0x60);
    expect_pending(0xf, 0x60);
}

Test(apic_message, nmi_has_no_vector)
{
    send(1, ICR_ASSERT | APIC_NMI << 8);
    expect_requested(0x2, CPU_REQ_NMI);
    expect_pending(0, 0);
}

Test(apic_message, init_and_start_up)
{
    send(1, ICR_ASSERT | APIC_INIT << 8);
    expect_requested(0x2, CPU_REQ_INIT);
    (void)cpu_requests_take(rig.emu->cpus[1], ~0u);
    send(1, 1u << 15 | APIC_INIT << 8);
    expect_requested(0, 0);
    send(1, ICR_ASSERT | APIC_SIPI << 8 | 0x9a);
    expect_requested(0x2, CPU_REQ_SIPI);
    cr_assert_eq(rig.emu->cpus[1]->sipi_vector, 0x9a);
}

Test(apic_message, smi_and_extint_have_no_receiver)
{
    send(1, ICR_ASSERT | APIC_SMI << 8);
    send(1, ICR_ASSERT | APIC_EXTINT << 8 | 0x40);
    expect_requested(0, 0);
}

Test(apic_message, illegal_vector_is_the_senders_error)
{
    send(1, ICR_ASSERT | 0x0f);
    expect_pending(0, 0);
    cr_assert_eq(lapic_read(lapic_of(0), REG_ESR), 1u << 5);
    cr_assert_eq(lapic_read(lapic_of(1), REG_ESR), 0);
}

/* In x2APIC mode destinations have 32 bits, and the ICR is one register. */
Test(apic_message, x2apic_destinations)
{
    const uint32_t x2apic = 0xc00;

    for (unsigned n = 0; n < CPUS; n++)
        cr_assert(lapic_msr_write(lapic_of(n), 0x1b, LAYOUT_LAPIC | x2apic));
    cr_assert(lapic_msr_write(lapic_of(0), 0x830, UINT64_C(2) << 32 | 0x40));
    expect_pending(1u << 2, 0x40);
    cr_assert(lapic_msr_write(lapic_of(0), 0x830, UINT64_C(0xa) << 32 | ICR_LOGICAL | 0x50));
    cr_assert_eq(lapic_pending(lapic_of(1)), 0x50);
    cr_assert_eq(lapic_pending(lapic_of(3)), 0x50);
    cr_assert_eq(lapic_pending(lapic_of(2)), 0x40);
    cr_assert(lapic_msr_write(lapic_of(0), 0x830, UINT64_C(0xffffffff) << 32 | 0x60));
    expect_pending(0xf, 0x60);
}

/* In x2APIC mode 0xff is a logical mask of eight processors, or an id (SDM 3A, 11.12.9). */
Test(apic_message, x2apic_broadcast_is_not_0xff)
{
    struct emu_rig big;

    emu_rig_init(&big, 10);
    for (unsigned n = 0; n < 10; n++) {
        struct lapic *l = big.emu->cpus[n]->lapic;

        cr_assert(lapic_msr_write(l, 0x1b, LAYOUT_LAPIC | 0xc00));
        cr_assert(lapic_msr_write(l, 0x80f, 0x1ff));
    }
    cr_assert(lapic_msr_write(big.cpu->lapic, 0x830, UINT64_C(0xff) << 32 | ICR_LOGICAL | 0x50));
    for (unsigned n = 0; n < 10; n++)
        cr_assert_eq(lapic_pending(big.emu->cpus[n]->lapic), n < 8 ? 0x50 : -1, "processor %u", n);
    cr_assert(lapic_msr_write(big.cpu->lapic, 0x830, UINT64_C(0xff) << 32 | 0x60));
    for (unsigned n = 0; n < 10; n++)
        cr_assert_neq(lapic_pending(big.emu->cpus[n]->lapic), 0x60, "processor %u", n);
    emu_rig_finish(&big);
}
