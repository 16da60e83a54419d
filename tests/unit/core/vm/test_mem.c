/* Guest memory: layout, the checked door, what is refused, file pages. */
#include "core/vm/mem.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/units.h"
#include "lib/host_memory.h"

#define GAP_START (3 * GIB)
#define GAP_END   (4 * GIB)

static struct mem_config config_of(uint64_t size)
{
    return (struct mem_config){ .size = size, .gap_start = GAP_START, .gap_end = GAP_END };
}

static struct mem mem_of(uint64_t size)
{
    struct mem_config c = config_of(size);
    struct mem m;
    struct err e = { 0 };

    cr_assert_eq(mem_init(&m, &c, &e), 0, "%s", e.text);
    return m;
}

/* Expects a failure with this code and a sentence with this in it, and nothing left behind. */
static void expect_refused(const struct mem_config *c, int code, const char *say)
{
    struct mem m;
    struct err e = { 0 };

    cr_assert_eq(mem_init(&m, c, &e), -code, "%s", e.text);
    cr_assert(strstr(e.text, say), "\"%s\" in \"%s\"", say, e.text);
    cr_assert_eq(m.count, 0);
    cr_assert_eq(m.fd, -1);
    mem_finish(&m);
}

Test(mem, small_memory_is_one_region_from_zero)
{
    struct mem m = mem_of(32 * MIB);

    cr_assert_eq(m.count, 1);
    cr_assert_eq(m.size, 32 * MIB);
    cr_assert_eq(m.fd, -1);
    cr_assert_eq(m.regions[0].gpa, 0);
    cr_assert_eq(m.regions[0].size, 32 * MIB);
    mem_finish(&m);
}

Test(mem, what_does_not_fit_below_the_gap_goes_above)
{
    struct mem m = mem_of(GAP_START);

    cr_assert_eq(m.count, 1, "exactly up to the gap");
    mem_finish(&m);

    m = mem_of(GAP_START + 4096);
    cr_assert_eq(m.count, 2);
    cr_assert_eq(m.regions[0].size, GAP_START);
    cr_assert_eq(m.regions[1].gpa, GAP_END);
    cr_assert_eq(m.regions[1].size, 4096);
    cr_assert_eq(m.regions[1].fd_offset, GAP_START);
    mem_finish(&m);
}

Test(mem, all_memory_is_above_a_gap_that_starts_at_zero)
{
    struct mem_config c = { .size = MIB, .gap_start = 0, .gap_end = 2 * MIB };
    struct mem m;

    cr_assert_eq(mem_init(&m, &c, NULL), 0);
    cr_assert_eq(m.count, 1);
    cr_assert_eq(m.regions[0].gpa, 2 * MIB);
    cr_assert_null(mem_at(&m, 0, 1));
    mem_finish(&m);
}

Test(mem, refuses_impossible_sizes)
{
    struct mem_config c = config_of(0);

    expect_refused(&c, EINVAL, "empty");
    c.size = MIB + 512;
    expect_refused(&c, EINVAL, "not a multiple of 4 KiB");
    c.size = 3 * MIB;
    c.huge = MEM_HUGE_2M;
    expect_refused(&c, EINVAL, "not a multiple of 2 MiB");
}

Test(mem, refuses_more_than_the_host_can_map)
{
    struct mem_config c = config_of(1ull << 50);

    expect_refused(&c, ENOMEM, "1073741824 MiB");
    c.size = -4096ull;
    expect_refused(&c, ENOMEM, "more than the host can map");
    c.shared = true;
    c.size = 1ull << 50;
    expect_refused(&c, ENOMEM, "1073741824 MiB");
}

Test(mem, refusals_leave_no_mapping_and_no_descriptor)
{
    struct mem_config c = config_of(GAP_START + (1ull << 50)); /* the second region fails */
    struct mem m;
    int before = dup(0);
    int after;

    (void)close(before);
    c.shared = true;
    cr_assert_eq(mem_init(&m, &c, NULL), -ENOMEM);
    cr_assert_null(m.regions[0].host);
    after = dup(0);
    cr_assert_eq(after, before, "a descriptor leaked");
    (void)close(after);
}

