#ifndef CORE_VM_MEM_H
#define CORE_VM_MEM_H
/*
 * Guest memory: RAM at guest physical addresses, and the one door to it.
 *
 * RAM is up to two regions: below the MMIO gap and, what does not fit there, from 4 GiB. Each
 * region is reserved with an inaccessible guard page on either side and is touched by nobody until
 * the guest does (design decision 5). Regions never change between mem_init and mem_finish.
 *
 * Host and guest addresses, and a memfd's offsets, agree in their low 21 bits, whatever kind the
 * memory is of: only then can one entry of the processor's tables map a huge page of the host's for
 * the guest. Otherwise each 4 KiB is an exit, 17,000 of them in a boot.
 *
 * By default the host is asked for huge pages where a boot surely touches memory (MEM_HUGE_BOOT):
 * that has most of their gain, costs no memory, and leaves to the host's policy what guests give
 * back and take again, which huge pages asked for would have khugepaged fill up. A stock boot in
 * the bed, 256 MiB, policy "madvise", then idle for 30 s; the host's own time to load the bzImage:
 *
 *                   exits   page faults   resident, booted and idle   loading
 *   none           20,063        17,112        79 MiB       79 MiB      38 ms
 *   boot            5,136         2,184        79 MiB       79 MiB      27 ms
 *   transparent     3,002            43        83 MiB       83 MiB      25 ms
 *
 * Whoever holds a guest physical address goes through mem_at, mem_read or mem_write; all three take
 * a length and may say no. The guest writes its memory at any moment: read once, judge the copy,
 * use the copy.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

typedef uint64_t gpa_t; /* guest physical address, bytes */

enum mem_huge {
    MEM_HUGE_NONE,        /* as the host treats any process */
    MEM_HUGE_BOOT,        /* madvise for what is mem_expected; the kernel decides */
    MEM_HUGE_TRANSPARENT, /* madvise for all of it */
    MEM_HUGE_2M,          /* hugetlbfs pages, reserved at once; size must be a multiple of 2 MiB */
};

struct mem_config {
    uint64_t size;   /* bytes of RAM, a multiple of 4 KiB, not 0 */
    gpa_t gap_start; /* RAM stops here... */
    gpa_t gap_end;   /* ...and goes on here; both multiples of 2 MiB */
    enum mem_huge huge;
    bool shared; /* sealed memfd that other processes can map, instead of private anonymous */
};

struct mem_region {
    gpa_t gpa;
    uint64_t size;
    uint8_t *host;
    uint64_t fd_offset; /* of this region in mem.fd */
};

#define MEM_REGIONS_MAX 2

struct mem {
    struct mem_region regions[MEM_REGIONS_MAX]; /* ascending */
    unsigned count;
    uint64_t size; /* the regions' sum */
    int fd;        /* the memfd where shared, otherwise -1 */
    enum mem_huge huge;
};

/* Reserves the address space; no core dump will hold it. Nothing is left behind on failure: -ENOMEM
 * where the host cannot map it or has too few huge pages, -EINVAL for a size that is zero or not a
 * multiple of the page size. */
int mem_init(struct mem *m, const struct mem_config *config, struct err *e);

/* Unmaps all. Accepts a zeroed struct. Every pointer from mem_at is dead afterwards. */
void mem_finish(struct mem *m);

/* Any thread. */

/* The host address of [gpa, gpa + len), or NULL unless all of it lies in one region. len 0 is
 * allowed where gpa itself is RAM. */
void *mem_at(const struct mem *m, gpa_t gpa, uint64_t len);

/* Copies out of or into guest memory; the range may not span regions. false: not RAM, nothing
 * copied. */
bool mem_read(const struct mem *m, gpa_t gpa, void *to, uint64_t len);
bool mem_write(const struct mem *m, gpa_t gpa, const void *from, uint64_t len);

/* The other way: the guest physical address of a host address that came through the door. */
gpa_t mem_gpa(const struct mem *m, const void *host);

/* Gives the whole pages of [gpa, gpa + len) back to the host, for a guest that has no use for what
 * they hold. They stay RAM: whoever touches one gets a new page, zero or, where a file is mapped,
 * the file's. Returns how many bytes that were; 0 unless all of the range lies in one region. Pages
 * of 2 MiB are never given back: the host may hand them to another process, and the guest that
 * comes back to one would find the pool empty and die of it. The accelerator is the caller's to
 * tell (core/vm/accel.h). */
uint64_t mem_give_back(const struct mem *m, gpa_t gpa, uint64_t len);

/* Before the guest starts. */

/* The guest will touch all of this range soon: under MEM_HUGE_BOOT the host is asked for huge pages
 * wherever the range touches one. Whatever of it is not RAM is left out. It fails at nothing,
 * changes no byte, and takes no memory yet. */
void mem_expect(const struct mem *m, gpa_t gpa, uint64_t len);

/* Fills in the pages of a range that is about to be written, in one call instead of a fault each.
 * Only a matter of speed: it fails at nothing and changes no byte. */
void mem_populate(const struct mem *m, gpa_t gpa, uint64_t len);

/* Replaces [gpa, gpa + len) by a private mapping of the file from offset: no copy, and the guest's
 * writes stay its own. All three multiples of 4 KiB; the last page may go past the file's end and
 * is zero there. A failure has changed nothing: -EOPNOTSUPP where this memory cannot hold pages of
 * this file and the caller copies instead, -EINVAL where the range is not RAM or not in the file.
 * The file must keep its length as long as the guest lives. */
int mem_map_file(struct mem *m, gpa_t gpa, int fd, uint64_t offset, uint64_t len, struct err *e);

#endif
