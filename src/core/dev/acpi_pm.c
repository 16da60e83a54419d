/* The ACPI registers that end a machine, and those that must be there beside them. */
#include "core/dev/acpi_pm.h"

#include <assert.h>

#include "core/base/state.h"
#include "core/vm/power.h"

#define SLP_TYP_SHIFT 2
#define SLP_TYP_MASK  7u

static_assert(ACPI_PM_SLP_EN >> 8 == ACPI_PM_SLEEP_EN, "one format for both registers");

/* The upper byte of the control, which has all that matters of it, or the sleep control. S5 is the
 * only sleep type: the DSDT declares no other, and any other is ignored. */
static void acpi_pm_sleep_write(struct acpi_pm *a, unsigned value)
{
    if (value & ACPI_PM_SLEEP_EN && (value >> SLP_TYP_SHIFT & SLP_TYP_MASK) == ACPI_PM_SLP_TYP_S5)
        power_end_machine(a->power, POWER_OFF);
}

static uint8_t acpi_pm_byte_read(const struct acpi_pm *a, uint64_t offset)
{
    if (offset == ACPI_PM_ENABLE || offset == ACPI_PM_ENABLE + 1)
        return a->enable[offset - ACPI_PM_ENABLE];
    return offset == ACPI_PM_CONTROL ? ACPI_PM_SCI_EN : 0;
}

static void acpi_pm_byte_write(struct acpi_pm *a, uint64_t offset, uint8_t value)
{
    if (offset == ACPI_PM_ENABLE || offset == ACPI_PM_ENABLE + 1)
        a->enable[offset - ACPI_PM_ENABLE] = value;
    else if (offset == ACPI_PM_CONTROL + 1 || offset == ACPI_PM_SLEEP_CONTROL)
        acpi_pm_sleep_write(a, value);
    else if (offset == ACPI_PM_RESET && value == ACPI_PM_RESET_VALUE)
        power_end_machine(a->power, POWER_RESET);
}

/* A wider access counts as byte accesses to consecutive ports. */

static void acpi_pm_read(struct device *d, uint64_t offset, void *data, unsigned size)
{
    uint8_t *bytes = data;

    for (unsigned i = 0; i < size; i++)
        bytes[i] = acpi_pm_byte_read((struct acpi_pm *)d, offset + i);
}

static void acpi_pm_write(struct device *d, uint64_t offset, const void *data, unsigned size)
{
    const uint8_t *bytes = data;

    for (unsigned i = 0; i < size; i++)
        acpi_pm_byte_write((struct acpi_pm *)d, offset + i, bytes[i]);
}

static const struct device_ops acpi_pm_ops = {
    .name = "acpi_pm",
    .read = acpi_pm_read,
    .write = acpi_pm_write,
};

void acpi_pm_init(struct acpi_pm *a, struct power *power)
{
    *a = (struct acpi_pm){ .power = power };
    device_init(&a->device, &acpi_pm_ops);
}

void acpi_pm_finish(struct acpi_pm *a)
{
    device_finish(&a->device);
}

enum field {
    FIELD_ENABLE,
};

void acpi_pm_save(const struct acpi_pm *a, struct state_writer *w)
{
    state_section(w, "acpi_pm", 1, 0);
    state_put_u16(w, FIELD_ENABLE, (uint16_t)(a->enable[0] | a->enable[1] << 8));
}

int acpi_pm_load(struct acpi_pm *a, struct state_reader *r, struct err *e)
{
    struct state_fields f = state_find(r, "acpi_pm", 1, e);
    uint16_t enable = (uint16_t)state_get(&f, FIELD_ENABLE, UINT16_MAX);
    int ret = state_done(&f);

    if (ret)
        return ret;
    a->enable[0] = (uint8_t)enable;
    a->enable[1] = (uint8_t)(enable >> 8);
    return 0;
}
