/*
 * What a boot is sure to touch, measured as the pages that a stock Linux with 256 MiB had touched
 * when its init started. They were 80 MiB, in this order from low addresses to high, with next to
 * nothing between them:
 *
 *   kernel with its bss      expected
 *   16 MiB right behind it   expected   the page allocator's first pages, handed out upwards
 *   6 MiB further up         -          more of those, with gaps between them
 *   4 MiB of tables          -          |
 *   page map                 expected   | from the top of memory downwards
 *   initrd                   expected   |
 */
#include "core/x86/image/expect.h"

#include "core/base/units.h"
#include "core/x86/image/elf.h"

#define BEHIND_KERNEL  (16ull << 20)
#define PAGE_MAP_SHARE 64 /* the page map takes 1/64 of memory: 64 bytes per 4 KiB */

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
