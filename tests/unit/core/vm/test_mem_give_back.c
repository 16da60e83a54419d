/* Guest memory given back to the host, and host addresses turned back into guest addresses. */
#include "core/vm/mem.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/units.h"

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

    cr_assert_eq(mem_init(&m, &c, NULL), 0);
    return m;
}

/* How many pages of the range are present in this process, according to /proc/self/pagemap. */
static unsigned pages_present(const struct mem *m, gpa_t gpa, uint64_t len)
{
    uint64_t first = (uintptr_t)mem_at(m, gpa, len) / 4096;
    int fd = open("/proc/self/pagemap", O_RDONLY);
    unsigned present = 0;

    for (uint64_t i = 0; i < len / 4096; i++) {
        uint64_t entry = 0;
        cr_assert_eq(pread(fd, &entry, 8, (off_t)((first + i) * 8)), 8);
        present += entry >> 63;
    }
    (void)close(fd);
    return present;
}

static uint64_t blocks_of(int fd)
{
    struct stat st;

    cr_assert_eq(fstat(fd, &st), 0);
    return (uint64_t)st.st_blocks;
}

Test(mem_give_back, pages_leave_the_process)
{
    for (int shared = 0; shared <= 1; shared++) {
        struct mem_config c = config_of(4 * MIB);
        struct mem m;

        c.shared = shared;
        cr_assert_eq(mem_init(&m, &c, NULL), 0);
        memset(m.regions[0].host, 0xa5, 4 * MIB);
        cr_assert_eq(pages_present(&m, 0, 4 * MIB), 1024);
        cr_assert_eq(mem_give_back(&m, MIB, 2 * MIB), 2 * MIB);
        cr_assert_eq(pages_present(&m, 0, 4 * MIB), 512);
        if (shared)
            cr_assert_eq(blocks_of(m.fd), 2 * MIB / 512);
        cr_assert_eq(m.regions[0].host[MIB - 1], 0xa5);
        cr_assert_eq(m.regions[0].host[MIB], 0);
        cr_assert_eq(m.regions[0].host[3 * MIB - 1], 0);
        cr_assert_eq(m.regions[0].host[3 * MIB], 0xa5);
        cr_assert(mem_write(&m, 2 * MIB, "again", 5));
        mem_finish(&m);
    }
}

Test(mem_give_back, whole_pages_only)
{
    struct mem m = mem_of(MIB);
    uint8_t *host = m.regions[0].host;

    memset(host, 0xa5, MIB);
    cr_assert_eq(mem_give_back(&m, 1, 4095), 0);
    cr_assert_eq(mem_give_back(&m, 1, 4096), 0);
    cr_assert_eq(mem_give_back(&m, 1, 8190), 0);
    cr_assert_eq(mem_give_back(&m, 0, 4095), 0);
    cr_assert_eq(mem_give_back(&m, 0, 0), 0);
    cr_assert_eq(mem_give_back(&m, 4095, 0), 0);
    for (unsigned i = 0; i < MIB; i++)
        cr_assert_eq(host[i], 0xa5);
    cr_assert_eq(mem_give_back(&m, 4095, 4098), 4096);
    cr_assert_eq(host[4095], 0xa5);
    cr_assert_eq(host[4096], 0);
    cr_assert_eq(host[8191], 0);
    cr_assert_eq(host[8192], 0xa5);
    mem_finish(&m);
}

Test(mem_give_back, ram_only)
{
    struct mem m = mem_of(GAP_START + 8192);

    cr_assert(mem_write(&m, GAP_START - 4096, "low", 3));
    cr_assert(mem_write(&m, GAP_END, "high", 4));
    cr_assert_eq(mem_give_back(&m, GAP_START, 4096), 0);
    cr_assert_eq(mem_give_back(&m, GAP_START - 4096, 8192), 0);
    cr_assert_eq(mem_give_back(&m, GAP_END - 4096, 8192), 0);
    cr_assert_eq(mem_give_back(&m, GAP_END, 12288), 0);
    cr_assert_eq(mem_give_back(&m, UINT64_MAX, 4096), 0);
    cr_assert_eq(mem_give_back(&m, UINT64_MAX - 4095, UINT64_MAX), 0);
    cr_assert_eq(mem_give_back(&m, 4096, UINT64_MAX - 4095), 0);
    cr_assert_eq(memcmp(m.regions[0].host + GAP_START - 4096, "low", 3), 0);
    cr_assert_eq(memcmp(m.regions[1].host, "high", 4), 0);
    cr_assert_eq(mem_give_back(&m, GAP_END, 8192), 8192);
    cr_assert_eq(m.regions[1].host[0], 0);
    mem_finish(&m);
}

Test(mem_gpa, is_the_reverse_of_mem_at)
{
    struct mem m = mem_of(GAP_START + 8192);

    cr_assert_eq(mem_gpa(&m, mem_at(&m, 0, 1)), 0);
    cr_assert_eq(mem_gpa(&m, mem_at(&m, GAP_START - 1, 1)), GAP_START - 1);
    cr_assert_eq(mem_gpa(&m, mem_at(&m, GAP_END, 1)), GAP_END);
    cr_assert_eq(mem_gpa(&m, mem_at(&m, GAP_END + 8191, 1)), GAP_END + 8191);
    mem_finish(&m);
}

/* The guest's own writes are gone, and the file's bytes are seen again. */
Test(mem_give_back, a_file_shows_through)
{
    struct mem m = mem_of(MIB);
    int fd = memfd_create("file", MFD_CLOEXEC);

    cr_assert_eq(pwrite(fd, "file", 4, 0), 4);
    cr_assert_eq(mem_map_file(&m, 4096, fd, 0, 4096, NULL), 0);
    cr_assert(mem_write(&m, 4096, "mine", 4));
    cr_assert(mem_write(&m, 8192, "mine", 4));
    cr_assert_eq(mem_give_back(&m, 4096, 8192), 8192);
    cr_assert_eq(memcmp(m.regions[0].host + 4096, "file", 4), 0);
    cr_assert_eq(m.regions[0].host[8192], 0);
    (void)close(fd);
    mem_finish(&m);
}
