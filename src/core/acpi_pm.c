/* The ACPI registers that end a machine. Nothing is kept: all of them read as zero. */
#include "core/acpi_pm.h"

#include <string.h>

#include "core/power.h"

#define SLP_TYP_SHIFT 2
#define SLP_TYP_MASK  7u

/* Sleep types other than S5 are states this machine does not have; a guest was told of none. */
static void sleep_control_write(struct acpi_pm *a, uint8_t value)
{
    if (value & ACPI_PM_SLP_EN && (value >> SLP_TYP_SHIFT & SLP_TYP_MASK) == ACPI_PM_SLP_TYP_S5)
        power_end_machine(a->power, POWER_OFF);
}

static void acpi_pm_read(struct device *d, uint64_t offset, void *data, unsigned size)
{
    (void)d;
    (void)offset;
    memset(data, 0, size);
}

/* A wider access is its bytes at consecutive ports. */
static void acpi_pm_write(struct device *d, uint64_t offset, const void *data, unsigned size)
{
    struct acpi_pm *a = (struct acpi_pm *)d;
    const uint8_t *bytes = data;

    for (unsigned i = 0; i < size; i++) {
        if (offset + i == ACPI_PM_SLEEP_CONTROL)
            sleep_control_write(a, bytes[i]);
        else if (offset + i == ACPI_PM_RESET && bytes[i] == ACPI_PM_RESET_VALUE)
            power_end_machine(a->power, POWER_RESET);
    }
}

static const struct device_ops acpi_pm_ops = {
    .name = "acpi_pm",
    .read = acpi_pm_read,
    .write = acpi_pm_write,
};

void acpi_pm_init(struct acpi_pm *a, struct power *power)
{
    device_init(&a->device, &acpi_pm_ops);
    a->power = power;
}

void acpi_pm_finish(struct acpi_pm *a)
{
    device_finish(&a->device);
}
