#ifndef CORE_VM_MEM_H
#define CORE_VM_MEM_H
/*
 * Guest memory: RAM at guest physical addresses, and the one door to it.
 *
 * RAM is up to two regions: one below the MMIO gap and, for what does not fit there, one above it.
 * Each region is reserved with an inaccessible guard page on either side. Except for MEM_HUGE_2M it
 * takes no host memory until it is touched. Regions never change between mem_init and mem_finish.
 *
 * Host addresses, guest addresses and offsets in the memfd agree in their low 21 bits, for every
 * enum mem_huge. Only then can one entry of the processor's second-level page tables map a huge
 * page of the host. Otherwise each page of 4 KiB costs an exit: 17,000 in a boot.
 *
 * By default mote asks the host for huge pages only where a boot is sure to touch memory
 * (MEM_HUGE_BOOT). That brings most of their gain and costs no memory. For the rest of memory,
 * which guests give back and take again, the host's policy holds: if mote had asked for huge pages
 * there, khugepaged would fill up again what the guest gave back. Measured in the bed (README.md)
 * with a stock kernel and 256 MiB, booted and then idle for 30 s, under the policy "madvise";
 * "loading" is the host's own time to load the bzImage:
 *
 *                   exits   page faults   resident, booted and idle   loading
 *   none           19,619        17,112        79 MiB       79 MiB      38 ms
 *   boot            4,673         2,184        79 MiB       79 MiB      27 ms
 *   transparent     2,495            43        83 MiB       83 MiB      25 ms
 *
 * The one door is mem_at, mem_read and mem_write: every access by guest physical address goes
 * through one of them. All three take a length and may refuse. The guest may write its memory at
 * any moment, so read once, judge the copy, use the copy.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

typedef uint64_t gpa_t; /* guest physical address, bytes */

enum mem_huge {
    MEM_HUGE_NONE,        /* asks for nothing: the host's policy for any process */
    MEM_HUGE_BOOT,        /* madvise for the ranges given to mem_expect; the kernel decides */
    MEM_HUGE_TRANSPARENT, /* madvise for all of it */
    MEM_HUGE_2M,          /* hugetlbfs pages, reserved at once; size must be a multiple of 2 MiB */
};

struct mem_config {
    uint64_t size;   /* bytes of RAM, a multiple of 4 KiB, not 0 */
    gpa_t gap_start; /* the first address of the MMIO gap, which holds no RAM; multiple of 2 MiB */
    gpa_t gap_end;   /* the first address after the gap; multiple of 2 MiB */
    enum mem_huge huge;
    bool shared; /* a sealed memfd that other processes can map, not private anonymous memory */
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
    int fd;        /* the memfd if the memory is shared, otherwise -1 */
    enum mem_huge huge;
};

/* Reserves the address space and keeps it out of core dumps. A failure leaves nothing behind:
 * -ENOMEM where the host cannot map the memory or has too few huge pages, -EINVAL for a size that
 * is zero or not a multiple of the page size. */
int mem_init(struct mem *m, const struct mem_config *config, struct err *e);

/* Unmaps all. Accepts a zeroed struct. No pointer from mem_at is valid afterwards. */
void mem_finish(struct mem *m);

/* Any thread. */

/* The host address of [gpa, gpa + len), or NULL unless all of it lies in one region. len 0 is
 * allowed where gpa itself is RAM. */
void *mem_at(const struct mem *m, gpa_t gpa, uint64_t len);

/* Copy out of or into guest memory. The range must lie in one region. false: it does not, and
 * nothing was copied. */
bool mem_read(const struct mem *m, gpa_t gpa, void *to, uint64_t len);
bool mem_write(const struct mem *m, gpa_t gpa, const void *from, uint64_t len);

/* The guest physical address of a host address that came from mem_at. */
gpa_t mem_gpa(const struct mem *m, const void *host);

/* Gives the whole pages of [gpa, gpa + len) back to the host, for a guest that has no use for what
 * they hold. They stay RAM: the next touch gets a new page, which is zero or, where a file is
 * mapped, the file's. Returns the number of bytes given back; 0 unless all of the range lies in one
 * region. MEM_HUGE_2M pages are never given back: the host might hand them to another process, and
 * a guest that touched one again while the pool was empty would die. The caller must tell the
 * accelerator (accel_memory_written). */
uint64_t mem_give_back(const struct mem *m, gpa_t gpa, uint64_t len);

/* Before the guest starts. */

/* Announces that the guest will soon touch all of this range. Under MEM_HUGE_BOOT the host is then
 * asked for every huge page that the range overlaps. Parts that are not RAM are left out. It cannot
 * fail, changes no byte, and takes no memory yet. */
void mem_expect(const struct mem *m, gpa_t gpa, uint64_t len);

/* Fills in the pages of a range that is about to be written, in one call instead of one fault each.
 * It only saves time: it cannot fail and changes no byte. */
void mem_populate(const struct mem *m, gpa_t gpa, uint64_t len);

/* Replaces [gpa, gpa + len) by a private mapping of the file from offset: nothing is copied, and
 * the guest's writes stay its own. gpa, offset and len are multiples of 4 KiB; the last page may go
 * past the file's end and is zero there. A failure changes nothing. -EOPNOTSUPP: this memory cannot
 * hold pages of this file, or is not MEM_HUGE_NONE, since a file's pages are small ones; the caller
 * should copy. -EINVAL: the range is not RAM or not in the file. Other errors are the kernel's. The
 * file must keep its length as long as the guest lives. */
int mem_map_file(struct mem *m, gpa_t gpa, int fd, uint64_t offset, uint64_t len, struct err *e);

#endif
