/* The DSDT's devices, as the descriptors that a guest looks for. */
#include "core/x86/tables/dsdt.h"

#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "core/x86/layout.h"

static uint8_t aml[8192];
static size_t len;
static struct acpi_virtio virtio[LAYOUT_VIRTIO_MAX];

static void declare(unsigned devices)
{
    for (unsigned n = 0; n < devices; n++) {
        virtio[n].gpa = LAYOUT_VIRTIO + n * LAYOUT_VIRTIO_SIZE;
        virtio[n].size = LAYOUT_VIRTIO_SIZE;
        virtio[n].gsi = LAYOUT_GSI_VIRTIO + n;
    }
    len = dsdt_aml(virtio, devices, aml, sizeof(aml));
    cr_assert_gt(len, 0);
}

/* How often these bytes occur in the AML. */
static unsigned count(const void *bytes, size_t size)
{
    unsigned n = 0;

    for (size_t at = 0; at + size <= len; at++)
        n += memcmp(aml + at, bytes, size) == 0;
    return n;
}

Test(dsdt, names_the_sleep_type_that_powers_off)
{
    static const uint8_t s5[] = { 0x08, '_', 'S', '5', '_', 0x12, 0x07, 0x04, 0x0a, 5, 0, 0, 0 };

    declare(0);
    cr_assert_eq(count(s5, sizeof(s5)), 1);
}

Test(dsdt, names_the_serial_port_and_the_keyboard)
{
    static const uint8_t com1[] = { 0x47, 1, 0xf8, 3, 0xf8, 3, 1, 8, 0x22, 1 << 4, 0, 0x79 };
    static const uint8_t ps2k[] = { 0x47, 1, 0x60, 0, 0x60, 0, 1,    1,      0x47, 1,
                                    0x64, 0, 0x64, 0, 1,    1, 0x22, 1 << 1, 0,    0x79 };

    declare(0);
    cr_assert_eq(count("COM1", 4), 1);
    cr_assert_eq(count(com1, sizeof(com1)), 1);
    cr_assert_eq(count("PS2K", 4), 1);
    cr_assert_eq(count(ps2k, sizeof(ps2k)), 1);
    cr_assert_eq(count("LNRO0005", 9), 0);
}

Test(dsdt, names_the_port_for_panics)
{
    static const uint8_t hid[] = { 0x08, '_', 'H', 'I', 'D', 0x0d, 'Q', 'E',
                                   'M',  'U', '0', '0', '0', '1',  0 };
    static const uint8_t crs[] = { 0x47, 1, 0x05, 5, 0x05, 5, 1, 1, 0x79 };

    declare(0);
    cr_assert_eq(count(hid, sizeof(hid)), 1);
    cr_assert_eq(count(crs, sizeof(crs)), 1);
}

Test(dsdt, names_every_virtio_window)
{
    declare(LAYOUT_VIRTIO_MAX);
    cr_assert_eq(count("LNRO0005", 9), LAYOUT_VIRTIO_MAX);
    for (unsigned n = 0; n < LAYOUT_VIRTIO_MAX; n++) {
        uint8_t crs[] = { 0x86, 9,    0, 1, 0, 0, 0, 0, 0, 0x10, 0,
                          0,    0x89, 6, 0, 3, 1, 0, 0, 0, 0,    0x79 };
        char name[8];
        memcpy(crs + 4, &virtio[n].gpa, 4);
        crs[17] = (uint8_t)virtio[n].gsi;
        cr_assert_eq(count(crs, sizeof(crs)), 1, "device %u", n);
        snprintf(name, sizeof(name), "V%03X", n);
        cr_assert_eq(count(name, 4), 1);
    }
}

Test(dsdt, says_when_it_does_not_fit)
{
    declare(LAYOUT_VIRTIO_MAX);
    cr_assert_eq(dsdt_aml(virtio, LAYOUT_VIRTIO_MAX, aml, len), len);
    cr_assert_eq(dsdt_aml(virtio, LAYOUT_VIRTIO_MAX, aml, len - 1), 0);
    cr_assert_eq(dsdt_aml(virtio, LAYOUT_VIRTIO_MAX, aml, 0), 0);
}
