#ifndef CORE_X86_BOOT_E820_H
#define CORE_X86_BOOT_E820_H
/*
 * The map of guest memory that both boot protocols hand to the kernel (ACPI 6.5, 15). Pure.
 */
#include <stdint.h>

#include "core/vm/mem.h"

enum e820_type {
    E820_RAM = 1,
    E820_RESERVED = 2,
};

struct e820_entry {
    gpa_t addr;
    uint64_t size; /* never 0 */
    enum e820_type type;
};

#define E820_ENTRIES_MAX (2 + MEM_REGIONS_MAX) /* the reserved range splits the first region */

struct e820 {
    unsigned count;
    struct e820_entry entries[E820_ENTRIES_MAX]; /* ascending, disjoint */
};

/* `m` has at least 1 MiB of memory from address 0. All of it is RAM but the range from
 * LAYOUT_LOW_RAM_END to 1 MiB: that is reserved, so that the kernel does not overwrite the ACPI and
 * MultiProcessor tables in it. */
void e820_build(struct e820 *map, const struct mem *m);

#endif
