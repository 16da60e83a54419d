/*
 * What a boot is sure to touch. Found by looking at which pages a stock Linux had touched when its
 * init started: 80 MiB of a guest's 256. From low addresses to high, they were these, with next to
 * nothing between them:
 *
 *   kernel with its bss      expected
 *   16 MiB right behind it   expected   the page allocator's first pages, handed out upwards
 *   6 MiB further up                    more of those, with gaps between them
 *   4 MiB of tables                     this and the rest: from the top of memory downwards
 *   page map                 expected
 *   initrd                   expected
 */
#include "core/x86/image/expect.h"

#include "core/base/units.h"
#include "core/x86/image/elf.h"

#define BEHIND_KERNEL  (16ull << 20)
#define PAGE_MAP_SHARE 64 /* the page map is this part of memory: 64 bytes a page of 4 KiB */

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
