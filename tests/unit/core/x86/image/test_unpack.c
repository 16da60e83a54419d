/* Unpacking: in place and aside give the same memory, and neither trusts the payload. */
#include "core/x86/image/unpack.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "core/base/err.h"
#include "core/x86/boot/boot.h"
#include "core/x86/image/bzimage.h"
#include "core/x86/image/elf.h"
#include "lib/x86/image.h"

#define ROOMY (IMAGE_KERNEL_BASE + 0x10000)
#define TIGHT IMAGE_KERNEL_END /* holds the segments, but not the file around them */

static int load(const struct image *elf, enum inflate_format format, uint64_t ram,
                struct elf_image *image, struct boot_stats *stats, struct err *e)
{
    struct image payload = image_compress(format, elf->data, elf->size);
    struct image file = image_bzimage(&payload);
    struct mem m = image_memory(ram, false);
    struct bzimage b;
    int ret = bzimage_read(&b, file.data, file.size, e);

    *stats = (struct boot_stats){ 0 };
    if (ret == 0)
        ret = unpack_load(&b, &m, image, stats, e);
    if (ret == 0)
        cr_expect(image_is_loaded(elf, &m), "%s, %llu bytes of RAM", inflate_name(format),
                  (unsigned long long)ram);
    mem_finish(&m);
    image_free(&file);
    image_free(&payload);
    return ret;
}

Test(unpack, in_place_moves_only_what_does_not_fall_in_place)
{
    struct image elf = image_kernel(0x201200);

    for (unsigned f = 0; f < INFLATE_FORMATS; f++) {
        struct elf_image image;
        struct boot_stats stats;
        cr_assert_eq(load(&elf, (enum inflate_format)f, ROOMY, &image, &stats, NULL), 0);
        cr_expect_eq(stats.inflated, IMAGE_KERNEL_SIZE);
        cr_expect_eq(stats.moved, 0x1801 + 0x1003);
        cr_expect_eq(stats.copied + stats.mapped, 0);
        cr_expect_eq(image.segment_count, 4);
        cr_expect_eq(image.pvh_entry, 0x201200);
    }
    image_free(&elf);
}

/* The file's first bytes, up to the first segment, belong to no segment. */
Test(unpack, what_lies_before_the_kernel_is_given_back)
{
    struct image elf = image_kernel(0x201200);
    struct image payload = image_compress(INFLATE_LZ4, elf.data, elf.size);
    struct image file = image_bzimage(&payload);
    struct mem m = image_memory(ROOMY, false);
    struct boot_stats stats = { 0 };
    struct elf_image image;
    struct bzimage b;
    unsigned char there[2] = { 0 };
    gpa_t first;

    (void)madvise(m.regions[0].host, m.size, MADV_NOHUGEPAGE); /* where they are the default */
    cr_assert_eq(bzimage_read(&b, file.data, file.size, NULL), 0);
    cr_assert_eq(unpack_load(&b, &m, &image, &stats, NULL), 0);
    first = image.segments[0].paddr;
    cr_assert_eq(first % 4096, 0);
    cr_assert_eq(mincore(mem_at(&m, first - 4096, 8192), 8192, there), 0);
    cr_expect_eq(there[0] & 1, 0);
    cr_expect_eq(there[1] & 1, 1);
    cr_expect_eq(*(uint8_t *)mem_at(&m, first - 4096, 1), 0);
    mem_finish(&m);
    image_free(&file);
    image_free(&payload);
    image_free(&elf);
}

Test(unpack, aside_gives_the_same_memory)
{
    struct image elf = image_kernel(0x201200);

    for (unsigned f = 0; f < INFLATE_FORMATS; f++) {
        struct elf_image image;
        struct boot_stats stats;
        cr_assert_eq(load(&elf, (enum inflate_format)f, TIGHT, &image, &stats, NULL), 0);
        cr_expect_eq(stats.inflated, IMAGE_KERNEL_SIZE);
        cr_expect_eq(stats.moved, 0x2345 + 0x1000 + 0x1801 + 0x1003);
        cr_expect_eq(image.pvh_entry, 0x201200);
    }
    image_free(&elf);
}

/* A segment moves down over itself, or over its neighbour's old place; a bss covers the old places
 * of all. */
Test(unpack, segments_may_slide_over_each_other)
{
    const Elf64_Phdr headers[] = {
        { .p_type = PT_LOAD,
          .p_offset = 0x1000,
          .p_paddr = 0x201000,
          .p_filesz = 0x800,
          .p_memsz = 0x1000 },
        { .p_type = PT_LOAD,
          .p_offset = 0x2400,
          .p_paddr = 0x202000,
          .p_filesz = 0x1800,
          .p_memsz = 0x1800 },
        { .p_type = PT_LOAD,
          .p_offset = 0x4000,
          .p_paddr = 0x203800,
          .p_filesz = 0x1000,
          .p_memsz = 0x6000 },
        { .p_type = PT_LOAD, .p_offset = 0, .p_paddr = 0x20a000, .p_filesz = 0, .p_memsz = 0x100 },
    };
    struct image elf = image_elf(headers, 4, 0x201000, 0x6000);
    struct elf_image image;
    struct boot_stats stats;

    cr_expect_eq(load(&elf, INFLATE_LZ4, ROOMY, &image, &stats, NULL), 0);
    cr_expect_eq(stats.moved, 0x2800);
    image_free(&elf);
}

