/* The e820 map: the regions of memory, the first one split around the tables below 1 MiB. */
#include "core/x86/boot/e820.h"

#include <assert.h>

#include "core/x86/layout.h"

static void e820_add(struct e820 *map, gpa_t start, gpa_t end, enum e820_type type)
{
    if (start < end)
        map->entries[map->count++] = (struct e820_entry){ start, end - start, type };
}

void e820_build(struct e820 *map, const struct mem *m)
{
    assert(m->count > 0 && m->regions[0].gpa == 0 && m->regions[0].size >= LAYOUT_HIGH_RAM);
    *map = (struct e820){ 0 };
    e820_add(map, 0, LAYOUT_LOW_RAM_END, E820_RAM);
    e820_add(map, LAYOUT_LOW_RAM_END, LAYOUT_HIGH_RAM, E820_RESERVED);
    e820_add(map, LAYOUT_HIGH_RAM, m->regions[0].size, E820_RAM);
    for (unsigned i = 1; i < m->count; i++)
        e820_add(map, m->regions[i].gpa, m->regions[i].gpa + m->regions[i].size, E820_RAM);
}
