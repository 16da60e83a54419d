/*
 * vmlinux: copies each segment, or, where guest memory can hold pages of a file, maps it privately
 * from the kernel file, wherever its file offset and its physical address have the same offset in a
 * page.
 *
 *   file     ...|####|####|##xx|         # the segment's bytes, x other bytes of the file
 *   guest    ...|mmmm|mmmm|cc00|0000     m mapped, c copied, 0 zero
 *
 * A first or last page that the segment fills only in part is copied, so that no other bytes of the
 * file show up behind the segment's end, where the kernel expects its zeroed bss. Memory that no
 * page of the file covers is zero because nobody has touched it.
 */
#include "core/x86/image/vmlinux.h"

#include <errno.h>

#include "core/base/err.h"
#include "core/base/units.h"
#include "core/x86/image/boot_file.h"
#include "core/x86/image/boot_stats.h"
#include "core/x86/image/elf.h"
#include "core/x86/image/expect.h"

static int vmlinux_copy(const struct boot_file *f, uint64_t offset, struct mem *m, gpa_t gpa,
                        uint64_t len, struct boot_stats *stats, struct err *e)
{
    void *to = mem_at(m, gpa, len);

    if (!to)
        return err_set(e, EFAULT, "has a segment at 0x%llx, where the guest has no memory",
                       (unsigned long long)gpa);
    stats->copied += len;
    mem_populate(m, gpa, len);
    return boot_file_read(f, offset, to, len, e);
}

static int vmlinux_map(const struct boot_file *f, uint64_t offset, struct mem *m, gpa_t gpa,
                       uint64_t len, struct boot_stats *stats, struct err *e)
{
    int ret = mem_map_file(m, gpa, f->fd, offset, len, e);

    if (ret == -EOPNOTSUPP)
        return vmlinux_copy(f, offset, m, gpa, len, stats, e);
    if (ret == 0)
        stats->mapped += len;
    return ret;
}

static int vmlinux_load_segment(const struct boot_file *f, const struct elf_segment *s,
                                struct mem *m, struct boot_stats *stats, struct err *e)
{
    uint64_t head = -s->paddr & (PAGE_4K - 1);
    uint64_t whole, tail;
    int ret;

    if (s->filesz == 0)
        return 0;
    if (((s->paddr ^ s->offset) & (PAGE_4K - 1)) != 0 || s->filesz < head + PAGE_4K)
        return vmlinux_copy(f, s->offset, m, s->paddr, s->filesz, stats, e);
    whole = (s->filesz - head) & ~(PAGE_4K - 1);
    tail = s->filesz - head - whole;

    ret = vmlinux_map(f, s->offset + head, m, s->paddr + head, whole, stats, e);
    if (ret == 0 && head > 0)
        ret = vmlinux_copy(f, s->offset, m, s->paddr, head, stats, e);
    if (ret == 0 && tail > 0)
        ret = vmlinux_copy(f, s->offset + head + whole, m, s->paddr + head + whole, tail, stats, e);
    return ret;
}

int vmlinux_load(const struct boot_file *f, const struct elf_image *image, struct mem *m,
                 struct boot_stats *stats, struct err *e)
{
    int ret = 0;

    expect_kernel(m, image);
    for (unsigned i = 0; i < image->segment_count && ret == 0; i++)
        ret = vmlinux_load_segment(f, &image->segments[i], m, stats, e);
    return ret;
}
