/*
 * Guest memory: two regions of address space with guard pages, filled in by the kernel on touch.
 *
 * A region is first reserved as a whole, guards included, with no access; then the memory itself is
 * mapped over the middle of the reservation. So there is no moment at which another mapping could
 * land in a guard, and one munmap removes everything.
 */
#include "core/vm/mem.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/units.h"

/* log2 of the page size, in the bits where mmap and memfd_create both take it. The kernel calls it
 * MAP_HUGE_2MB and MFD_HUGE_2MB; glibc has neither name. */
#define FLAG_HUGE_2MB (21 << MAP_HUGE_SHIFT)

static bool is_multiple(uint64_t n, uint64_t of)
{
    return n % of == 0;
}

static int mem_config_check(const struct mem_config *c, struct err *e)
{
    uint64_t end;

    assert(c->gap_start <= c->gap_end);
    assert(is_multiple(c->gap_start | c->gap_end, PAGE_2M));
    if (c->size == 0)
        return err_set(e, EINVAL, "guest memory cannot be empty");
    if (!is_multiple(c->size, PAGE_4K))
        return err_set(e, EINVAL, "guest memory of %llu bytes is not a multiple of 4 KiB",
                       (unsigned long long)c->size);
    if (c->huge == MEM_HUGE_2M && !is_multiple(c->size, PAGE_2M))
        return err_set(e, EINVAL,
                       "guest memory of %llu KiB is not a multiple of 2 MiB, the size of its pages",
                       (unsigned long long)(c->size >> 10));
    /* Even if all RAM lay above the gap, its end and what region_reserve adds must not overflow. */
    if (__builtin_add_overflow(c->size, c->gap_end + 2 * PAGE_2M, &end))
        return err_set(e, ENOMEM, "guest memory of %llu MiB is more than the host can map",
                       (unsigned long long)(c->size / MIB));
    return 0;
}

static void regions_lay_out(struct mem *m, const struct mem_config *c)
{
    uint64_t low = c->size < c->gap_start ? c->size : c->gap_start;
    uint64_t high = c->size - low;

    if (low > 0)
        m->regions[m->count++] = (struct mem_region){ .gpa = 0, .size = low };
    if (high > 0)
        m->regions[m->count++] =
            (struct mem_region){ .gpa = c->gap_end, .size = high, .fd_offset = low };
}

/* The memfd is sealed so that it can neither shrink nor grow. So another process that maps it
 * cannot make mote's accesses fault. */
static int memfd_open(const struct mem_config *c, struct err *e)
{
    unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    int fd;

    if (c->huge == MEM_HUGE_2M)
        flags |= MFD_HUGETLB | FLAG_HUGE_2MB;
    fd = memfd_create("guest-memory", flags);
    if (fd < 0)
        return err_sys(e, "cannot create shared guest memory");
    if (ftruncate(fd, (off_t)c->size) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
        int ret = err_sys(e, "cannot size and seal shared guest memory of %llu MiB",
                          (unsigned long long)(c->size / MIB));
        (void)close(fd);
        return ret;
    }
    return fd;
}

/* Reserves address space for the region with one guard page on either side, so that host and guest
 * addresses agree in their low 21 bits (mem.h). Reserves too much first, and trims it. */