/* As expect_refused, under a soft limit that is lifted before anything else runs. */
static void expect_refused_under(int limit, rlim_t most, const struct mem_config *c, int code,
                                 const char *say)
{
    struct rlimit before;
    struct rlimit low;
    struct mem m;
    struct err e = { 0 };
    int ret;

    cr_assert_eq(getrlimit(limit, &before), 0);
    low = before;
    low.rlim_cur = most;
    (void)setrlimit(limit, &low);
    ret = mem_init(&m, c, &e);
    (void)setrlimit(limit, &before);

    cr_assert_eq(ret, -code, "%s", e.text);
    cr_assert(strstr(e.text, say), "\"%s\" in \"%s\"", say, e.text);
    cr_assert_eq(m.count, 0);
    cr_assert_eq(m.fd, -1);
}

Test(mem, says_what_a_limit_of_the_host_prevents)
{
    struct mem_config c = config_of(64 * MIB);

    expect_refused_under(RLIMIT_DATA, MIB, &c, ENOMEM, "cannot map 64 MiB of guest memory");
    c.shared = true;
    expect_refused_under(RLIMIT_NOFILE, 0, &c, EMFILE, "cannot create shared guest memory");
    (void)signal(SIGXFSZ, SIG_IGN);
    expect_refused_under(RLIMIT_FSIZE, MIB, &c, EFBIG,
                         "cannot size and seal shared guest memory of 64");
}

/* No host has a TiB of huge pages free, but every host has the address space. */
Test(mem, says_how_to_reserve_huge_pages)
{
    struct mem_config c = config_of(1ull << 40);

    c.huge = MEM_HUGE_2M;
    expect_refused(&c, ENOMEM, "at least 524288 to /proc/sys/vm/nr_hugepages");
    c.shared = true;
    expect_refused(&c, ENOMEM, "at least 524288 to /proc/sys/vm/nr_hugepages");
}

/* Which of the two depends on the host's pool. */
Test(mem, huge_pages_are_taken_at_once_or_refused_at_once)
{
    for (int shared = 0; shared <= 1; shared++) {
        struct mem_config c = config_of(4 * MIB);
        struct mem m;

        c.huge = MEM_HUGE_2M;
        c.shared = shared;
        if (host_huge_pages_free() < 2) {
            expect_refused(&c, ENOMEM, "at least 2 to /proc/sys/vm/nr_hugepages");
            continue;
        }
        cr_assert_eq(mem_init(&m, &c, NULL), 0);
        cr_assert(host_mapping_has(m.regions[0].host, " ht"));
        cr_assert(mem_write(&m, 4 * MIB - 5, "huge", 5));
        cr_assert_eq(host_store_signal(m.regions[0].host + 4 * MIB), SIGSEGV);
        cr_assert_eq(mem_map_file(&m, 0, 0, 0, 4096, NULL), -EOPNOTSUPP);
        cr_assert_eq(mem_give_back(&m, 2 * MIB, 2 * MIB), 0);
        cr_assert_eq(memcmp(m.regions[0].host + 4 * MIB - 5, "huge", 5), 0);
        mem_finish(&m);
    }
}

Test(mem, finish_accepts_zeroed_and_finished)
{
    struct mem zeroed = { 0 };
    struct mem m = mem_of(MIB);

    mem_finish(&zeroed);
    cr_assert_eq(fcntl(0, F_GETFD), 0, "descriptor 0 must stay open");
    mem_finish(&m);
    mem_finish(&m);
    cr_assert_null(mem_at(&m, 0, 1));
}

Test(mem, door_opens_for_ram_only)
{
    struct mem m = mem_of(GAP_START + 8192);
    uint8_t *low = m.regions[0].host;
    uint8_t *high = m.regions[1].host;

    cr_assert_eq(mem_at(&m, 0, 1), low);
    cr_assert_eq(mem_at(&m, 0, GAP_START), low);
    cr_assert_eq(mem_at(&m, GAP_START - 1, 1), low + GAP_START - 1);
    cr_assert_eq(mem_at(&m, GAP_END + 8191, 1), high + 8191);
    cr_assert_eq(mem_at(&m, 4096, 0), low + 4096, "0 bytes at a RAM address");

    cr_assert_null(mem_at(&m, GAP_START, 0), "0 bytes at an address that is not RAM");
    cr_assert_null(mem_at(&m, GAP_START, 1));
    cr_assert_null(mem_at(&m, GAP_START - 1, 2));
    cr_assert_null(mem_at(&m, GAP_END - 1, 1));
    cr_assert_null(mem_at(&m, GAP_END - 1, 2));
    cr_assert_null(mem_at(&m, GAP_END + 8191, 2));
    cr_assert_null(mem_at(&m, GAP_END + 8192, 1));
    mem_finish(&m);
}

