/*
 * The DSDT's AML:
 *
 *   \_S5       the sleep type that powers off
 *   \_SB.COM1  the serial port
 *   \_SB.PS2K  the keyboard behind the i8042
 *   \_SB.PEVT  the port by which the guest's kernel reports a panic (pvpanic)
 *   \_SB.V000  the first virtio-mmio window, and so on
 *
 * No device has methods: everything is known before the guest starts. Devices without _STA are
 * present, and on x86 those without _CCA are cache-coherent.
 */
#include "core/x86/tables/dsdt.h"

#include <assert.h>
#include <stdio.h>

#include "core/dev/acpi_pm.h"
#include "core/dev/pvpanic.h"
#include "core/x86/layout.h"
#include "core/x86/tables/aml.h"

#define VIRTIO_NAMES 0x1000u /* three hexadecimal digits */

static void dsdt_declare_s5(struct aml *a)
{
    size_t package;

    aml_name(a, "_S5");
    package = aml_package(a, 4); /* PM1a, PM1b, two reserved; the machine has only PM1a */
    aml_integer(a, ACPI_PM_SLP_TYP_S5);
    aml_integer(a, 0);
    aml_integer(a, 0);
    aml_integer(a, 0);
    aml_close(a, package);
}

static void dsdt_declare_serial(struct aml *a)
{
    size_t device = aml_device(a, "COM1");
    size_t crs;

    aml_name(a, "_HID");
    aml_eisaid(a, "PNP0501"); /* 16550A-compatible */
    aml_name(a, "_UID");
    aml_integer(a, 0);
    aml_name(a, "_CRS");
    crs = aml_resources(a);
    aml_io(a, LAYOUT_SERIAL, LAYOUT_SERIAL_LEN);
    aml_irq(a, LAYOUT_GSI_SERIAL);
    aml_resources_close(a, crs);
    aml_close(a, device);
}

static void dsdt_declare_keyboard(struct aml *a)
{
    size_t device = aml_device(a, "PS2K");
    size_t crs;

    aml_name(a, "_HID");
    aml_eisaid(a, "PNP0303"); /* IBM enhanced keyboard */
    aml_name(a, "_CRS");
    crs = aml_resources(a);
    aml_io(a, LAYOUT_I8042_DATA, 1);
    aml_io(a, LAYOUT_I8042_COMMAND, 1);
    aml_irq(a, LAYOUT_GSI_I8042);
    aml_resources_close(a, crs);
    aml_close(a, device);
}

static void dsdt_declare_pvpanic(struct aml *a)
{
    size_t device = aml_device(a, "PEVT");
    size_t crs;

    aml_name(a, "_HID");
    aml_string(a, "QEMU0001");
    aml_name(a, "_CRS");
    crs = aml_resources(a);
    aml_io(a, LAYOUT_PVPANIC, PVPANIC_LEN);
    aml_resources_close(a, crs);
    aml_close(a, device);
}

static void dsdt_declare_virtio(struct aml *a, unsigned n, const struct acpi_virtio *v)
{
    char name[sizeof("V000")];
    size_t device, crs;

    assert(n < VIRTIO_NAMES);
    (void)snprintf(name, sizeof(name), "V%03X", n & (VIRTIO_NAMES - 1));
    device = aml_device(a, name);
    aml_name(a, "_HID");
    aml_string(a, "LNRO0005"); /* virtio over MMIO */
    aml_name(a, "_UID");
    aml_integer(a, n);
    aml_name(a, "_CRS");
    crs = aml_resources(a);
    aml_memory(a, v->gpa, v->size);
    aml_interrupt(a, v->gsi);
    aml_resources_close(a, crs);
    aml_close(a, device);
}

size_t dsdt_aml(const struct acpi_virtio *virtio, unsigned count, uint8_t *to, size_t size)
{
    struct aml a;
    size_t scope;

    aml_init(&a, to, size);
    dsdt_declare_s5(&a);
    scope = aml_scope(&a, "_SB");
    dsdt_declare_serial(&a);
    dsdt_declare_keyboard(&a);
    dsdt_declare_pvpanic(&a);
    for (unsigned n = 0; n < count; n++)
        dsdt_declare_virtio(&a, n, &virtio[n]);
    aml_close(&a, scope);
    return a.overflow ? 0 : a.len;
}
