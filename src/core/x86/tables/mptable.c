/*
 * The MultiProcessor Specification 1.4 tables.
 *
 * The base table is the header, vcpu_count processor entries, and then everything else, which is
 * one structure (struct mp_wiring); that is the specification's order. The interrupts above 15 are
 * listed as ISA interrupts too: that makes them edge-triggered and active-high like the others, and
 * guests accept such numbers.
 */
#include "core/x86/tables/mptable.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "core/base/err.h"
#include "core/vm/accel.h"
#include "core/x86/layout.h"
#include "core/x86/tables/checksum.h"

#define PACKED __attribute__((packed))

#define SPEC_REV        4u
#define APIC_VERSION    0x14u
#define IO_APIC_VERSION 0x11u
#define IO_APIC_PINS    24u
#define ISA_BUS         0u

/* 4.1 */
struct mp_floating_pointer {
    char signature[4];
    uint32_t physical_address_pointer;
    uint8_t length; /* in units of 16 bytes */
    uint8_t spec_rev;
    uint8_t checksum;
    uint8_t feature_bytes[5]; /* zero: there is a table, and PIC mode is not implemented */
} PACKED;

/* 4.2 */
struct mp_header {
    char signature[4];
    uint16_t base_table_length;
    uint8_t spec_rev;
    uint8_t checksum;
    char oem_id[8];
    char product_id[12];
    uint32_t oem_table_pointer;
    uint16_t oem_table_size;
    uint16_t entry_count;
    uint32_t local_apic_address;
    uint16_t extended_table_length;
    uint8_t extended_table_checksum;
    uint8_t reserved;
} PACKED;

enum mp_entry {
    MP_PROCESSOR,
    MP_BUS,
    MP_IO_APIC,
    MP_IO_INTERRUPT,
    MP_LOCAL_INTERRUPT,
};

/* 4.3.1 */
struct mp_processor {
    uint8_t entry_type;
    uint8_t local_apic_id;
    uint8_t local_apic_version;
    uint8_t cpu_flags;
    uint32_t cpu_signature;
    uint32_t feature_flags;
    uint8_t reserved[8];
} PACKED;

#define CPU_ENABLED   1u
#define CPU_BOOTSTRAP 2u

/* Guests ask CPUID instead, but the specification wants these filled in. */
#define MP_CPU_SIGNATURE 0x600u /* family 6 */
#define MP_CPU_FEATURES  0x201u /* FPU and APIC */

/* 4.3.2 */
struct mp_bus {
    uint8_t entry_type;
    uint8_t bus_id;
    char bus_type_string[6];
} PACKED;

/* 4.3.3 */
struct mp_io_apic {
    uint8_t entry_type;
    uint8_t io_apic_id;
    uint8_t io_apic_version;
    uint8_t io_apic_flags;
    uint32_t io_apic_address;
} PACKED;

#define IO_APIC_ENABLED 1u

/* 4.3.4 and 4.3.5: the destination is a pin of the I/O APIC or of a local APIC. */
struct mp_interrupt {
    uint8_t entry_type;
    uint8_t interrupt_type;
    uint16_t interrupt_flag; /* zero: trigger mode and polarity are those of the bus */
    uint8_t source_bus_id;
    uint8_t source_bus_irq;
    uint8_t destination_apic_id;
    uint8_t destination_apic_pin;
} PACKED;

#define INTERRUPT_INT    0u
#define INTERRUPT_NMI    1u
#define INTERRUPT_EXTINT 3u
#define EVERY_APIC       0xffu

struct mp_wiring {
    struct mp_bus isa;
    struct mp_io_apic io_apic;
    struct mp_interrupt interrupt[IO_APIC_PINS];
    struct mp_interrupt lint0;
    struct mp_interrupt lint1;
} PACKED;

#define WIRING_ENTRIES (2u + IO_APIC_PINS + 2u)

static_assert(sizeof(struct mp_floating_pointer) == 16, "4.1");
static_assert(sizeof(struct mp_header) == 44, "4.2");
static_assert(sizeof(struct mp_processor) == 20, "4.3.1");
static_assert(sizeof(struct mp_bus) == 8, "4.3.2");
static_assert(sizeof(struct mp_io_apic) == 8, "4.3.3");
static_assert(sizeof(struct mp_interrupt) == 8, "4.3.4");
static_assert(sizeof(struct mp_floating_pointer) + sizeof(struct mp_header) +
                      VCPUS_MAX * sizeof(struct mp_processor) + sizeof(struct mp_wiring) <=
                  LAYOUT_ACPI - LAYOUT_MPTABLE,
              "the largest table fits its place");

