/* Kernel files: every format to the same memory, and the entry that is chosen. */
#include "core/x86/image/kernel.h"

#include <criterion/criterion.h>
#include <elf.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/x86/layout.h"
#include "lib/x86/image.h"

#define RAM (IMAGE_KERNEL_BASE + 0x10000)

/* Loads these bytes as a file; where that succeeds, memory must hold `elf`. */
static int load(const struct image *file, const struct image *elf, struct kernel *k,
                struct boot_stats *stats, struct err *e)
{
    struct mem m = image_memory(RAM, false);
    char path[IMAGE_PATH];
    int ret;

    *stats = (struct boot_stats){ 0 };
    image_save(file, path);
    ret = kernel_load(path, &m, k, stats, e);
    (void)unlink(path);
    if (ret == 0)
        cr_expect(image_is_loaded(elf, &m));
    else
        cr_expect(strncmp(e->text, "kernel /tmp/mote-test-", 22) == 0, "%s", e->text);
    mem_finish(&m);
    return ret;
}

static struct image bzimage_of(const struct image *elf, enum inflate_format format)
{
    struct image payload = image_compress(format, elf->data, elf->size);
    struct image file = image_bzimage(&payload);

    image_free(&payload);
    return file;
}

Test(kernel, an_elf_file_with_the_note_boots_by_pvh)
{
    struct image elf = image_kernel(0x201200);
    struct boot_stats stats;
    struct kernel k;

    cr_expect_eq(load(&elf, &elf, &k, &stats, NULL), 0);
    cr_expect_eq(k.protocol, BOOT_PVH);
    cr_expect_eq(k.entry, 0x201200);
    cr_expect_eq(k.end, IMAGE_KERNEL_END);
    cr_expect_eq(k.initrd_last, LAYOUT_GAP_START - 1);
    cr_expect_eq(k.header.header, 0);
    cr_expect_str_eq(stats.format, "vmlinux");
    cr_expect_eq(stats.protocol, BOOT_PVH);
    cr_expect_eq(stats.kernel_end, IMAGE_KERNEL_END);
    cr_expect_eq(stats.mapped, 0x5000);
    image_free(&elf);
}

Test(kernel, without_the_note_it_boots_by_the_64_bit_protocol)
{
    struct image elf = image_kernel(0);
    struct boot_stats stats;
    struct kernel k;

    cr_expect_eq(load(&elf, &elf, &k, &stats, NULL), 0);
    cr_expect_eq(k.protocol, BOOT_LINUX64);
    cr_expect_eq(k.entry, IMAGE_KERNEL_START);
    cr_expect_eq(stats.protocol, BOOT_LINUX64);
    image_free(&elf);
}

/* The kernel that offers both, with a note that says it is Linux; of the same size as the note in
 * whose place it is. */
static struct image linux_kernel(uint64_t pvh, uint64_t entry)
{
    struct image elf = image_kernel(pvh);

    (void)image_note(&elf, image_kernel_headers[4].p_offset, "Linux", 256, 0, 4);
    memcpy(elf.data + offsetof(Elf64_Ehdr, e_entry), &entry, sizeof(entry));
    return elf;
}

Test(kernel, linux_boots_by_its_own_protocol)
{
    struct image elf = linux_kernel(0x201200, IMAGE_KERNEL_START);
    struct image bzimage = bzimage_of(&elf, INFLATE_LZ4);
    struct boot_stats stats;
    struct kernel k;

    cr_expect_eq(load(&elf, &elf, &k, &stats, NULL), 0);
    cr_expect_eq(k.protocol, BOOT_LINUX64);
    cr_expect_eq(k.entry, IMAGE_KERNEL_START);
    cr_expect_eq(load(&bzimage, &elf, &k, &stats, NULL), 0);
    cr_expect_eq(k.protocol, BOOT_LINUX64);
    cr_expect_eq(k.entry, IMAGE_KERNEL_START);
    image_free(&bzimage);
    image_free(&elf);
}

Test(kernel, linux_without_an_entry_of_its_own_boots_by_pvh)
{
    struct image elf = linux_kernel(0x201200, 0x100000);
    struct boot_stats stats;
    struct kernel k;

    cr_expect_eq(load(&elf, &elf, &k, &stats, NULL), 0);
    cr_expect_eq(k.protocol, BOOT_PVH);
    cr_expect_eq(k.entry, 0x201200);
    image_free(&elf);
}

Test(kernel, a_virtual_entry_is_translated)
{
    struct image elf = image_elf(image_kernel_headers, 4, 0xffffffff81004010, IMAGE_KERNEL_SIZE);
    struct boot_stats stats;
    struct kernel k;

    cr_expect_eq(load(&elf, &elf, &k, &stats, NULL), 0);
    cr_expect_eq(k.entry, IMAGE_KERNEL_BASE + 0x4010);
    image_free(&elf);
}

