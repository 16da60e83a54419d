/* Kernel files: which format one has, and where the processor starts in it. */
#include "core/x86/image/kernel.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "core/base/err.h"
#include "core/x86/image/boot_file.h"
#include "core/x86/image/bzimage.h"
#include "core/x86/image/elf.h"
#include "core/x86/image/unpack.h"
#include "core/x86/image/vmlinux.h"
#include "core/x86/layout.h"

static const char *const bzimage_labels[] = {
    [INFLATE_GZIP] = "bzImage (gzip)",
    [INFLATE_LZ4] = "bzImage (lz4)",
    [INFLATE_ZSTD] = "bzImage (zstd)",
    [INFLATE_XZ] = "bzImage (xz)",
};

static_assert(sizeof(bzimage_labels) / sizeof(bzimage_labels[0]) == INFLATE_FORMATS,
              "one label for each format");

/* Linux is entered by its own protocol: by PVH, it first looks for Xen at 256 CPUID leaves, each of
 * which is an exit. Other kernels are entered by PVH if they offer it. A PVH entry is physical by
 * definition; the one in the ELF header may be virtual. */
static int kernel_choose_entry(const struct elf_image *image, struct kernel *k, struct err *e)
{
    bool by_header = elf_physical(image, image->entry, &k->entry);

    if (image->has_pvh && !(image->is_linux && by_header)) {
        k->protocol = BOOT_PVH;
        k->entry = image->pvh_entry;
        if (elf_holds(image, k->entry))
            return 0;
    } else {
        k->protocol = BOOT_LINUX64;
        if (by_header)
            return 0;
    }
    return err_set(e, ENOEXEC, "has its %sentry point, 0x%llx, in none of its segments",
                   image->has_pvh ? "PVH " : "", (unsigned long long)k->entry);
}

static int kernel_load_vmlinux(const struct boot_file *f, struct mem *m, struct elf_image *image,
                               struct boot_stats *stats, struct err *e)
{
    int ret = elf_read(image, f->data, f->size, f->size, e);

    if (ret == 0)
        ret = elf_fits(image, LAYOUT_HIGH_RAM, m->regions[0].size, e);
    if (ret < 0)
        return ret;
    stats->format = "vmlinux";
    elf_read_notes(image, f->data);
    return vmlinux_load(f, image, m, stats, e);
}

static int kernel_load_bzimage(const struct boot_file *f, struct mem *m, struct elf_image *image,
                               struct kernel *k, struct boot_stats *stats, struct err *e)
{
    struct bzimage b;
    int ret = bzimage_read(&b, f->data, f->size, e);

    if (ret < 0)
        return ret;
    stats->format = bzimage_labels[b.payload.format];
    k->header = b.header;
    k->initrd_last = b.header.initrd_addr_max;
    return unpack_load(&b, m, image, stats, e);
}

/* Says what a file that is not a kernel seems to be, and what the operator can do about it. */
static int kernel_refuse(const struct boot_file *f, struct err *e)
{
    enum inflate_format format;

    if (inflate_detect(f->data, f->size, &format, NULL) == 0)
        return err_set(e, ENOEXEC, "is a file packed with %s: unpack it first",
                       inflate_name(format));
    if (f->size >= 2 && memcmp(f->data, "MZ", 2) == 0)
        return err_set(e, ENOEXEC,
                       "is an EFI program, not a bzImage: to get the kernel out of a unified "
                       "kernel image, use 'objcopy -O binary -j .linux'");
    return err_set(e, ENOEXEC, "is not a kernel: neither an ELF file nor a bzImage");
}

static int kernel_load_file(struct boot_file *f, struct mem *m, struct kernel *k,
                            struct boot_stats *stats, struct err *e)
{
    struct elf_image image;
    int ret = boot_file_map(f, e);

    if (ret < 0)
        return ret;
    if (elf_is(f->data, f->size))
        ret = kernel_load_vmlinux(f, m, &image, stats, e);
    else if (bzimage_is(f->data, f->size))
        ret = kernel_load_bzimage(f, m, &image, k, stats, e);
    else
        ret = kernel_refuse(f, e);
    if (ret < 0)
        return ret;

    k->end = elf_end(&image);
    stats->kernel_end = k->end;
    ret = kernel_choose_entry(&image, k, e);
    stats->protocol = k->protocol;
    return ret;
}

int kernel_load(const char *path, struct mem *m, struct kernel *k, struct boot_stats *stats,
                struct err *e)
{
    struct boot_file f;
    int ret = boot_file_open(&f, path, e);

    *k = (struct kernel){ .initrd_last = LAYOUT_GAP_START - 1 };
    if (ret == 0)
        ret = kernel_load_file(&f, m, k, stats, e);
    boot_file_close(&f);
    return ret < 0 ? err_wrap(e, ret, "kernel %s", path) : 0;
}