Test(mem, door_does_not_overflow)
{
    struct mem m = mem_of(GAP_START + 8192);

    cr_assert_null(mem_at(&m, UINT64_MAX, 1));
    cr_assert_null(mem_at(&m, UINT64_MAX, UINT64_MAX));
    cr_assert_null(mem_at(&m, 4096, UINT64_MAX));
    cr_assert_null(mem_at(&m, 4096, UINT64_MAX - 4095), "end wraps to 0");
    cr_assert_null(mem_at(&m, GAP_END + 4096, UINT64_MAX - GAP_END));
    mem_finish(&m);
}

/* Not even where the gap is empty and the host has put the regions side by side. */
Test(mem, no_access_spans_two_regions)
{
    uint8_t host[8192] = { 0 };
    uint8_t two[2];
    struct mem m = {
        .regions = { { .gpa = 0, .size = 4096, .host = host },
                     { .gpa = 4096, .size = 4096, .host = host + 4096 } },
        .count = 2,
        .fd = -1,
    };

    cr_assert_not_null(mem_at(&m, 4095, 1));
    cr_assert_not_null(mem_at(&m, 4096, 1));
    cr_assert_null(mem_at(&m, 4095, 2));
    cr_assert_not(mem_read(&m, 4095, two, 2));
    cr_assert_not(mem_write(&m, 4095, two, 2));
}

Test(mem, copies_go_in_and_out_or_not_at_all)
{
    struct mem m = mem_of(MIB);
    char out[8] = "before";

    cr_assert(mem_write(&m, 0x1234, "hello", 6));
    cr_assert(mem_read(&m, 0x1234, out, 6));
    cr_assert_str_eq(out, "hello");
    cr_assert_eq(memcmp(m.regions[0].host + 0x1234, "hello", 6), 0);

    cr_assert_not(mem_write(&m, MIB - 3, "hello", 6));
    cr_assert_eq(m.regions[0].host[MIB - 3], 0, "no part of it was written");
    cr_assert_not(mem_read(&m, MIB - 3, out, 6));
    cr_assert_str_eq(out, "hello");
    mem_finish(&m);
}

/* A file of two pages and a half: 'a', 'b' and half a page of 'c'. */
static int file_make(void)
{
    char page[4096];
    int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);

    cr_assert_geq(fd, 0);
    for (int i = 0; i < 3; i++) {
        size_t len = i == 2 ? sizeof(page) / 2 : sizeof(page);

        memset(page, 'a' + i, sizeof(page));
        cr_assert_eq(write(fd, page, len), (ssize_t)len);
    }
    return fd;
}

Test(mem, file_pages_replace_ram_and_stay_private)
{
    struct mem m = mem_of(MIB);
    int fd = file_make();
    uint8_t *at = m.regions[0].host;
    char byte;

    memset(at, 'z', 6 * 4096);
    cr_assert_eq(mem_map_file(&m, 4096, fd, 4096, 8192, NULL), 0);
    cr_assert_eq(at[4095], 'z');
    cr_assert_eq(at[4096], 'b');
    cr_assert_eq(at[8192], 'c');
    cr_assert_eq(at[8192 + 2047], 'c');
    cr_assert_eq(at[8192 + 2048], 0, "zero past the file's end");
    cr_assert_eq(at[12288], 'z');
    cr_assert(host_mapping_has(at + 4096, " dd"));

    cr_assert(mem_write(&m, 4096, "X", 1));
    cr_assert_eq(pread(fd, &byte, 1, 4096), 1);
    cr_assert_eq(byte, 'b', "the guest's write stays its own");
    (void)close(fd);
    cr_assert_eq(at[8192], 'c', "the mapping outlives the descriptor");
    mem_finish(&m);
}

/* Host and guest address still agree after a file was mapped there, so huge pages of the file's
 * page cache can be mapped for the guest. */