Test(kernel, a_bzimage_is_the_kernel_inside)
{
    static const char *const labels[] = { "bzImage (gzip)", "bzImage (lz4)", "bzImage (zstd)",
                                          "bzImage (xz)" };
    struct image elf = image_kernel(0x201200);

    for (unsigned f = 0; f < INFLATE_FORMATS; f++) {
        struct image file = bzimage_of(&elf, (enum inflate_format)f);
        struct boot_stats stats;
        struct kernel k;
        cr_expect_eq(load(&file, &elf, &k, &stats, NULL), 0);
        cr_expect_eq(k.protocol, BOOT_PVH);
        cr_expect_eq(k.entry, 0x201200);
        cr_expect_eq(k.initrd_last, 0x7fffffff);
        cr_expect_eq(k.header.version, 0x020f);
        cr_expect_str_eq(stats.format, labels[f]);
        cr_expect_eq(stats.inflated, IMAGE_KERNEL_SIZE);
        image_free(&file);
    }
    image_free(&elf);
}

static void refuse(struct image file, int code, const char *why)
{
    struct boot_stats stats;
    struct kernel k;
    struct err e = { "" };

    cr_expect_eq(load(&file, NULL, &k, &stats, &e), -code, "%s", why);
    cr_expect(strstr(e.text, why), "'%s' in '%s'", why, e.text);
    image_free(&file);
}

Test(kernel, what_is_no_kernel_is_refused)
{
    struct image elf = image_kernel(0);

    refuse(image_cut(&elf, 0), ENODATA, ": is empty");
    refuse(image_cut(&elf, 3), ENOEXEC, ": is not a kernel: neither an ELF file nor a bzImage");
    refuse(image_cut(&elf, 63), ENOEXEC, ": is cut short: ");
    memset(elf.data, 0, 4);
    refuse(image_cut(&elf, elf.size), ENOEXEC, ": is not a kernel");
    image_free(&elf);
}

/* As packages and build servers hand them out. */
Test(kernel, what_has_a_kernel_in_it_says_how_to_get_it_out)
{
    static const char *const names[] = { "gzip", "lz4", "zstd", "xz" };
    struct image elf = image_kernel(0);
    char why[80];

    for (unsigned f = 0; f < INFLATE_FORMATS; f++) {
        (void)snprintf(why, sizeof(why), ": is a file packed with %s: unpack it first", names[f]);
        refuse(image_compress((enum inflate_format)f, elf.data, elf.size), ENOEXEC, why);
    }
    memcpy(elf.data, "MZ", 2);
    refuse(image_cut(&elf, elf.size), ENOEXEC, "objcopy -O binary -j .linux");
    refuse(image_cut(&elf, 2), ENOEXEC, ": is an EFI program");
    refuse(image_cut(&elf, 1), ENOEXEC, ": is not a kernel");
    image_free(&elf);
}

Test(kernel, an_entry_outside_the_segments_is_refused)
{
    refuse(image_elf(image_kernel_headers, 4, 0x200000, IMAGE_KERNEL_SIZE), ENOEXEC,
           ": has its entry point, 0x200000, in none of its segments");
    refuse(image_kernel(0x1000), ENOEXEC,
           ": has its PVH entry point, 0x1000, in none of its segments");
}

Test(kernel, segments_outside_memory_are_refused)
{
    Elf64_Phdr p = image_kernel_headers[0];

    p.p_paddr = 0xff000;
    refuse(image_elf(&p, 1, p.p_paddr, 0x4000), EFAULT,
           ": has a segment at 0xff000; a kernel has to lie at or above 0x100000");
    p.p_paddr = RAM - 0x2000;
    refuse(image_elf(&p, 1, p.p_paddr, 0x4000), EFAULT, "; give the guest more");
}

Test(kernel, a_damaged_bzimage_is_refused)
{
    struct image elf = image_kernel(0);
    struct image file = bzimage_of(&elf, INFLATE_ZSTD);

    refuse(image_cut(&file, file.size / 2), ENOEXEC, ": is cut short or damaged: ");
    file.data[file.size - 2000] ^= 0x10;
    refuse(image_cut(&file, file.size), EBADMSG, ": is damaged: its zstd data");
    image_free(&file);
    image_free(&elf);
}

Test(kernel, a_missing_file_is_named)
{
    struct mem m = image_memory(RAM, false);
    struct boot_stats stats;
    struct kernel k;
    struct err e;

    cr_expect_eq(kernel_load("/nonexistent/vmlinux", &m, &k, &stats, &e), -ENOENT);
    cr_expect_str_eq(e.text,
                     "kernel /nonexistent/vmlinux: cannot be opened: No such file or directory");
    mem_finish(&m);
}
