/* vmlinux: what is mapped, what is copied, and that the guest cannot tell. */
#include "core/x86/image/vmlinux.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/units.h"
#include "core/x86/boot/boot.h"
#include "core/x86/image/boot_file.h"
#include "core/x86/image/elf.h"
#include "lib/x86/image.h"

#define RAM (IMAGE_KERNEL_BASE + 0x10000)

struct loaded {
    struct boot_file file;
    struct mem m;
    struct boot_stats stats;
};

static int load_into(struct mem m, const struct image *elf, struct loaded *l, struct err *e)
{
    struct elf_image image;
    char path[IMAGE_PATH];

    *l = (struct loaded){ .m = m };
    image_save(elf, path);
    cr_assert_eq(boot_file_open(&l->file, path, NULL), 0);
    (void)unlink(path);
    cr_assert_eq(elf_read(&image, elf->data, elf->size, elf->size, NULL), 0);
    return vmlinux_load(&l->file, &image, &l->m, &l->stats, e);
}

static int load(const struct image *elf, bool shared, struct loaded *l, struct err *e)
{
    return load_into(image_memory(RAM, shared), elf, l, e);
}

static void finish(struct loaded *l)
{
    boot_file_close(&l->file);
    mem_finish(&l->m);
}

static struct image one_segment(uint64_t offset, gpa_t paddr, uint64_t filesz)
{
    const Elf64_Phdr p = { .p_type = PT_LOAD,
                           .p_offset = offset,
                           .p_paddr = paddr,
                           .p_filesz = filesz,
                           .p_memsz = filesz + 0x123 };

    return image_elf(&p, 1, paddr, 0x8000);
}

static void expect_one(uint64_t offset, gpa_t paddr, uint64_t filesz, uint64_t mapped)
{
    struct image elf = one_segment(offset, paddr, filesz);
    struct loaded l;

    cr_assert_eq(load(&elf, false, &l, NULL), 0);
    cr_expect(image_is_loaded(&elf, &l.m), "0x%llx bytes to 0x%llx", (unsigned long long)filesz,
              (unsigned long long)paddr);
    cr_expect_eq(l.stats.mapped, mapped);
    cr_expect_eq(l.stats.copied, filesz - mapped);
    finish(&l);
    image_free(&elf);
}

Test(vmlinux, whole_pages_are_mapped_and_the_rest_is_copied)
{
    struct image elf = image_kernel(0);
    struct loaded l;

    cr_assert_eq(load(&elf, false, &l, NULL), 0);
    cr_expect(image_is_loaded(&elf, &l.m));
    cr_expect_eq(l.stats.mapped, 0x5000);
    cr_expect_eq(l.stats.copied, 0x345 + 0x801 + 3);
    finish(&l);
    image_free(&elf);
}

Test(vmlinux, heads_and_tails_are_copied)
{
    expect_one(0x1000, 0x201000, 0x2000, 0x2000);
    expect_one(0x1800, 0x201800, 0x2000, 0x1000);
    expect_one(0x1fff, 0x201fff, 0x1001, 0x1000);
    expect_one(0x1001, 0x201001, 0x1ffe, 0);
    expect_one(0x1001, 0x201001, 0x1fff, 0x1000);
    expect_one(0x1000, 0x201000, 0xfff, 0);
    expect_one(0x1010, 0x201010, 1, 0);
    expect_one(0x1000, 0x201000, 0, 0);
}

Test(vmlinux, what_is_not_aligned_alike_is_copied)
{
    expect_one(0x1000, 0x201010, 0x4000, 0);
    expect_one(0x1010, 0x201000, 0x4000, 0);
}

static void expect_copied(struct mem m)
{
    struct image elf = image_kernel(0);
    struct loaded l;

    cr_assert_eq(load_into(m, &elf, &l, NULL), 0);
    cr_expect(image_is_loaded(&elf, &l.m));
    cr_expect_eq(l.stats.mapped, 0);
    cr_expect_eq(l.stats.copied, 0x2345 + 0x1000 + 0x1801 + 0x1003);
    finish(&l);
    image_free(&elf);
}

Test(vmlinux, memory_that_holds_no_file_pages_is_filled_by_copying)
{
    struct mem_config c = {
        .size = RAM, .gap_start = 3 * GIB, .gap_end = 4 * GIB, .huge = MEM_HUGE_BOOT
    };
    struct mem m;

    expect_copied(image_memory(RAM, true));
    cr_assert_eq(mem_init(&m, &c, NULL), 0);
    expect_copied(m);
}

Test(vmlinux, the_guests_writes_do_not_reach_the_file)
{
    struct image elf = image_kernel(0);
    struct loaded l;
    uint8_t byte = 0;

    cr_assert_eq(load(&elf, false, &l, NULL), 0);
    memset(mem_at(&l.m, IMAGE_KERNEL_START, 0x2345), 0, 0x2345);
    cr_expect_eq(pread(l.file.fd, &byte, 1, 0x1001), 1);
    cr_expect_eq(byte, elf.data[0x1001]);
    cr_expect_neq(byte, 0);
    finish(&l);
    image_free(&elf);
}

/* The header was judged when the file was longer. */
Test(vmlinux, a_file_that_shrank_is_refused)
{
    struct elf_image image = {
        .segment_count = 1,
        .segments = { { .offset = 0x1000, .paddr = 0x201000, .filesz = 0x2000, .memsz = 0x2000 } },
    };
    struct image elf = one_segment(0x1000, 0x201000, 0x1000);
    struct loaded l;
    struct err e;

    elf.size = 0x1800;
    for (int shared = 0; shared < 2; shared++) {
        char path[IMAGE_PATH];
        l = (struct loaded){ .m = image_memory(RAM, shared) };
        image_save(&elf, path);
        cr_assert_eq(boot_file_open(&l.file, path, NULL), 0);
        (void)unlink(path);
        cr_expect_eq(vmlinux_load(&l.file, &image, &l.m, &l.stats, &e), shared ? -EIO : -EINVAL,
                     "%s", e.text);
        finish(&l);
    }
    image_free(&elf);
}

Test(vmlinux, a_segment_outside_memory_is_refused)
{
    struct image elf = one_segment(0x1010, RAM - 0x10, 0x100);
    struct loaded l;
    struct err e;

    cr_expect_eq(load(&elf, false, &l, &e), -EFAULT);
    cr_expect_str_eq(e.text, "has a segment at 0x20fff0, where the guest has no memory");
    finish(&l);
    image_free(&elf);
}
