/* Power off and reset by ACPI registers, and everything that is neither. */
#include "core/dev/acpi_pm.h"

#include <stdbool.h>

#include <criterion/criterion.h>

#include "core/base/err.h"
#include "core/base/state.h"
#include "core/vm/power.h"

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
        out(ACPI_PM_CONTROL + 1, (uint8_t)value);
        cr_assert_eq(ended, s5 && value << 8 & ACPI_PM_SLP_EN ? POWER_OFF : POWER_NONE, "%#x",
                     value);
        ended = POWER_NONE;
        out(ACPI_PM_SLEEP_CONTROL, (uint8_t)value);
        cr_assert_eq(ended, s5 && value & ACPI_PM_SLEEP_EN ? POWER_OFF : POWER_NONE, "%#x", value);
        ended = POWER_NONE;
        out(ACPI_PM_CONTROL, (uint8_t)value);
        out(ACPI_PM_SLEEP_STATUS, (uint8_t)value);
        cr_assert_eq(ended, POWER_NONE, "%#x", value);
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

    out(ACPI_PM_STATUS, 0x80);
    out(ACPI_PM_STATUS + 1, 0x34);
    pm.device.ops->read(&pm.device, ACPI_PM_STATUS, four, 2);
    cr_assert_arr_eq(four, ((uint8_t[]){ 0, 0, 3, 4 }), 4);
    cr_assert_eq(ended, POWER_NONE);
}

/* A guest that enables an event wants to see that it is enabled. */
Test(acpi_pm, keeps_what_is_enabled_and_is_in_acpi_mode)
{
    uint8_t all[9];

    pm.device.ops->write(&pm.device, ACPI_PM_ENABLE, "\x20\x01", 2);
    pm.device.ops->read(&pm.device, 0, all, sizeof(all));
    cr_assert_arr_eq(all, ((uint8_t[]){ 0, 0, 0x20, 1, ACPI_PM_SCI_EN, 0, 0, 0, 0 }), 9);
    pm.device.ops->write(&pm.device, ACPI_PM_CONTROL, "\x00\x00", 2);
    pm.device.ops->read(&pm.device, ACPI_PM_CONTROL, all, 2);
    cr_assert_eq(all[0], ACPI_PM_SCI_EN);
}

Test(acpi_pm, splits_a_wide_access_into_its_ports)
{
    pm.device.ops->write(&pm.device, ACPI_PM_CONTROL + 1, "\x00\x01", 2);
    cr_assert_eq(ended, POWER_RESET);
    ended = POWER_NONE;
    pm.device.ops->write(&pm.device, ACPI_PM_CONTROL, "\x01\x34", 2);
    cr_assert_eq(ended, POWER_OFF);
}

Test(acpi_pm, goes_through_a_snapshot)
{
    struct state_writer w = { 0 };
    static struct state_reader r;
    struct acpi_pm other = { 0 };
    struct err e;

    out(ACPI_PM_ENABLE, 0x20);
    out(ACPI_PM_ENABLE + 1, 0x05);
    state_begin(&w);
    acpi_pm_save(&pm, &w);
    cr_assert_eq(state_end(&w, 0, &e), 0);
    cr_assert_eq(state_open(&r, w.data, w.len, &e), 0);
    cr_assert_eq(acpi_pm_load(&other, &r, &e), 0, "%s", e.text);
    cr_assert_eq(other.enable[0], 0x20);
    cr_assert_eq(other.enable[1], 0x05);
    state_free(&w);
}