static int region_reserve(const struct mem *m, struct mem_region *r, struct err *e)
{
    uint64_t want = r->size + 2 * PAGE_4K;
    uint64_t got = want + PAGE_2M - PAGE_4K;
    uint8_t *at = mmap(NULL, got, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    uint64_t skip;

    if (at == MAP_FAILED)
        return err_sys(e, "cannot reserve address space for %llu MiB of guest memory",
                       (unsigned long long)(m->size / MIB));
    skip = (r->gpa - ((uintptr_t)at + PAGE_4K)) % PAGE_2M;
    if (skip > 0)
        (void)munmap(at, skip);
    if (got - skip > want)
        (void)munmap(at + skip + want, got - skip - want);
    r->host = at + skip + PAGE_4K;
    return 0;
}

static void region_release(struct mem_region *r)
{
    if (r->host)
        (void)munmap(r->host - PAGE_4K, r->size + 2 * PAGE_4K);
    r->host = NULL;
}

static int huge_pages_missing(const struct mem *m, struct err *e)
{
    unsigned long long pages = m->size / PAGE_2M;

    return err_set(e, ENOMEM,
                   "guest memory needs %llu huge pages of 2 MiB and the host has fewer free; "
                   "reserve them by writing at least %llu to /proc/sys/vm/nr_hugepages",
                   pages, pages);
}

/* Puts memory into the reservation. hugetlbfs pages are taken from the pool now (no MAP_NORESERVE):
 * otherwise an exhausted pool would raise SIGBUS while the guest runs. */
static int region_map(const struct mem *m, const struct mem_region *r, struct err *e)
{
    int flags = MAP_FIXED;

    flags |= m->fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
    if (m->huge != MEM_HUGE_2M)
        flags |= MAP_NORESERVE;
    else if (m->fd < 0)
        flags |= MAP_HUGETLB | FLAG_HUGE_2MB;

    if (mmap(r->host, r->size, PROT_READ | PROT_WRITE, flags, m->fd, (off_t)r->fd_offset) ==
        MAP_FAILED) {
        if (m->huge == MEM_HUGE_2M && errno == ENOMEM)
            return huge_pages_missing(m, e);
        return err_sys(e, "cannot map %llu MiB of guest memory",
                       (unsigned long long)(m->size / MIB));
    }
    /* Both are only advice: a kernel that knows neither can still run the guest. */
    (void)madvise(r->host, r->size, MADV_DONTDUMP);
    if (m->huge == MEM_HUGE_TRANSPARENT)
        (void)madvise(r->host, r->size, MADV_HUGEPAGE);
    return 0;
}

/* Reserves all address space first, so that a size which the host cannot map at all fails before
 * anything that costs memory exists. */
static int regions_map(struct mem *m, const struct mem_config *config, struct err *e)
{
    int ret = 0;

    for (unsigned i = 0; i < m->count && ret == 0; i++)
        ret = region_reserve(m, &m->regions[i], e);
    if (ret == 0 && config->shared) {
        m->fd = memfd_open(config, e);
        ret = m->fd < 0 ? m->fd : 0;
    }
    for (unsigned i = 0; i < m->count && ret == 0; i++)
        ret = region_map(m, &m->regions[i], e);
    return ret;
}

int mem_init(struct mem *m, const struct mem_config *config, struct err *e)
{
    int ret = mem_config_check(config, e);

    *m = (struct mem){ .fd = -1 };
    if (ret < 0)
        return ret;
    m->size = config->size;
    m->huge = config->huge;
    regions_lay_out(m, config);
    ret = regions_map(m, config, e);
    if (ret < 0)
        mem_finish(m);
    return ret;
}

void mem_finish(struct mem *m)
{
    if (m->count == 0)
        return;
    for (unsigned i = 0; i < m->count; i++)
        region_release(&m->regions[i]);
    if (m->fd >= 0)
        (void)close(m->fd);
    *m = (struct mem){ .fd = -1 };
}

void *mem_at(const struct mem *m, gpa_t gpa, uint64_t len)
{
    for (unsigned i = 0; i < m->count; i++) {
        const struct mem_region *r = &m->regions[i];
        uint64_t offset = gpa - r->gpa; /* wraps where gpa is below, and is then too large */

        if (offset < r->size)
            return len <= r->size - offset ? r->host + offset : NULL;
    }
    return NULL;
}

bool mem_read(const struct mem *m, gpa_t gpa, void *to, uint64_t len)
{
    const void *from = mem_at(m, gpa, len);

    if (!from)
        return false;
    memcpy(to, from, len);
    return true;
}

bool mem_write(const struct mem *m, gpa_t gpa, const void *from, uint64_t len)
{
    void *to = mem_at(m, gpa, len);

    if (!to)
        return false;
    memcpy(to, from, len);
    return true;
}

static uint64_t region_offset(const struct mem_region *r, const void *host)
{
    return (uintptr_t)host - (uintptr_t)r->host; /* wraps where host is below */
}

gpa_t mem_gpa(const struct mem *m, const void *host)
{
    unsigned i = 0;

    while (i < m->count && region_offset(&m->regions[i], host) >= m->regions[i].size)
        i++;
    assert(i < m->count);
    return m->regions[i].gpa + region_offset(&m->regions[i], host);
}

/* Pages of a memfd must be removed from the file (MADV_REMOVE). If they were only unmapped they
 * would stay allocated. */
uint64_t mem_give_back(const struct mem *m, gpa_t gpa, uint64_t len)
{
    uint64_t before = -gpa % PAGE_4K; /* bytes before the first whole page */
    uint8_t *at = mem_at(m, gpa, len);

    if (!at || len < before || m->huge == MEM_HUGE_2M)
        return 0;
    len = (len - before) / PAGE_4K * PAGE_4K;
    if (len == 0 || madvise(at + before, len, m->fd >= 0 ? MADV_REMOVE : MADV_DONTNEED) < 0)
        return 0;
    return len;
}

/* Every region begins at a multiple of 2 MiB. At its end there may be less than a huge page; there
 * the advice does nothing. */
void mem_expect(const struct mem *m, gpa_t gpa, uint64_t len)
{
    gpa_t end = len < UINT64_MAX - PAGE_2M - gpa ? gpa + len : UINT64_MAX - PAGE_2M;

    if (m->huge != MEM_HUGE_BOOT || len == 0)
        return;
    gpa -= gpa % PAGE_2M;
    end += -end % PAGE_2M;
    for (unsigned i = 0; i < m->count; i++) {
        const struct mem_region *r = &m->regions[i];
        gpa_t from = gpa > r->gpa ? gpa : r->gpa;
        gpa_t to = end < r->gpa + r->size ? end : r->gpa + r->size;

        if (from < to)
            (void)madvise(r->host + (from - r->gpa), to - from, MADV_HUGEPAGE);
    }
}

/* Regions are whole pages, so rounding to pages stays inside. Kernels before 5.14 do not know this
 * advice; there the pages are filled in by faults. */
void mem_populate(const struct mem *m, gpa_t gpa, uint64_t len)
{
    uint64_t before = gpa % PAGE_4K;
    uint8_t *at = mem_at(m, gpa, len);

    if (at && len > 0)
        (void)madvise(at - before, before + len, MADV_POPULATE_WRITE);
}

/* A mapped page that lies wholly past the file's end would raise SIGBUS while the guest runs. */
static int mem_file_check(int fd, uint64_t offset, uint64_t len, struct err *e)
{
    struct stat st;
    uint64_t end;

    if (fstat(fd, &st) < 0)
        return err_sys(e, "cannot examine the file to map into guest memory");
    if (!S_ISREG(st.st_mode))
        return err_set(e, EOPNOTSUPP, "only a regular file can be mapped into guest memory");
    if (__builtin_add_overflow(offset, len, &end) ||
        end > ((uint64_t)st.st_size + PAGE_4K - 1) / PAGE_4K * PAGE_4K)
        return err_set(e, EINVAL, "cannot map %llu bytes at offset %llu of a file of %lld bytes",
                       (unsigned long long)len, (unsigned long long)offset, (long long)st.st_size);
    return 0;
}

int mem_map_file(struct mem *m, gpa_t gpa, int fd, uint64_t offset, uint64_t len, struct err *e)
{
    void *at = mem_at(m, gpa, len);
    void *aside;
    int ret;

    if (m->fd >= 0 || m->huge != MEM_HUGE_NONE)
        return err_set(e, EOPNOTSUPP, "shared or huge-page guest memory cannot hold file pages");
    if (!at || len == 0 || !is_multiple(gpa | offset | len, PAGE_4K))
        return err_set(e, EINVAL, "cannot map a file at guest address 0x%llx, length 0x%llx",
                       (unsigned long long)gpa, (unsigned long long)len);
    ret = mem_file_check(fd, offset, len, e);
    if (ret < 0)
        return ret;

    /* The file is mapped elsewhere and then moved into place. With MAP_FIXED a file system might
     * refuse after the kernel has unmapped what was there, which would leave a hole in RAM. */
    aside = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd, (off_t)offset);
    if (aside == MAP_FAILED)
        return err_sys(e, "cannot map a file into guest memory");
    (void)madvise(aside, len, MADV_DONTDUMP);
    if (mremap(aside, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, at) == MAP_FAILED) {
        ret = err_sys(e, "cannot move a file's mapping into guest memory");
        (void)munmap(aside, len);
        return ret;
    }
    return 0;
}
