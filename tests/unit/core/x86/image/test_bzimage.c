/* The bzImage reader: the header's facts, and every way it can lie. */
#include "core/x86/image/bzimage.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "core/base/err.h"
#include "lib/x86/image.h"

#define AT(field) (0x1f1 + offsetof(struct setup_header, field))

static struct image sample(enum inflate_format format)
{
    struct image kernel = image_kernel(0);
    struct image payload = image_compress(format, kernel.data, kernel.size);
    struct image image = image_bzimage(&payload);

    image_free(&payload);
    image_free(&kernel);
    return image;
}

static void refuse(struct image image, int ret, const char *why)
{
    struct bzimage b;
    struct err e = { "" };

    cr_expect_eq(bzimage_read(&b, image.data, image.size, &e), ret, "%s", why);
    cr_expect_eq(strncmp(e.text, why, strlen(why)), 0, "'%s' instead of '%s'", e.text, why);
    image_free(&image);
}

static void refuse_patched(size_t offset, uint64_t value, size_t len, int ret, const char *why)
{
    struct image image = sample(INFLATE_LZ4);

    memcpy(image.data + offset, &value, len);
    refuse(image, ret, why);
}

Test(bzimage, reads_every_payload_format)
{
    for (unsigned f = 0; f < INFLATE_FORMATS; f++) {
        struct image image = sample((enum inflate_format)f);
        struct image kernel = image_kernel(0);
        struct image out = image_cut(&kernel, kernel.size);
        struct bzimage b;

        memset(out.data, 0, out.size);
        cr_assert(bzimage_is(image.data, image.size));
        cr_assert_eq(bzimage_read(&b, image.data, image.size, NULL), 0);
        cr_expect_eq(b.payload.format, f);
        cr_expect_eq(b.unpacked, kernel.size);
        cr_expect_eq(b.header.initrd_addr_max, 0x7fffffff);
        cr_expect_eq(inflate_all(&b.payload, out.data, out.size, NULL), 0);
        cr_expect_arr_eq(out.data, kernel.data, kernel.size);
        image_free(&out);
        image_free(&kernel);
        image_free(&image);
    }
}

Test(bzimage, no_setup_sectors_means_four)
{
    struct image image = sample(INFLATE_GZIP);
    struct bzimage with, without;

    cr_assert_eq(bzimage_read(&with, image.data, image.size, NULL), 0);
    image.data[0x1f1] = 0;
    cr_assert_eq(bzimage_read(&without, image.data, image.size, NULL), 0);
    cr_expect_eq(with.payload.data, without.payload.data);
    image_free(&image);
}

Test(bzimage, every_truncation_is_refused)
{
    struct image image = sample(INFLATE_ZSTD);
    size_t whole = image.size - 77; /* without padding that no header mentions */
    struct bzimage b;

    for (size_t size = 0; size < whole; size++) {
        struct image cut = image_cut(&image, size);
        struct err e = { "" };
        const char *why = size < 0x26c ? "is not a bzImage" : "is cut short or damaged: ";

        cr_expect_eq(bzimage_is(cut.data, size), size >= 0x26c);
        cr_expect_eq(bzimage_read(&b, cut.data, size, &e), -ENOEXEC, "%zu bytes", size);
        cr_expect_eq(strncmp(e.text, why, strlen(why)), 0, "%zu bytes: %s", size, e.text);
        image_free(&cut);
    }
    cr_expect_eq(bzimage_read(&b, image.data, whole, NULL), 0);
    image_free(&image);
}

Test(bzimage, what_cannot_be_booted_is_named)
{
    refuse_patched(AT(header), 0x12345678, 4, -ENOEXEC, "is not a bzImage");
    refuse_patched(AT(version), 0x020b, 2, -ENOEXEC, "has boot protocol 2.11; 2.12 or later");
    refuse_patched(AT(version), 0x0001, 2, -ENOEXEC, "has boot protocol 0.01");
    refuse_patched(AT(jump) + 1, 0x40, 1, -ENOEXEC, "has a setup header that ends at 0x242");
    refuse_patched(AT(loadflags), 0, 1, -ENOEXEC, "is a zImage");
    refuse_patched(AT(xloadflags), 0, 2, -ENOEXEC, "is a 32-bit kernel: take");
}

Test(bzimage, a_lying_payload_is_refused)
{
    refuse_patched(AT(payload_offset), UINT32_MAX, 4, -ENOEXEC, "is cut short or damaged: ");
    refuse_patched(AT(payload_length), UINT32_MAX, 4, -ENOEXEC, "is cut short or damaged: ");
    refuse_patched(AT(setup_sects), 255, 1, -ENOEXEC, "is cut short or damaged: ");
    refuse_patched(AT(payload_length), 0, 4, -ENOEXEC, "has no compressed kernel in it");
    refuse_patched(AT(payload_length), 4, 4, -ENOEXEC, "has no compressed kernel in it");
    refuse_patched(AT(payload_length), 7, 4, -ENOTSUP, "is in no known compression format");
    refuse_patched(AT(payload_offset), 0x124, 4, -ENOTSUP, "is in no known compression format");
}

Test(bzimage, a_payload_of_nothing_is_refused)
{
    struct image payload = image_compress(INFLATE_GZIP, "", 0);
    struct image image = image_bzimage(&payload);

    image_free(&payload);
    refuse(image, -ENOEXEC, "is damaged: its payload claims to unpack to nothing");
}

Test(bzimage, other_compressions_are_named)
{
    refuse_patched(
        5 * 512 + 0x123, 0x685a42, 3, -ENOTSUP,
        "is compressed with bzip2, and mote unpacks only gzip, lz4, zstd and xz: unpack it first");
    refuse_patched(5 * 512 + 0x123, 0x4f5a4c89, 4, -ENOTSUP, "is compressed with lzo");
    refuse_patched(5 * 512 + 0x123, 0x00005d, 3, -ENOTSUP, "is compressed with lzma");
}

/* A kernel of 2.12 declares a header that ends before kernel_info_offset. */
Test(bzimage, what_the_header_does_not_declare_reads_as_zero)
{
    struct image image = sample(INFLATE_LZ4);
    struct bzimage b;

    image.data[0x201] = 0x66;
    memset(image.data + 0x268, 0xff, 4);
    cr_assert_eq(bzimage_read(&b, image.data, image.size, NULL), 0);
    cr_expect_eq(b.header.kernel_info_offset, 0);
    cr_expect_eq(b.header.init_size, 0x100000);
    image_free(&image);
}
