/* From page numbers as a guest sends them to ranges of RAM. */
#include "virtio-mmio/balloon/balloon_pages.h"

#include <criterion/criterion.h>
#include <string.h>

#include "virtio-mmio/queue/queue.h"

/* RAM of page numbers 0 to 99 and 200 to 299. Nobody looks at what is in it. */
static uint8_t host;
static const struct mem mem = {
    .regions = { { .gpa = 0, .size = 100 * 4096, .host = &host },
                 { .gpa = 200 * 4096, .size = 100 * 4096, .host = &host } },
    .count = 2,
    .fd = -1,
};

static struct balloon_pages pages;

static void read_numbers(const struct mem *m, uint32_t *numbers, unsigned count)
{
    struct iovec iov[2] = { { numbers, 3 }, { (uint8_t *)numbers + 3, count * 4 - 3 } };
    struct virtq_chain c = { .iov = iov, .readable = 2, .readable_len = count * 4 };

    memset(&pages, 0xa5, sizeof(pages));
    cr_assert(balloon_pages_sound(&c));
    balloon_pages_read(&pages, m, &c);
}

static void expect_range(const struct mem *m, unsigned *next, uint32_t number, unsigned count)
{
    struct balloon_range r;

    cr_assert(balloon_pages_next(&pages, m, next, &r));
    cr_assert_eq(r.gpa, (gpa_t)number * 4096);
    cr_assert_eq(r.len, count * 4096u);
}

static void expect_end(const struct mem *m, unsigned next)
{
    struct balloon_range r;

    cr_assert_not(balloon_pages_next(&pages, m, &next, &r));
}

Test(balloon_pages, neighbours_are_one_range_in_any_order)
{
    uint32_t numbers[] = { 7, 9, 8, 50, 6, 10, 52, 51, 99 };
    unsigned next = 0;

    read_numbers(&mem, numbers, 9);
    expect_range(&mem, &next, 6, 5);
    expect_range(&mem, &next, 50, 3);
    expect_range(&mem, &next, 99, 1);
    expect_end(&mem, next);
    cr_assert_eq(pages.bad, 0);
}

Test(balloon_pages, twice_is_once)
{
    uint32_t numbers[] = { 5, 5, 6, 5, 6, 6 };
    unsigned next = 0;

    read_numbers(&mem, numbers, 6);
    cr_assert_eq(pages.count, 2);
    expect_range(&mem, &next, 5, 2);
    expect_end(&mem, next);
}

Test(balloon_pages, what_is_not_ram_is_left_out)
{
    uint32_t numbers[] = { 98, 99, 100, 101, 199, 200, 299, 300, UINT32_MAX, 1u << 20 };
    unsigned next = 0;

    read_numbers(&mem, numbers, 10);
    cr_assert_eq(pages.bad, 6);
    expect_range(&mem, &next, 98, 2);
    expect_range(&mem, &next, 200, 1);
    expect_range(&mem, &next, 299, 1);
    expect_end(&mem, next);
}

Test(balloon_pages, a_range_stays_in_its_region)
{
    struct mem touching = mem;
    uint32_t numbers[] = { 98, 101, 100, 99 };
    unsigned next = 0;

    touching.regions[1].gpa = 100 * 4096;
    read_numbers(&touching, numbers, 4);
    expect_range(&touching, &next, 98, 2);
    expect_range(&touching, &next, 100, 2);
    expect_end(&touching, next);
}

/* As Linux inflates: adjacent pages, the last first. Here as many as a buffer may name. */
Test(balloon_pages, a_whole_buffer_is_one_range)
{
    static uint32_t numbers[BALLOON_PAGES_MAX];
    static const struct mem large = { .regions = { { .size = 1u << 30, .host = &host } },
                                      .count = 1 };
    unsigned next = 0;

    for (unsigned i = 0; i < BALLOON_PAGES_MAX; i++)
        numbers[i] = 70000 - i;
    read_numbers(&large, numbers, BALLOON_PAGES_MAX);
    expect_range(&large, &next, 70001 - BALLOON_PAGES_MAX, BALLOON_PAGES_MAX);
    expect_end(&large, next);
}

Test(balloon_pages, only_whole_numbers_to_read_and_not_too_many)
{
    static const struct {
        uint64_t readable_len, writable_len;
        bool sound;
    } shapes[] = {
        { 0, 0, false },
        { 3, 0, false },
        { 4, 0, true },
        { 5, 0, false },
        { 4, 4, false },
        { 0, 4, false },
        { 4 * BALLOON_PAGES_MAX, 0, true },
        { 4 * BALLOON_PAGES_MAX + 4, 0, false },
        { UINT64_C(1) << 32, 0, false },
    };

    for (unsigned i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        const struct virtq_chain c = { .readable_len = shapes[i].readable_len,
                                       .writable = shapes[i].writable_len > 0,
                                       .writable_len = shapes[i].writable_len };
        cr_assert_eq(balloon_pages_sound(&c), shapes[i].sound, "%u", i);
    }
}
