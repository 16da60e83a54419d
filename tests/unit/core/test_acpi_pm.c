/* Power off and reset by ACPI registers, and everything that is neither. */
#include "core/acpi_pm.h"

#include <stdbool.h>

#include <criterion/criterion.h>

#include "core/power.h"

static struct acpi_pm pm;
static struct power power;
static enum power_end ended;

static void note_end(struct power *p, enum power_end why)
{
    cr_assert_eq(p, &power);
    cr_assert_eq(ended, POWER_NONE);
    ended = why;
}

static void setup(void)
{
    ended = POWER_NONE;
    power.end = note_end;
    acpi_pm_init(&pm, &power);
}

static void teardown(void)
{
    acpi_pm_finish(&pm);
}

TestSuite(acpi_pm, .init = setup, .fini = teardown);

static void out(unsigned reg, uint8_t value)
{
    pm.device.ops->write(&pm.device, reg, &value, 1);
}

Test(acpi_pm, powers_off_for_s5_and_enable_only)
{
    for (unsigned value = 0; value < 0x100; value++) {
        bool s5 = (value >> 2 & 7) == ACPI_PM_SLP_TYP_S5;
        ended = POWER_NONE;
        out(ACPI_PM_SLEEP_CONTROL, (uint8_t)value);
        cr_assert_eq(ended, s5 && value & ACPI_PM_SLP_EN ? POWER_OFF : POWER_NONE, "%#x", value);
    }
}

Test(acpi_pm, resets_for_the_reset_value_only)
{
    for (unsigned value = 0; value < 0x100; value++) {
        ended = POWER_NONE;
        out(ACPI_PM_RESET, (uint8_t)value);
        cr_assert_eq(ended, value == ACPI_PM_RESET_VALUE ? POWER_RESET : POWER_NONE, "%#x", value);
    }
}

Test(acpi_pm, has_a_status_that_takes_writes_and_reads_as_zero)
{
    uint8_t four[4] = { 1, 2, 3, 4 };

    out(ACPI_PM_SLEEP_STATUS, 0x80);
    out(ACPI_PM_SLEEP_STATUS, 0x34);
    pm.device.ops->read(&pm.device, 0, four, 2);
    cr_assert_arr_eq(four, ((uint8_t[]){ 0, 0, 3, 4 }), 4);
    cr_assert_eq(ended, POWER_NONE);
}

Test(acpi_pm, splits_a_wide_access_into_its_ports)
{
    pm.device.ops->write(&pm.device, ACPI_PM_SLEEP_STATUS, "\x34\x01", 2);
    cr_assert_eq(ended, POWER_RESET);
    ended = POWER_NONE;
    pm.device.ops->write(&pm.device, ACPI_PM_SLEEP_CONTROL, "\x34\x34", 2);
    cr_assert_eq(ended, POWER_OFF);
}
