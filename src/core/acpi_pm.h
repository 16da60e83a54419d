#ifndef CORE_ACPI_PM_H
#define CORE_ACPI_PM_H
/*
 * The registers by which a hardware-reduced ACPI guest powers off and resets (ACPI 6.5, 4.8.3.6
 * and 4.8.3.7).
 *
 * Offset 0: sleep control. Offset 1: sleep status. Offset 2: reset. The FADT (x86/acpi.h) names
 * them.
 */
#include "core/device.h"

struct power;

#define ACPI_PM_SLEEP_CONTROL 0u
#define ACPI_PM_SLEEP_STATUS  1u
#define ACPI_PM_RESET         2u

#define ACPI_PM_SLP_EN      (1u << 5)
#define ACPI_PM_SLP_TYP_S5  5u /* in bits 2 to 4; what the DSDT's \_S5 says */
#define ACPI_PM_RESET_VALUE 1u

struct acpi_pm {
    struct device device;
    struct power *power;
};

/* The power is the caller's and outlives the device. */
void acpi_pm_init(struct acpi_pm *a, struct power *power);
void acpi_pm_finish(struct acpi_pm *a);

#endif
