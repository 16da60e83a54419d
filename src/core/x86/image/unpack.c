/*
 * Unpacking in place.
 *
 * A compressed kernel is an ELF file, tens of megabytes of it, and decompression has to write them
 * somewhere. It writes them to guest memory, with the file's first byte at such an address that the
 * first segment comes to lie exactly where it belongs:
 *
 *   unpacked   |hdr.|text......|..|data...|....|percpu|init.....|tables|
 *   in place        |text......|..|data...|percpu|init.....|           then zeros
 *
 * Linkers align file offsets more generously than physical addresses, so later segments have to
 * move, but only down; and as segments ascend and do not overlap, moving them in order writes over
 * nothing that is still to be moved: the end of one's place is not above the next one's place,
 * which is not above where the next one still lies. Text and data, most of a Linux kernel, stay.
 * Then whatever belongs to no segment is zeroed; what lies before the first, 2 MiB of it that a
 * Linux finds no use for in its boot, is given back.
 *
 * Where the segments do not allow this, or the whole file finds no room where its segments alone
 * do, it is unpacked to the heap and copied.
 *
 * The headers are judged once, from a separate glance at the file's first bytes, before anything is
 * allocated or written.
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

/* The headers, from the first bytes of what the payload unpacks to. */
static int judge(const struct bzimage *b, gpa_t ram_end, struct elf_image *image, struct err *e)
{
    uint8_t head[ELF_HEAD];
    size_t len = b->unpacked < sizeof(head) ? b->unpacked : sizeof(head);
    int ret;

    if (b->unpacked > ram_end)
        return err_set(e, EFBIG,
                       "unpacks to %u bytes, more than the %llu bytes of memory there are for it; "
                       "give the guest more",
                       b->unpacked, (unsigned long long)ram_end);
    ret = inflate_head(&b->payload, head, len, e);
    if (ret == 0)
        ret = elf_read(image, head, len, b->unpacked, e);
    if (ret < 0)
        return ret;
    return elf_fits(image, LAYOUT_HIGH_RAM, ram_end, e);
}

static void zero(const struct mem *m, gpa_t from, gpa_t to)
{
    void *at = from < to ? mem_at(m, from, to - from) : NULL;

    if (at)
        memset(at, 0, to - from);
}

/* Whatever of a range can be had back is nobody's again, and zero. Returns where that ends. */
static gpa_t drop(const struct mem *m, gpa_t from, gpa_t to)
{
    bool whole = from < to && mem_give_back(m, from, to - from) == to - from;

    return whole ? to : from;
}

/* Moves the segments of the file at base to their places and clears the rest of it. */
static void settle(const struct mem *m, gpa_t base, uint64_t size, const struct elf_image *image,
                   struct boot_stats *stats)
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
    done = drop(m, base, image->segments[0].paddr);
    for (unsigned i = 0; i < image->segment_count; i++) {
        const struct elf_segment *s = &image->segments[i];
        zero(m, done, s->paddr < base + size ? s->paddr : base + size);
        if (done < s->paddr + s->filesz)
            done = s->paddr + s->filesz;
    }
    zero(m, done, base + size);
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
    settle(m, base, b->unpacked, image, stats);
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
    int ret = judge(b, ram_end, image, e);

    if (ret < 0)
        return ret;
    stats->inflated = b->unpacked;
    expect_kernel(m, image);
    return unpack_base(image, b->unpacked, LAYOUT_HIGH_RAM, ram_end, &base)
               ? unpack_in_place(b, m, base, image, stats, e)
               : unpack_aside(b, m, image, stats, e);
}
