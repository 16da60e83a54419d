/* The code at the reset vector, byte for byte. */
#include "core/x86/tables/reset_vector.h"

#include <errno.h>
#include <string.h>

#include <criterion/criterion.h>

#include "core/base/err.h"
#include "core/x86/layout.h"

static struct err err;

static int write_in(struct mem *m, uint64_t size)
{
    struct mem_config c = { .size = size,
                            .gap_start = LAYOUT_GAP_START,
                            .gap_end = LAYOUT_GAP_END };

    cr_assert_eq(mem_init(m, &c, &err), 0, "%s", err.text);
    return reset_vector_write(m, &err);
}

Test(reset_vector, writes_the_reset_register_and_halts)
{
    static const uint8_t expected[] = { 0xba, 0x06, 0x06, 0xb0, 0x01, 0xee, 0xf4, 0xeb, 0xfd };
    struct mem m = { 0 };
    uint8_t code[16];

    cr_assert_eq(write_in(&m, 1 << 20), 0);
    cr_assert(mem_read(&m, 0xffff0, code, sizeof(code)));
    cr_assert_arr_eq(code, expected, sizeof(expected));
    mem_finish(&m);
}

Test(reset_vector, needs_memory_there)
{
    struct mem m = { 0 };

    cr_assert_eq(write_in(&m, (1 << 20) - 4096), -ENOSPC);
    cr_assert(strstr(err.text, "0xffff0"), "%s", err.text);
    mem_finish(&m);
}
