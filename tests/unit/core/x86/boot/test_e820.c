/* The memory map, for sizes on both sides of every boundary. */
#include "core/x86/boot/e820.h"

#include <criterion/criterion.h>

#include "core/base/units.h"
#include "core/x86/layout.h"

/* The regions of a machine's memory of this size; nothing is mapped. */
static struct mem mem_of(uint64_t size)
{
    uint64_t low = size < LAYOUT_GAP_START ? size : LAYOUT_GAP_START;
    struct mem m = { .count = 1, .size = size, .regions = { { .gpa = 0, .size = low } } };

    if (size > low)
        m.regions[m.count++] = (struct mem_region){ .gpa = LAYOUT_GAP_END, .size = size - low };
    return m;
}

static const struct {
    uint64_t size;
    uint64_t high; /* RAM from 1 MiB */
    uint64_t above_4g;
} sizes[] = {
    { MIB, 0, 0 },
    { MIB + 4096, 4096, 0 },
    { 32 * MIB, 31 * MIB, 0 },
    { 128 * MIB, 127 * MIB, 0 },
    { 3 * GIB - 4096, 3 * GIB - MIB - 4096, 0 },
    { 3 * GIB, 3 * GIB - MIB, 0 },
    { 3 * GIB + 4096, 3 * GIB - MIB, 4096 },
    { 4 * GIB, 3 * GIB - MIB, GIB },
    { 64 * GIB, 3 * GIB - MIB, 61 * GIB },
};

static void expect_entry(const struct e820_entry *entry, gpa_t addr, uint64_t size,
                         enum e820_type type)
{
    cr_expect_eq(entry->addr, addr);
    cr_expect_eq(entry->size, size);
    cr_expect_eq(entry->type, type);
}

Test(e820, covers_every_size_exactly)
{
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct mem m = mem_of(sizes[i].size);
        struct e820 map;
        unsigned n = 2;

        e820_build(&map, &m);
        expect_entry(&map.entries[0], 0, 0x9fc00, E820_RAM);
        expect_entry(&map.entries[1], 0x9fc00, MIB - 0x9fc00, E820_RESERVED);
        if (sizes[i].high)
            expect_entry(&map.entries[n++], MIB, sizes[i].high, E820_RAM);
        if (sizes[i].above_4g)
            expect_entry(&map.entries[n++], 4 * GIB, sizes[i].above_4g, E820_RAM);
        cr_expect_eq(map.count, n);
    }
}

Test(e820, the_tables_are_reserved)
{
    struct mem m = mem_of(64 * MIB);
    struct e820 map;

    e820_build(&map, &m);
    const struct e820_entry *r = &map.entries[1];
    const gpa_t tables[] = { LAYOUT_MPTABLE, LAYOUT_ACPI, LAYOUT_RSDP };
    for (unsigned i = 0; i < 3; i++)
        cr_expect(tables[i] >= r->addr && tables[i] < r->addr + r->size);
}
