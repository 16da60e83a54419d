#ifndef CORE_X86_TABLES_ACPI_H
#define CORE_X86_TABLES_ACPI_H
/*
 * The ACPI tables (ACPI 6.5): RSDP, XSDT, FADT, FACS, MADT and DSDT.
 *
 * The DSDT announces the serial port, the keyboard controller, \_S5 and every virtio-mmio window
 * (LNRO0005).
 */
#include "core/vm/mem.h"
#include "core/x86/tables/dsdt.h"

struct err;

struct acpi_config {
    unsigned vcpu_count; /* 1 to VCPUS_MAX; processor n has APIC id n, the I/O APIC vcpu_count */
    const struct acpi_virtio *virtio;
    unsigned virtio_count;
};

/* Before the guest starts. Writes the tables at LAYOUT_ACPI, the RSDP at LAYOUT_RSDP and the reset
 * vector, by which guests of such tables may restart. -ENOSPC where the tables do not fit between
 * the two or memory ends below one of them. */
int acpi_write(const struct mem *m, const struct acpi_config *config, struct err *e);

#endif
