/* Guest memory as the host sees it: guards, addresses that agree, memory taken only on touch, huge
 * pages, sharing. */
#include "core/vm/mem.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
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

static long resident_pages(void)
{
    long total = 0;
    long resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");

    cr_assert_eq(fscanf(f, "%ld %ld", &total, &resident), 2);
    (void)fclose(f);
    return resident;
}

Test(mem_host, guards_stand_on_both_sides)
{
    for (int shared = 0; shared <= 1; shared++) {
        struct mem_config c = config_of(GAP_START + MIB);
        struct mem m;

        c.shared = shared;
        cr_assert_eq(mem_init(&m, &c, NULL), 0);
        for (unsigned i = 0; i < m.count; i++) {
            const struct mem_region *r = &m.regions[i];

            cr_assert_eq(host_store_signal(r->host - 1), SIGSEGV);
            cr_assert_eq(host_store_signal(r->host - 4096), SIGSEGV);
            cr_assert_eq(host_store_signal(r->host), 0);
            cr_assert_eq(host_store_signal(r->host + r->size - 1), 0);
            cr_assert_eq(host_store_signal(r->host + r->size), SIGSEGV);
            cr_assert_eq(host_store_signal(r->host + r->size + 4095), SIGSEGV);
        }
        mem_finish(&m);
    }
}

Test(mem_host, takes_no_room_until_touched)
{
    for (int shared = 0; shared <= 1; shared++) {
        struct mem_config c = config_of(64 * GIB);
        struct mem m;
        long before = resident_pages();

        c.shared = shared;
        cr_assert_eq(mem_init(&m, &c, NULL), 0);
        for (unsigned i = 0; i < m.count; i++) {
            m.regions[i].host[0] = 1;
            m.regions[i].host[m.regions[i].size - 1] = 1;
        }
        cr_assert_lt(resident_pages() - before, 4096,
                     "less than 16 MiB, even where huge pages are the default");
        mem_finish(&m);
    }
}

Test(mem_host, populates_exactly_the_pages_of_a_range)
{
    struct mem m = mem_of(4 * MIB);
    unsigned char there[5] = { 0 };

    (void)madvise(m.regions[0].host, m.size, MADV_NOHUGEPAGE); /* some hosts use them by default */
    /* From the last byte of one page to the first byte of the page after next. */
    mem_populate(&m, 0x101fff, 0x1002);
    mem_populate(&m, 4 * MIB - 1, 2);
    mem_populate(&m, 0x200000, 0);
    cr_assert_eq(mincore(m.regions[0].host + 0x100000, sizeof(there) * 4096, there), 0);
    cr_expect_eq(there[0] & 1, 0);
    cr_expect_eq(there[1] & 1, 1);
    cr_expect_eq(there[2] & 1, 1);
    cr_expect_eq(there[3] & 1, 1);
    cr_expect_eq(there[4] & 1, 0);
    cr_assert_eq(mincore(m.regions[0].host + 0x200000, 4096, there), 0);
    cr_expect_eq(there[0] & 1, 0);
    cr_assert_eq(mincore(m.regions[0].host + 4 * MIB - 4096, 4096, there), 0);
    cr_expect_eq(there[0] & 1, 0);
    mem_finish(&m);
}

Test(mem_host, stays_out_of_core_dumps)
{
    struct mem m = mem_of(MIB);

    cr_assert(host_mapping_has(m.regions[0].host, " dd"));
    mem_finish(&m);
}

/* One entry of an accelerator's second-level page tables can cover 2 MiB of guest addresses only if
 * one host page backs them: host address, guest address and memfd offset agree in their low 21
 * bits. */
static void expect_congruent(const struct mem_config *c)
{
    struct mem m;
    struct err e = { 0 };

    cr_assert_eq(mem_init(&m, c, &e), 0, "%s", e.text);
    for (unsigned i = 0; i < m.count; i++) {
        const struct mem_region *r = &m.regions[i];

        cr_expect_eq(((uintptr_t)r->host - r->gpa) % (2 * MIB), 0,
                     "region %u of %llu MiB, huge %d, shared %d", i,
                     (unsigned long long)(c->size / MIB), c->huge, c->shared);
        cr_expect_eq((r->fd_offset - r->gpa) % (2 * MIB), 0);
        cr_expect_eq(host_store_signal(r->host - 1), SIGSEGV);
        cr_expect_eq(host_store_signal(r->host + r->size - 1), 0);
        cr_expect_eq(host_store_signal(r->host + r->size), SIGSEGV);
    }
    mem_finish(&m);
}

Test(mem_host, host_and_guest_addresses_agree_within_2_mib)
{
    const uint64_t sizes[] = { 4096,      MIB + 4096,       64 * MIB,
                               GAP_START, GAP_START + 4096, GAP_START + 65 * MIB,
                               5 * GIB };

    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (int shared = 0; shared <= 1; shared++) {
            struct mem_config c = config_of(sizes[i]);

            c.shared = shared;
            expect_congruent(&c);
            c.huge = MEM_HUGE_TRANSPARENT;
            expect_congruent(&c);
            c.huge = MEM_HUGE_2M;
            if (c.size % (2 * MIB) == 0 && host_huge_pages_free() >= (long)(c.size / (2 * MIB)))
                expect_congruent(&c);
        }
    }
}

