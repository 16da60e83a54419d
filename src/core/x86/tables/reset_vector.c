/*
 * The reset vector.
 *
 * Guests restart by jumping to it in real mode when nothing else did, and Linux on a hardware-
 * reduced machine does so first: it takes such a machine for one with EFI, whose reset service it
 * prefers to the reset register, and without EFI the next way is this one. Zeroes there would run
 * for ever.
 */
#include "core/x86/tables/reset_vector.h"

#include <assert.h>
#include <errno.h>

#include "core/base/err.h"
#include "core/dev/acpi_pm.h"
#include "core/x86/layout.h"

#define RESET_PORT (LAYOUT_ACPI_PM + ACPI_PM_RESET)

static const uint8_t code[] = {
    0xba,
    RESET_PORT & 0xff,
    RESET_PORT >> 8, /* mov dx, RESET_PORT */
    0xb0,
    ACPI_PM_RESET_VALUE, /* mov al, ACPI_PM_RESET_VALUE */
    0xee,                /* out dx, al */
    0xf4,                /* hlt, until that has worked */
    0xeb,
    0xfd, /* jmp to the hlt */
};

static_assert(LAYOUT_RESET_VECTOR + sizeof(code) <= LAYOUT_HIGH_RAM, "16 bytes below 1 MiB");

int reset_vector_write(const struct mem *m, struct err *e)
{
    if (!mem_write(m, LAYOUT_RESET_VECTOR, code, sizeof(code)))
        return err_set(e, ENOSPC, "guest memory ends below the reset vector, %#llx",
                       LAYOUT_RESET_VECTOR);
    return 0;
}
