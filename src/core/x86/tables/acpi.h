#ifndef CORE_X86_TABLES_ACPI_H
#define CORE_X86_TABLES_ACPI_H
/*
 * The ACPI tables (ACPI 6.5): RSDP, XSDT, FADT, FACS, MADT and DSDT.
 *
 * This room is what a PC's firmware leaves in guest memory: the ACPI and MultiProcessor tables, the
 * reset vector and the reset flag. It knows guest memory, the machine's layout and the constants of
 * the devices that it announces; it must not know how those work, kernel images or boot protocols.
 *
 * The DSDT announces the serial port, the keyboard controller, pvpanic, \_S5 and every virtio-mmio
 * window (LNRO0005).
 */
#include <stdbool.h>

#include "core/vm/mem.h"
#include "core/x86/tables/dsdt.h"

struct err;

struct acpi_config {
    /* 1 to VCPUS_MAX. Processor n has APIC id n, and the I/O APIC has the next id, vcpu_count. */
    unsigned vcpu_count;
    const struct acpi_virtio *virtio;
    unsigned virtio_count;
    bool reduced; /* "hardware-reduced" (ACPI 6.5, 4.1); see legacy.h */
};

/* Before the guest starts. Writes the tables at LAYOUT_ACPI, the RSDP at LAYOUT_RSDP and the reset
 * vector, by which an ACPI guest may restart. -ENOSPC if the tables do not fit below the RSDP, or
 * memory ends below one of the three. */
int acpi_write(const struct mem *m, const struct acpi_config *config, struct err *e);

#endif
