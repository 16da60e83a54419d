/* Statistics buffers, well-formed and malformed. */
#include "virtio-mmio/balloon/balloon_stats.h"

#include <criterion/criterion.h>
#include <string.h>

#include "virtio-mmio/queue/queue.h"

static uint8_t bytes[1000];

static void put(unsigned index, uint16_t tag, uint64_t value)
{
    memcpy(bytes + 10 * index, &tag, 2);
    memcpy(bytes + 10 * index + 2, &value, 8);
}

/* The first len bytes in two pieces. */
static bool read_cut(struct balloon_stats *s, size_t len, size_t cut)
{
    struct iovec iov[2] = { { bytes, cut }, { bytes + cut, len - cut } };
    struct virtq_chain c = { .iov = iov, .readable = 2, .readable_len = len };

    return balloon_stats_read(s, &c);
}

Test(balloon_stats, each_tag_has_its_place)
{
    struct balloon_stats s;

    for (unsigned i = 0; i < BALLOON_STATS; i++)
        put(i, (uint16_t)(BALLOON_STATS - 1 - i), UINT64_C(0x1122334455667700) + i);
    for (size_t cut = 0; cut <= 10 * BALLOON_STATS; cut++) {
        memset(&s, 0xff, sizeof(s));
        cr_assert(read_cut(&s, 10 * BALLOON_STATS, cut));
        cr_assert_eq(s.known, (1u << BALLOON_STATS) - 1);
        for (unsigned i = 0; i < BALLOON_STATS; i++)
            cr_assert_eq(s.value[BALLOON_STATS - 1 - i], UINT64_C(0x1122334455667700) + i);
    }
}

Test(balloon_stats, what_was_not_told_is_not_known)
{
    struct balloon_stats s = { .known = ~0u, .value = { 1, 2, 3 } };

    put(0, BALLOON_FREE_MEMORY, 5);
    put(1, BALLOON_STATS, 6);
    put(2, 0xffff, 7);
    put(3, BALLOON_FREE_MEMORY, 8);
    cr_assert(read_cut(&s, 40, 10));
    cr_assert_eq(s.known, 1u << BALLOON_FREE_MEMORY);
    for (unsigned i = 0; i < BALLOON_STATS; i++)
        cr_assert_eq(s.value[i], i == BALLOON_FREE_MEMORY ? 8 : 0);
    cr_assert(read_cut(&s, 0, 0));
    cr_assert_eq(s.known, 0);
}

Test(balloon_stats, half_ones_and_too_many_are_refused)
{
    const size_t bad[] = { 1, 9, 11, 19, 641, 650, 1000 };
    struct balloon_stats s = { .known = 3, .value = { 1, 2 } };

    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_assert_not(read_cut(&s, bad[i], 0), "%zu", bad[i]);
        cr_assert_eq(s.known, 3);
        cr_assert_eq(s.value[1], 2);
    }
    cr_assert(read_cut(&s, 640, 333));
}

Test(balloon_stats, a_buffer_to_write_to_is_refused)
{
    struct iovec iov[2] = { { bytes, 10 }, { bytes, 10 } };
    struct virtq_chain c = {
        .iov = iov, .readable = 1, .readable_len = 10, .writable = 1, .writable_len = 10
    };
    struct balloon_stats s;

    cr_assert_not(balloon_stats_read(&s, &c));
}

Test(balloon_stats, names_are_those_of_the_api)
{
    cr_assert_str_eq(balloon_stat_name(BALLOON_SWAP_IN), "swap_in");
    cr_assert_str_eq(balloon_stat_name(BALLOON_HUGETLB_FAILURES), "hugetlb_failures");
    cr_assert_str_eq(balloon_stat_name(BALLOON_DIRECT_RECLAIM), "direct_reclaim");
}