static struct mp_floating_pointer mptable_floating_pointer(void)
{
    struct mp_floating_pointer p = {
        .signature = "_MP_",
        .physical_address_pointer = (uint32_t)(LAYOUT_MPTABLE + sizeof(p)),
        .length = sizeof(p) / 16,
        .spec_rev = SPEC_REV,
    };

    p.checksum = table_checksum(&p, sizeof(p));
    return p;
}

static struct mp_header mptable_header(size_t len, unsigned vcpu_count)
{
    return (struct mp_header){
        .signature = "PCMP",
        .base_table_length = (uint16_t)len,
        .spec_rev = SPEC_REV,
        .oem_id = "MOTE    ",
        .product_id = "MICROVM     ",
        .entry_count = (uint16_t)(vcpu_count + WIRING_ENTRIES),
        .local_apic_address = LAYOUT_LAPIC,
    };
}

static struct mp_processor mptable_processor(unsigned n)
{
    return (struct mp_processor){
        .entry_type = MP_PROCESSOR,
        .local_apic_id = (uint8_t)n,
        .local_apic_version = APIC_VERSION,
        .cpu_flags = n ? CPU_ENABLED : CPU_ENABLED | CPU_BOOTSTRAP,
        .cpu_signature = MP_CPU_SIGNATURE,
        .feature_flags = MP_CPU_FEATURES,
    };
}

static struct mp_interrupt mptable_interrupt(enum mp_entry entry, unsigned type, unsigned irq,
                                             unsigned apic, unsigned pin)
{
    return (struct mp_interrupt){
        .entry_type = (uint8_t)entry,
        .interrupt_type = (uint8_t)type,
        .source_bus_id = ISA_BUS,
        .source_bus_irq = (uint8_t)irq,
        .destination_apic_id = (uint8_t)apic,
        .destination_apic_pin = (uint8_t)pin,
    };
}

static struct mp_wiring mptable_wiring(unsigned io_apic_id)
{
    struct mp_wiring w = {
        .isa = { .entry_type = MP_BUS, .bus_id = ISA_BUS, .bus_type_string = "ISA   " },
        .io_apic = {
            .entry_type = MP_IO_APIC,
            .io_apic_id = (uint8_t)io_apic_id,
            .io_apic_version = IO_APIC_VERSION,
            .io_apic_flags = IO_APIC_ENABLED,
            .io_apic_address = LAYOUT_IOAPIC,
        },
        .lint0 = mptable_interrupt(MP_LOCAL_INTERRUPT, INTERRUPT_EXTINT, 0, EVERY_APIC, 0),
        .lint1 = mptable_interrupt(MP_LOCAL_INTERRUPT, INTERRUPT_NMI, 0, EVERY_APIC, 1),
    };

    for (unsigned pin = 0; pin < IO_APIC_PINS; pin++)
        w.interrupt[pin] = mptable_interrupt(MP_IO_INTERRUPT, INTERRUPT_INT, pin, io_apic_id, pin);
    return w;
}

/* Copies `len` bytes to `to` and returns the address behind them. */
static uint8_t *mptable_append(uint8_t *to, const void *bytes, size_t len)
{
    memcpy(to, bytes, len);
    return to + len;
}

int mptable_write(const struct mem *m, unsigned vcpu_count, struct err *e)
{
    size_t len = sizeof(struct mp_header) + vcpu_count * sizeof(struct mp_processor) +
                 sizeof(struct mp_wiring);
    struct mp_floating_pointer p = mptable_floating_pointer();
    struct mp_header h = mptable_header(len, vcpu_count);
    struct mp_wiring w = mptable_wiring(vcpu_count);
    uint8_t *to, *table;

    assert(vcpu_count >= 1 && vcpu_count <= VCPUS_MAX);
    to = mem_at(m, LAYOUT_MPTABLE, sizeof(p) + len);
    if (!to)
        return err_set(e, ENOSPC, "guest memory ends below the MP table's place, %#llx to %#llx",
                       LAYOUT_MPTABLE, LAYOUT_MPTABLE + sizeof(p) + len);
    table = mptable_append(to, &p, sizeof(p));
    to = mptable_append(table, &h, sizeof(h));
    for (unsigned n = 0; n < vcpu_count; n++) {
        struct mp_processor cpu = mptable_processor(n);
        to = mptable_append(to, &cpu, sizeof(cpu));
    }
    (void)mptable_append(to, &w, sizeof(w));
    table[offsetof(struct mp_header, checksum)] = table_checksum(table, len);
    return 0;
}