/* Where the host places a mapping must not matter: here one of an odd size comes before. */
Test(mem_host, they_agree_wherever_the_host_puts_a_region)
{
    for (uint64_t pages = 1; pages < 513; pages += 73) {
        struct mem_config c = config_of(3 * MIB);
        void *odd =
            mmap(NULL, pages * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        cr_assert_neq(odd, MAP_FAILED);
        expect_congruent(&c);
        (void)munmap(odd, pages * 4096);
    }
}

static bool has_transparent_huge_pages(void)
{
    return access("/sys/kernel/mm/transparent_hugepage", F_OK) == 0;
}

Test(mem_host, transparent_huge_pages_are_asked_for)
{
    struct mem_config c = config_of(GAP_START + 4 * MIB);
    struct mem m;

    c.huge = MEM_HUGE_TRANSPARENT;
    cr_assert_eq(mem_init(&m, &c, NULL), 0);
    for (unsigned i = 0; i < m.count; i++) {
        cr_assert_eq(host_mapping_has(m.regions[i].host, " hg"), has_transparent_huge_pages());
    }
    mem_finish(&m);
}

static bool is_advised(const struct mem *m, gpa_t gpa)
{
    return host_mapping_has(mem_at(m, gpa, 1), " hg");
}

/* The range is rounded outwards to whole huge pages; whatever is not RAM is left out. */
Test(mem_host, huge_pages_are_asked_for_what_is_expected)
{
    struct mem_config c = config_of(GAP_START + 8 * MIB + 4096);
    bool can = has_transparent_huge_pages();
    struct mem m;
    long before;

    c.huge = MEM_HUGE_BOOT;
    cr_assert_eq(mem_init(&m, &c, NULL), 0);
    cr_expect_not(is_advised(&m, 0));
    before = resident_pages();

    mem_expect(&m, 5 * MIB, 0);
    cr_expect_not(is_advised(&m, 5 * MIB));
    mem_expect(&m, 5 * MIB, 4096);
    cr_expect_not(is_advised(&m, 4 * MIB - 1));
    cr_expect_eq(is_advised(&m, 4 * MIB), can);
    cr_expect_eq(is_advised(&m, 6 * MIB - 1), can);
    cr_expect_not(is_advised(&m, 6 * MIB));

    mem_expect(&m, GAP_START - 1, GIB + 2); /* across the gap into the next region */
    cr_expect_not(is_advised(&m, GAP_START - 2 * MIB - 1));
    cr_expect_eq(is_advised(&m, GAP_START - 1), can);
    cr_expect_eq(is_advised(&m, GAP_END), can);
    cr_expect_not(is_advised(&m, GAP_END + 2 * MIB));

    mem_expect(&m, GAP_START, GIB); /* nothing but gap */
    mem_expect(&m, GAP_END + 7 * MIB, UINT64_MAX);
    cr_expect_not(is_advised(&m, GAP_END + 6 * MIB - 1));
    cr_expect_eq(is_advised(&m, GAP_END + 8 * MIB), can, "less than a whole huge page");
    mem_expect(&m, UINT64_MAX, UINT64_MAX);
    cr_expect_lt(resident_pages() - before, 64, "and no memory is taken for that");
    cr_expect_eq(host_store_signal(m.regions[1].host + m.regions[1].size), SIGSEGV);
    mem_finish(&m);
}

Test(mem_host, none_are_asked_for_otherwise)
{
    struct mem m = mem_of(8 * MIB);

    mem_expect(&m, 0, 8 * MIB);
    cr_expect_not(is_advised(&m, 0));
    cr_expect_not(is_advised(&m, 4 * MIB));
    mem_finish(&m);
}

Test(mem_host, shared_memory_is_one_sealed_file)
{
    struct mem_config c = config_of(GAP_START + MIB);
    struct mem m;
    uint8_t *peer;

    c.shared = true;
    cr_assert_eq(mem_init(&m, &c, NULL), 0);
    cr_assert_geq(m.fd, 0);
    cr_assert_eq(lseek(m.fd, 0, SEEK_END), GAP_START + MIB);
    cr_assert_eq(fcntl(m.fd, F_GETFD), FD_CLOEXEC);

    cr_assert_eq(ftruncate(m.fd, 4096), -1);
    cr_assert_eq(ftruncate(m.fd, 8 * GIB), -1);
    cr_assert_eq(fcntl(m.fd, F_ADD_SEALS, F_SEAL_WRITE), -1, "and no seal can be added");

    peer = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, m.fd, m.regions[1].fd_offset);
    cr_assert_neq(peer, MAP_FAILED);
    cr_assert(mem_write(&m, GAP_END + 8, "peer", 5));
    cr_assert_str_eq((char *)peer + 8, "peer");
    (void)munmap(peer, 4096);
    mem_finish(&m);
}
