#ifndef CORE_DEV_ACPI_PM_H
#define CORE_DEV_ACPI_PM_H
/*
 * The fixed registers by which an ACPI guest powers off and resets (ACPI 6.5, 4.8.3.1, 4.8.3.2 and
 * 4.8.3.6). The FADT (x86/acpi.h) names them.
 *
 * No event ever comes: the status stays 0 and the SCI is never raised. ACPI mode is on for good.
 */
#include <stdint.h>

#include "core/vm/device.h"

struct err;
struct power;
struct state_reader;
struct state_writer;

#define ACPI_PM_STATUS  0u /* PM1: two bytes each */
#define ACPI_PM_ENABLE  2u
#define ACPI_PM_CONTROL 4u
#define ACPI_PM_RESET   6u

#define ACPI_PM_EVENT_LEN   4u
#define ACPI_PM_CONTROL_LEN 2u

#define ACPI_PM_SCI_EN      (1u << 0)
#define ACPI_PM_SLP_TYP_S5  5u /* in bits 10 to 12 of the control; what the DSDT's \_S5 says */
#define ACPI_PM_SLP_EN      (1u << 13)
#define ACPI_PM_RESET_VALUE 1u

struct acpi_pm {
    struct device device;
    struct power *power;
    uint8_t enable[2];
};

/* The power is the caller's and outlives the device. */
void acpi_pm_init(struct acpi_pm *a, struct power *power);
void acpi_pm_finish(struct acpi_pm *a);

/* Lock held, or no processor runs. Section "acpi_pm". A failed load has changed nothing. */
void acpi_pm_save(const struct acpi_pm *a, struct state_writer *w);
int acpi_pm_load(struct acpi_pm *a, struct state_reader *r, struct err *e);

#endif
