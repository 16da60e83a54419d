#ifndef CORE_DEV_ACPI_PM_H
#define CORE_DEV_ACPI_PM_H
/*
 * The fixed registers by which an ACPI guest powers off and resets (ACPI 6.5, 4.8.3.1, 4.8.3.2 and
 * 4.8.3.6), and the sleep registers that a hardware-reduced guest uses instead (4.8.3.7). The FADT
 * (core/x86/tables/acpi.h) tells the guest where they are.
 *
 * There are no ACPI events: the status reads 0 and the SCI is never raised. ACPI mode is always on.
 */
#include <stdint.h>

#include "core/vm/device.h"

struct err;
struct power;
struct state_reader;
struct state_writer;

#define ACPI_PM_STATUS        0u /* offsets; the three PM1 registers are two bytes each */
#define ACPI_PM_ENABLE        2u
#define ACPI_PM_CONTROL       4u
#define ACPI_PM_RESET         6u
#define ACPI_PM_SLEEP_CONTROL 7u
#define ACPI_PM_SLEEP_STATUS  8u

#define ACPI_PM_EVENT_LEN   4u
#define ACPI_PM_CONTROL_LEN 2u

#define ACPI_PM_SCI_EN      (1u << 0)
#define ACPI_PM_SLP_TYP_S5  5u /* the value of control bits 10 to 12; also in the DSDT's \_S5 */
#define ACPI_PM_SLP_EN      (1u << 13)
#define ACPI_PM_SLEEP_EN    (1u << 5) /* in the sleep control; the sleep type is in bits 2 to 4 */
#define ACPI_PM_RESET_VALUE 1u

struct acpi_pm {
    struct device device;
    struct power *power;
    uint8_t enable[2];
};

/* `power` stays the caller's and must outlive the device. */
void acpi_pm_init(struct acpi_pm *a, struct power *power);
void acpi_pm_finish(struct acpi_pm *a);

/* With the device's lock held, or while no vCPU runs. The snapshot section is "acpi_pm". A load
 * that fails changes nothing. */
void acpi_pm_save(const struct acpi_pm *a, struct state_writer *w);
int acpi_pm_load(struct acpi_pm *a, struct state_reader *r, struct err *e);

#endif
