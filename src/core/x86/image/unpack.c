/*
 * Unpacking in place.
 *
 * A compressed kernel is an ELF file of tens of megabytes, which decompression has to write
 * somewhere. It writes the file to guest memory, at the address that brings the first segment
 * exactly where it belongs:
 *
 *   unpacked   |hdr.|text......|..|data...|....|percpu|init.....|tables|
 *   in place        |text......|..|data...|percpu|init.....|           then zeros
 *
 * Linkers align file offsets more generously than physical addresses, so later segments have to
 * move, but only down. Segments ascend and do not overlap, so moving them in order never overwrites
 * one that has yet to move: the place of a segment ends at or below the place of the next, and that
 * is at or below where the next still lies. Text and data, most of a Linux kernel, do not move.
 * Afterwards whatever belongs to no segment is zeroed. What lies before the first segment, 2 MiB
 * for which Linux has no use in its boot, is given back.
 *
 * If the segments do not allow this, or memory has room for the segments but not for the whole
 * file, the file is unpacked to the heap and the segments are copied.
 *
 * The headers are checked once, before anything is allocated or written: the file's first bytes are
 * unpacked separately for that.
 */
#include "core/x86/image/unpack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/x86/image/boot_stats.h"
#include "core/x86/image/bzimage.h"
#include "core/x86/image/elf.h"
#include "core/x86/image/expect.h"
#include "core/x86/layout.h"

bool unpack_base(const struct elf_image *image, uint64_t size, gpa_t start, gpa_t end, gpa_t *base)
{
    bool found = false;

    for (unsigned i = 0; i < image->segment_count; i++) {
        const struct elf_segment *s = &image->segments[i];
        if (s->filesz == 0)
            continue;
        if (!found && s->paddr < s->offset)
            return false;
        if (!found)
            *base = s->paddr - s->offset;
        found = true;
        if (s->paddr > *base + s->offset)
            return false;
    }
    return found && *base >= start && *base <= end && size <= end - *base;
}

/* Unpacks the first bytes of the file and checks the headers in them. */
static int unpack_judge(const struct bzimage *b, gpa_t ram_end, struct elf_image *image,
                        struct err *e)
{
    uint8_t head[ELF_HEAD];
    size_t len = b->unpacked < sizeof(head) ? b->unpacked : sizeof(head);
    int ret;

    if (b->unpacked > ram_end)
        return err_set(e, EFBIG,
                       "unpacks to %u bytes, but the guest has only %llu bytes of memory for it; "
                       "give the guest more",
                       b->unpacked, (unsigned long long)ram_end);
    ret = inflate_head(&b->payload, head, len, e);
    if (ret == 0)
        ret = elf_read(image, head, len, b->unpacked, e);
    if (ret < 0)
        return ret;
    return elf_fits(image, LAYOUT_HIGH_RAM, ram_end, e);
}

static void unpack_zero(const struct mem *m, gpa_t from, gpa_t to)
{
    void *at = from < to ? mem_at(m, from, to - from) : NULL;

    if (at)
        memset(at, 0, to - from);
}

/* Gives a range back, after which it is zero. Returns its end; or, if not all of it could be given
 * back, its beginning, from which the caller then has to zero it. */
static gpa_t unpack_give_back(const struct mem *m, gpa_t from, gpa_t to)
{
    bool whole = from < to && mem_give_back(m, from, to - from) == to - from;

    return whole ? to : from;
}

/* Moves the segments of the file at base to their places and zeroes the rest of the file. */
static void unpack_settle(const struct mem *m, gpa_t base, uint64_t size,
                          const struct elf_image *image, struct boot_stats *stats)
{
    gpa_t done = base;

    for (unsigned i = 0; i < image->segment_count; i++) {
        const struct elf_segment *s = &image->segments[i];
        void *to = mem_at(m, s->paddr, s->filesz);
        const void *from = mem_at(m, base + s->offset, s->filesz);
        if (!to || !from || to == from)
            continue;
        memmove(to, from, s->filesz);
        stats->moved += s->filesz;
    }
    done = unpack_give_back(m, base, image->segments[0].paddr);
    for (unsigned i = 0; i < image->segment_count; i++) {
        const struct elf_segment *s = &image->segments[i];
        unpack_zero(m, done, s->paddr < base + size ? s->paddr : base + size);
        if (done < s->paddr + s->filesz)
            done = s->paddr + s->filesz;
    }
    unpack_zero(m, done, base + size);
}

static int unpack_in_place(const struct bzimage *b, struct mem *m, gpa_t base,
                           struct elf_image *image, struct boot_stats *stats, struct err *e)
{
    void *to = mem_at(m, base, b->unpacked);
    int ret;

    if (!to)
        return err_set(e, EFAULT, "unpacks to 0x%llx, where the guest has no memory",
                       (unsigned long long)base);
    mem_populate(m, base, b->unpacked);
    ret = inflate_all(&b->payload, to, b->unpacked, e);
    if (ret < 0)
        return ret;
    elf_read_notes(image, to);
    unpack_settle(m, base, b->unpacked, image, stats);
    return 0;
}

static int unpack_aside(const struct bzimage *b, struct mem *m, struct elf_image *image,
                        struct boot_stats *stats, struct err *e)
{
    uint8_t *file = malloc(b->unpacked);
    int ret;

    if (!file)
        return err_set(e, ENOMEM, "unpacks to %u bytes, more than the host has left", b->unpacked);
    ret = inflate_all(&b->payload, file, b->unpacked, e);
    if (ret == 0)
        elf_read_notes(image, file);
    for (unsigned i = 0; i < image->segment_count && ret == 0; i++) {
        const struct elf_segment *s = &image->segments[i];
        if (!mem_write(m, s->paddr, file + s->offset, s->filesz))
            ret = err_set(e, EFAULT, "has a segment at 0x%llx, where the guest has no memory",
                          (unsigned long long)s->paddr);
        stats->moved += s->filesz;
    }
    free(file);
    return ret;
}

int unpack_load(const struct bzimage *b, struct mem *m, struct elf_image *image,
                struct boot_stats *stats, struct err *e)
{
    gpa_t ram_end = m->regions[0].size;
    gpa_t base;
    int ret = unpack_judge(b, ram_end, image, e);

    if (ret < 0)
        return ret;
    stats->inflated = b->unpacked;
    expect_kernel(m, image);
    return unpack_base(image, b->unpacked, LAYOUT_HIGH_RAM, ram_end, &base)
               ? unpack_in_place(b, m, base, image, stats, e)
               : unpack_aside(b, m, image, stats, e);
}