Test(mem, file_pages_keep_the_addresses_congruent)
{
    struct mem_config c = config_of(GAP_START + 4 * MIB);
    struct mem m;
    int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);
    const gpa_t places[] = { 2 * MIB, GAP_START - 2 * MIB, GAP_END, GAP_END + 2 * MIB };

    cr_assert_geq(fd, 0);
    cr_assert_eq(ftruncate(fd, 4 * MIB), 0);
    cr_assert_eq(pwrite(fd, "file", 4, 2 * MIB), 4);
    cr_assert_eq(mem_init(&m, &c, NULL), 0);
    for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        uint8_t *at = mem_at(&m, places[i], 2 * MIB);

        cr_assert_eq(mem_map_file(&m, places[i], fd, 2 * MIB, 2 * MIB, NULL), 0);
        cr_expect_eq(mem_at(&m, places[i], 2 * MIB), at);
        cr_expect_eq((uintptr_t)at % (2 * MIB), 0);
        cr_expect_eq(memcmp(at, "file", 4), 0);
    }
    cr_expect_eq(host_store_signal(m.regions[0].host + m.regions[0].size), SIGSEGV);
    cr_expect_eq(host_store_signal(m.regions[1].host - 1), SIGSEGV);
    cr_expect_eq(host_store_signal(m.regions[1].host + m.regions[1].size), SIGSEGV);
    (void)close(fd);
    mem_finish(&m);
}

Test(mem, file_pages_go_to_the_very_end)
{
    struct mem m = mem_of(8192);
    int fd = file_make();

    cr_assert_eq(mem_map_file(&m, 0, fd, 0, 8192, NULL), 0);
    cr_assert_eq(m.regions[0].host[8191], 'b');
    cr_assert_eq(host_store_signal(m.regions[0].host + 8192), SIGSEGV);
    cr_assert_eq(host_store_signal(m.regions[0].host - 1), SIGSEGV);
    (void)close(fd);
    mem_finish(&m);
}

static void expect_unmapped(struct mem *m, gpa_t gpa, int fd, uint64_t offset, uint64_t len,
                            int code)
{
    struct err e = { 0 };

    memset(m->regions[0].host, 'z', 8192);
    cr_assert_eq(mem_map_file(m, gpa, fd, offset, len, &e), -code, "%s", e.text);
    cr_assert_neq(e.text[0], '\0');
    cr_assert_eq(m->regions[0].host[0], 'z');
    cr_assert_eq(m->regions[0].host[8191], 'z');
}

Test(mem, file_pages_are_refused_without_a_trace)
{
    struct mem m = mem_of(8192);
    int fd = file_make();
    int directory = open("/tmp", O_RDONLY);
    int write_only = open("/tmp", O_TMPFILE | O_WRONLY, 0600);

    expect_unmapped(&m, 1, fd, 0, 4096, EINVAL);
    expect_unmapped(&m, 0, fd, 1, 4096, EINVAL);
    expect_unmapped(&m, 0, fd, 0, 4095, EINVAL);
    expect_unmapped(&m, 0, fd, 0, 0, EINVAL);
    expect_unmapped(&m, 4096, fd, 0, 8192, EINVAL);
    expect_unmapped(&m, 0, fd, 3 * 4096, 4096, EINVAL);
    expect_unmapped(&m, 0, fd, 2 * 4096, 8192, EINVAL);
    expect_unmapped(&m, 0, fd, -4096ull, 8192, EINVAL);
    expect_unmapped(&m, 0, directory, 0, 4096, EOPNOTSUPP);
    expect_unmapped(&m, 0, -1, 0, 4096, EBADF);
    cr_assert_eq(ftruncate(write_only, 8192), 0);
    expect_unmapped(&m, 0, write_only, 0, 4096, EACCES);
    (void)close(write_only);
    (void)close(directory);
    (void)close(fd);
    mem_finish(&m);
}

/* A file's pages are small ones. */
Test(mem, memory_of_huge_pages_takes_no_file_pages)
{
    struct mem_config c = config_of(8192);
    int fd = file_make();

    for (c.huge = MEM_HUGE_BOOT; c.huge <= MEM_HUGE_TRANSPARENT; c.huge++) {
        struct mem m;

        cr_assert_eq(mem_init(&m, &c, NULL), 0);
        expect_unmapped(&m, 0, fd, 0, 4096, EOPNOTSUPP);
        mem_finish(&m);
    }
    (void)close(fd);
}

Test(mem, shared_memory_takes_no_file_pages)
{
    struct mem_config c = config_of(MIB);
    struct mem m;
    int fd = file_make();

    c.shared = true;
    cr_assert_eq(mem_init(&m, &c, NULL), 0);
    expect_unmapped(&m, 0, fd, 0, 4096, EOPNOTSUPP);
    (void)close(fd);
    mem_finish(&m);
}
