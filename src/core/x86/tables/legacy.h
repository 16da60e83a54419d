#ifndef CORE_X86_TABLES_LEGACY_H
#define CORE_X86_TABLES_LEGACY_H
/*
 * Whether a guest needs to be told of the PC's old interrupt controllers.
 *
 * Of a "hardware-reduced" machine (ACPI 6.5, 4.1) Linux assumes that it has neither 8259 nor 8254.
 * It does not look for them, clears no I/O APIC, and takes the numbers of all interrupts from ACPI.
 * That saves some 450 exits in a boot under KVM. But a guest whose command line says to do without
 * I/O APIC, local APIC or a part of ACPI has then no interrupts at all. And a guest that has to do
 * without KVM's clock hangs where it cannot measure the frequency of another, as in a virtual
 * machine on a busy host: the 8254 would be its timer. The 8259 and the 8254 are there in all
 * cases.
 */
#include <stdbool.h>

/* Whether the ACPI tables must not say "hardware-reduced" to a kernel with this command line. */
bool legacy_is_needed(const char *cmdline);

#endif