Test(unpack, segments_in_the_wrong_order_go_aside)
{
    const Elf64_Phdr headers[] = {
        { .p_type = PT_LOAD,
          .p_offset = 0x3000,
          .p_paddr = 0x203000,
          .p_filesz = 0x800,
          .p_memsz = 0x800 },
        { .p_type = PT_LOAD,
          .p_offset = 0x1000,
          .p_paddr = 0x204000,
          .p_filesz = 0x1800,
          .p_memsz = 0x1900 },
        /* no bytes of the file, but an offset all the same */
        { .p_type = PT_LOAD, .p_offset = UINT64_MAX - 7, .p_paddr = 0x206000, .p_memsz = 0x100 },
    };
    struct image elf = image_elf(headers, 3, 0x203000, 0x4000);
    struct elf_image image;
    struct boot_stats stats;

    cr_expect_eq(load(&elf, INFLATE_ZSTD, ROOMY, &image, &stats, NULL), 0);
    cr_expect_eq(stats.moved, 0x2000);
    image_free(&elf);
}

static struct elf_image two_segments(uint64_t offset0, gpa_t paddr0, uint64_t offset1, gpa_t paddr1)
{
    return (struct elf_image){
        .segment_count = 2,
        .segments = { { .offset = offset0, .paddr = paddr0, .filesz = 0x100, .memsz = 0x100 },
                      { .offset = offset1, .paddr = paddr1, .filesz = 0x100, .memsz = 0x100 } },
    };
}

Test(unpack, the_base_lets_segments_move_down_only)
{
    struct elf_image image = two_segments(0x1000, 0x201000, 0x3000, 0x202000);
    gpa_t base = 0;

    cr_expect(unpack_base(&image, 0x4000, 0x100000, 0x204000, &base));
    cr_expect_eq(base, 0x200000);
    cr_expect_not(unpack_base(&image, 0x4000, 0x100000, 0x203fff, &base), "ends beyond memory");
    cr_expect_not(unpack_base(&image, 0x4000, 0x200001, 0x204000, &base), "starts too low");
    cr_expect_not(unpack_base(&image, 0x4000, 0x100000, 0x1fffff, &base));

    image = two_segments(0x1000, 0x201000, 0x3000, 0x203001);
    cr_expect_not(unpack_base(&image, 0x4000, 0x100000, 0x300000, &base), "would move up");
    image = two_segments(0x300000, 0x201000, 0x301000, 0x202000);
    cr_expect_not(unpack_base(&image, 0x4000, 0, 0x300000, &base), "below address 0");
    image = two_segments(0x300000, 0x200000, 0x3000, 0x203000);
    image.segments[0].filesz = 0;
    cr_expect(unpack_base(&image, 0x4000, 0x100000, 0x300000, &base), "a bss has no place");
    cr_expect_eq(base, 0x200000);
    image.segments[1].filesz = 0;
    cr_expect_not(unpack_base(&image, 0x4000, 0x100000, 0x300000, &base));
}

Test(unpack, more_than_memory_is_refused_before_it_is_unpacked)
{
    struct image elf = image_kernel(0);
    struct elf_image image;
    struct boot_stats stats;
    struct err e;

    cr_expect_eq(load(&elf, INFLATE_GZIP, 0xb000, &image, &stats, &e), -EFBIG);
    cr_expect_str_eq(
        e.text,
        "unpacks to 45347 bytes, but the guest has only 45056 bytes of memory for it; give the "
        "guest more");
    cr_expect_eq(load(&elf, INFLATE_GZIP, TIGHT - 0x1000, &image, &stats, &e), -EFAULT);
    cr_expect_eq(strncmp(e.text, "has a segment from 0x208000 to 0x20b000", 39), 0, "%s", e.text);
    cr_expect_eq(stats.inflated, 0);
    image_free(&elf);
}

Test(unpack, a_payload_that_is_no_kernel_is_refused)
{
    struct image text = { (uint8_t[300]){ "just text" }, 300 };
    struct image elf = image_kernel(0);
    struct elf_image image;
    struct boot_stats stats;
    struct err e;

    cr_expect_eq(load(&text, INFLATE_XZ, ROOMY, &image, &stats, &e), -ENOEXEC);
    cr_expect_str_eq(e.text, "is not an ELF file");
    elf.data[EI_CLASS] = ELFCLASS32;
    cr_expect_eq(load(&elf, INFLATE_XZ, ROOMY, &image, &stats, &e), -ENOEXEC);
    image_free(&elf);
}

/* Both ways of unpacking, with a size that is too small and one that is too large. */
Test(unpack, a_payload_that_lies_about_its_size_is_refused)
{
    struct image elf = image_kernel(0);

    for (unsigned f = 0; f < INFLATE_FORMATS; f++) {
        for (int lie = -1; lie <= 1; lie += 2) {
            struct image payload = image_compress((enum inflate_format)f, elf.data, elf.size);
            struct image file = image_bzimage(&payload);
            struct bzimage b;
            cr_assert_eq(bzimage_read(&b, file.data, file.size, NULL), 0);
            b.unpacked += (uint32_t)lie;
            for (unsigned tight = 0; tight < 2; tight++) {
                struct mem m = image_memory(tight ? TIGHT : ROOMY, false);
                struct elf_image image;
                struct boot_stats stats = { 0 };
                struct err e;
                cr_expect_eq(unpack_load(&b, &m, &image, &stats, &e), -EBADMSG);
                cr_expect_eq(strncmp(e.text, "is damaged: ", 12), 0, "%s", e.text);
                mem_finish(&m);
            }
            image_free(&file);
            image_free(&payload);
        }
    }
    image_free(&elf);
}
