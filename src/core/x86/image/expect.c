/*
 * What a boot surely touches. Found by looking at which pages a stock Linux had when its init ran:
 * of 80 MiB in a guest of 256, four stretches, and next to nothing between them.
 *
 *   [kernel, its bss included][16 MiB]..[6 MiB]...........[4 MiB of tables][page map][initrd]
 *                              \_______________/           top of memory, handed out downwards
 *                    the page allocator's first, upwards; with gaps in its latter part
 */
#include "core/x86/image/expect.h"

#include "core/base/units.h"
#include "core/x86/image/elf.h"

#define BEHIND_KERNEL  (16ull << 20)
#define PAGE_MAP_SHARE 64 /* of memory: 64 bytes a page */

void expect_kernel(const struct mem *m, const struct elf_image *image)
{
    gpa_t start = image->segments[0].paddr;

    mem_expect(m, start, elf_end(image) - start + BEHIND_KERNEL);
}

void expect_top(const struct mem *m, gpa_t gpa, uint64_t size)
{
    const struct mem_region *top = &m->regions[m->count - 1];
    gpa_t end = top->gpa + top->size;
    uint64_t map = m->size / PAGE_MAP_SHARE;

    mem_expect(m, gpa, size);
    if (size > 0 && end - (gpa + size) < PAGE_4K)
        end = gpa;
    if (map > end - top->gpa)
        map = end - top->gpa;
    mem_expect(m, end - map, map);
}
