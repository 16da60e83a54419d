/* The initrd: where it goes, and what does not fit. */
#include "core/x86/boot/initrd.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/units.h"
#include "core/x86/image/kernel.h"
#include "core/x86/layout.h"
#include "lib/x86/image.h"

static const struct kernel kernel = { .end = 3 * MIB, .initrd_last = LAYOUT_GAP_START - 1 };

Test(initrd, goes_as_high_as_it_can)
{
    gpa_t gpa = 0;

    cr_expect(initrd_place(0x1000, 0x10000, 0x2000, &gpa));
    cr_expect_eq(gpa, 0xe000);
    cr_expect(initrd_place(0x1000, 0x10000, 0x2001, &gpa));
    cr_expect_eq(gpa, 0xd000);
    cr_expect(initrd_place(0x1000, 0x10000, 0xf000, &gpa));
    cr_expect_eq(gpa, 0x1000);
    cr_expect(initrd_place(0x1000, 0x10fff, 0x1000, &gpa));
    cr_expect_eq(gpa, 0xf000);
}

Test(initrd, never_overlaps_what_is_below_or_above)
{
    gpa_t gpa;

    cr_expect_not(initrd_place(0x1000, 0x10000, 0xf001, &gpa));
    cr_expect_not(initrd_place(0x1001, 0x10000, 0xf000 - 1, &gpa), "the page below is not free");
    cr_expect_not(initrd_place(0x20000, 0x10000, 1, &gpa));
    cr_expect_not(initrd_place(0x1000, 0x10000, UINT64_MAX, &gpa));
}

static int load(const char *path, const struct kernel *k, uint64_t ram, struct initrd *out,
                const struct image *want, struct err *e)
{
    struct mem m = image_memory(ram, false);
    int ret = initrd_load(path, &m, k, out, e);

    if (ret == 0)
        cr_expect_arr_eq(mem_at(&m, out->gpa, out->size), want->data, want->size);
    mem_finish(&m);
    return ret;
}

Test(initrd, is_read_to_the_end_of_low_memory)
{
    struct image image = image_kernel(0);
    struct kernel k = kernel;
    struct initrd initrd;
    char path[IMAGE_PATH];

    image_save(&image, path);
    cr_expect_eq(load(path, &k, 4 * MIB, &initrd, &image, NULL), 0);
    cr_expect_eq(initrd.gpa, 4 * MIB - 0xc000);
    cr_expect_eq(initrd.size, image.size);

    k.initrd_last = 0x37ffff;
    cr_expect_eq(load(path, &k, 4 * MIB, &initrd, &image, NULL), 0);
    cr_expect_eq(initrd.gpa, 0x380000 - 0xc000);

    k = kernel;
    cr_expect_eq(load(path, &k, LAYOUT_GAP_START + 64 * MIB, &initrd, &image, NULL), 0);
    cr_expect_eq(initrd.gpa, LAYOUT_GAP_START - 0xc000);
    (void)unlink(path);
    image_free(&image);
}

Test(initrd, larger_than_memory_names_both_sizes)
{
    struct image image = image_kernel(0);
    struct kernel k = kernel;
    struct initrd initrd;
    struct err e;
    char path[IMAGE_PATH];

    image_save(&image, path);
    cr_expect_eq(load(path, &k, 3 * MIB + 0x8000, &initrd, &image, &e), -EFBIG);
    cr_expect(strstr(e.text, path), "%s", e.text);
    cr_expect(strstr(e.text, "45347 bytes do not fit: the guest's memory of 3178496 bytes leaves "
                             "32768 above the kernel; give the guest more"),
              "%s", e.text);
    k.initrd_last = 0;
    cr_expect_eq(load(path, &k, 4 * MIB, &initrd, &image, &e), -EFBIG);
    cr_expect(strstr(e.text, "leaves 0 above the kernel"), "%s", e.text);
    (void)unlink(path);
    image_free(&image);
}

Test(initrd, a_file_that_is_none_is_named)
{
    struct image empty = { NULL, 0 };
    struct initrd initrd;
    struct err e;
    char path[IMAGE_PATH];

    cr_expect_eq(load("/nonexistent/i", &kernel, 4 * MIB, &initrd, NULL, &e), -ENOENT);
    cr_expect_str_eq(e.text, "initrd /nonexistent/i: cannot be opened: No such file or directory");
    cr_expect_eq(load("/tmp", &kernel, 4 * MIB, &initrd, NULL, &e), -EISDIR);
    cr_expect_str_eq(e.text, "initrd /tmp: is a directory");
    image_save(&empty, path);
    cr_expect_eq(load(path, &kernel, 4 * MIB, &initrd, NULL, &e), -ENODATA);
    cr_expect(strstr(e.text, ": is empty"));
    (void)unlink(path);
}
