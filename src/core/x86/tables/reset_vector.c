/*
 * The reset vector.
 *
 * A guest that has found no other way to restart jumps to it in real mode. Without code there, it
 * would execute zeros for ever. On a hardware-reduced machine (acpi.c) Linux jumps before it tries
 * the reset register, unless "reboot=" names a method: it expects such a machine to have EFI and
 * tries EFI's reset service first, and without EFI the jump comes next.
 */
#include "core/x86/tables/reset_vector.h"

#include <assert.h>
#include <errno.h>

#include "core/base/err.h"
#include "core/dev/acpi_pm.h"
#include "core/x86/layout.h"

#define RESET_PORT (LAYOUT_ACPI_PM + ACPI_PM_RESET)

static const uint8_t code[] = {
    /* mov dx, RESET_PORT */
    0xba,
    RESET_PORT & 0xff,
    RESET_PORT >> 8,
    /* mov al, ACPI_PM_RESET_VALUE */
    0xb0,
    ACPI_PM_RESET_VALUE,
    /* out dx, al */
    0xee,
    /* hlt, until that has worked */
    0xf4,
    /* jmp to the hlt */
    0xeb,
    0xfd,
};

static_assert(LAYOUT_RESET_VECTOR + sizeof(code) <= LAYOUT_HIGH_RAM, "16 bytes below 1 MiB");

int reset_vector_write(const struct mem *m, struct err *e)
{
    if (!mem_write(m, LAYOUT_RESET_VECTOR, code, sizeof(code)))
        return err_set(e, ENOSPC, "guest memory ends below the reset vector, %#llx",
                       LAYOUT_RESET_VECTOR);
    return 0;
}
