/* Huge pages are asked for what a boot is sure to touch, and for nothing else. */
#include "core/x86/image/expect.h"

#include <criterion/criterion.h>
#include <unistd.h>

#include "core/base/units.h"
#include "core/x86/image/elf.h"
#include "lib/host_memory.h"

static struct mem mem_of(uint64_t size, enum mem_huge huge)
{
    struct mem_config c = { .size = size, .gap_start = 3 * GIB, .gap_end = 4 * GIB, .huge = huge };
    struct mem m;

    cr_assert_eq(mem_init(&m, &c, NULL), 0);
    return m;
}

static void expect_advised(const struct mem *m, gpa_t from, gpa_t to)
{
    bool can = access("/sys/kernel/mm/transparent_hugepage", F_OK) == 0;

    for (gpa_t at = from; at < to; at += 2 * MIB)
        cr_expect_eq(host_mapping_has(mem_at(m, at, 1), " hg"), can, "at %llu MiB",
                     (unsigned long long)(at / MIB));
}

static void expect_not_advised(const struct mem *m, gpa_t from, gpa_t to)
{
    for (gpa_t at = from; at < to; at += 2 * MIB)
        cr_expect_not(host_mapping_has(mem_at(m, at, 1), " hg"), "at %llu MiB",
                      (unsigned long long)(at / MIB));
}

static const struct elf_image kernel = {
    .segment_count = 2,
    .segments = { { .paddr = 16 * MIB, .filesz = 5 * MIB, .memsz = 5 * MIB },
                  { .paddr = 22 * MIB, .filesz = MIB, .memsz = 3 * MIB } },
};

Test(expect, a_kernel_is_touched_and_what_is_behind_it)
{
    struct mem m = mem_of(128 * MIB, MEM_HUGE_BOOT);

    expect_kernel(&m, &kernel);
    expect_not_advised(&m, 0, 16 * MIB);
    expect_advised(&m, 16 * MIB, (25 + 16) * MIB);
    expect_not_advised(&m, 42 * MIB, 128 * MIB);
    mem_finish(&m);
}

Test(expect, nothing_is_behind_one_that_fills_memory)
{
    struct mem m = mem_of(25 * MIB, MEM_HUGE_BOOT);

    expect_kernel(&m, &kernel);
    expect_advised(&m, 16 * MIB, 25 * MIB);
    mem_finish(&m);
}

/* 256 MiB of memory have a page map of 4 MiB. */
Test(expect, the_page_map_is_at_the_top_or_below_the_initrd)
{
    struct mem m = mem_of(256 * MIB, MEM_HUGE_BOOT);

    expect_top(&m, 0, 0);
    expect_not_advised(&m, 0, 252 * MIB);
    expect_advised(&m, 252 * MIB, 256 * MIB);
    expect_top(&m, 249 * MIB, 7 * MIB - 1);
    expect_not_advised(&m, 0, 244 * MIB);
    expect_advised(&m, 244 * MIB, 256 * MIB);
    mem_finish(&m);

    m = mem_of(256 * MIB, MEM_HUGE_BOOT);
    expect_top(&m, 100 * MIB, MIB); /* where a kernel wants its initrd low */
    expect_not_advised(&m, 0, 100 * MIB);
    expect_advised(&m, 100 * MIB, 102 * MIB);
    expect_not_advised(&m, 102 * MIB, 252 * MIB);
    expect_advised(&m, 252 * MIB, 256 * MIB);
    mem_finish(&m);
}

Test(expect, the_top_of_memory_may_be_above_the_gap)
{
    struct mem m = mem_of(4 * GIB, MEM_HUGE_BOOT); /* a page map of 64 MiB */

    expect_top(&m, 3 * GIB - 4 * MIB, 4 * MIB);
    expect_not_advised(&m, 3 * GIB - 16 * MIB, 3 * GIB - 4 * MIB);
    expect_advised(&m, 3 * GIB - 4 * MIB, 3 * GIB);
    expect_not_advised(&m, 5 * GIB - 96 * MIB, 5 * GIB - 64 * MIB);
    expect_advised(&m, 5 * GIB - 64 * MIB, 5 * GIB);
    mem_finish(&m);

    m = mem_of(3 * GIB + 4096, MEM_HUGE_BOOT); /* one page above the gap */
    expect_top(&m, 3 * GIB - 4 * MIB, 4 * MIB);
    expect_advised(&m, 4 * GIB, 4 * GIB + 4096);
    mem_finish(&m);
}

Test(expect, nothing_is_asked_for_where_that_is_not_wanted)
{
    struct mem m = mem_of(64 * MIB, MEM_HUGE_NONE);

    expect_kernel(&m, &kernel);
    expect_top(&m, 60 * MIB, 4 * MIB);
    expect_not_advised(&m, 0, 64 * MIB);
    mem_finish(&m);
}
