#ifndef CORE_X86_TABLES_DSDT_H
#define CORE_X86_TABLES_DSDT_H
/*
 * What the DSDT says: the devices of the machine, for a guest that cannot probe for them. Pure.
 */
#include <stddef.h>
#include <stdint.h>

#include "core/vm/mem.h"

/* A virtio-mmio window. */
struct acpi_virtio {
    gpa_t gpa;
    uint64_t size;
    unsigned gsi;
};

/* Writes the table's AML, without the table header. Returns its length in bytes, or 0 if it does
 * not fit. */
size_t dsdt_aml(const struct acpi_virtio *virtio, unsigned count, uint8_t *to, size_t size);

#endif
