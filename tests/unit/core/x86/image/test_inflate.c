/* Decompression: all four formats, whole and in part, damaged, cut and lying. */
#include "core/x86/image/inflate.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "lib/x86/image.h"

#define SIZE 20000u

static struct image text(size_t size)
{
    struct image image = { malloc(size), size };

    for (size_t i = 0; i < size; i++)
        image.data[i] = (uint8_t)(i % 251 ^ i >> 9);
    return image;
}

/* The stream without the size that a bzImage has behind it. */
static struct inflate_input input_of(const struct image *packed, enum inflate_format format)
{
    return (struct inflate_input){
        .format = format,
        .data = packed->data,
        .size = packed->size - (format == INFLATE_GZIP ? 0 : 4),
    };
}

struct sample {
    struct image plain;
    struct image packed;
    struct image out; /* as large as plain */
    struct inflate_input in;
};

static struct sample sample_new(unsigned format, size_t size)
{
    struct sample s = { .plain = text(size) };

    s.packed = image_compress((enum inflate_format)format, s.plain.data, size);
    s.out = (struct image){ calloc(1, size), size };
    s.in = input_of(&s.packed, (enum inflate_format)format);
    return s;
}

static void sample_free(struct sample *s)
{
    image_free(&s->plain);
    image_free(&s->packed);
    image_free(&s->out);
}

#define EACH_FORMAT(f) for (unsigned f = 0; f < INFLATE_FORMATS; f++)

Test(inflate, each_format_is_told_by_its_magic)
{
    EACH_FORMAT(f)
    {
        struct sample s = sample_new(f, SIZE);
        enum inflate_format format = INFLATE_FORMATS;
        cr_expect_eq(inflate_detect(s.in.data, s.in.size, &format, NULL), 0);
        cr_expect_eq(format, f);
        cr_expect_eq(inflate_detect(s.in.data, 1, &format, NULL), -ENOTSUP);
        sample_free(&s);
    }
    cr_expect_str_eq(inflate_name(INFLATE_GZIP), "gzip");
    cr_expect_str_eq(inflate_name(INFLATE_LZ4), "lz4");
    cr_expect_str_eq(inflate_name(INFLATE_ZSTD), "zstd");
    cr_expect_str_eq(inflate_name(INFLATE_XZ), "xz");
}

Test(inflate, gives_all_or_any_part_from_the_front)
{
    EACH_FORMAT(f)
    {
        struct sample s = sample_new(f, SIZE);
        cr_expect_eq(inflate_all(&s.in, s.out.data, SIZE, NULL), 0);
        cr_expect_arr_eq(s.out.data, s.plain.data, SIZE);
        for (size_t part = 1; part <= SIZE; part += 1777) {
            struct image head = { malloc(part), part };
            cr_expect_eq(inflate_head(&s.in, head.data, part, NULL), 0, "%u, %zu", f, part);
            cr_expect_arr_eq(head.data, s.plain.data, part);
            image_free(&head);
        }
        cr_expect_eq(inflate_head(&s.in, s.out.data, SIZE, NULL), 0);
        sample_free(&s);
    }
}

Test(inflate, lz4_crosses_its_blocks)
{
    const size_t size = (17u << 20) + 5;
    struct sample s = sample_new(INFLATE_LZ4, size);

    cr_expect_eq(inflate_all(&s.in, s.out.data, size, NULL), 0);
    cr_expect_eq(memcmp(s.out.data, s.plain.data, size), 0);
    memset(s.out.data, 0, size);
    cr_expect_eq(inflate_head(&s.in, s.out.data, (8u << 20) + 1, NULL), 0);
    cr_expect_eq(memcmp(s.out.data, s.plain.data, (8u << 20) + 1), 0);
    cr_expect_eq(inflate_head(&s.in, s.out.data, size + 1, NULL), -EBADMSG);
    sample_free(&s);
}

/* A stream that holds more than it claims is a decompression bomb. The buffer has the claimed size
 * exactly, so that a sanitizer sees any write behind it. */
Test(inflate, a_lying_size_is_refused)
{
    EACH_FORMAT(f)
    {
        struct sample s = sample_new(f, SIZE);
        struct image more = { malloc(SIZE + 1), SIZE + 1 };
        struct image less = { malloc(SIZE - 1), SIZE - 1 };
        struct err e;

        cr_expect_eq(inflate_all(&s.in, less.data, less.size, &e), -EBADMSG);
        cr_expect(strstr(e.text, "does not unpack to 19999 bytes"), "%s", e.text);
        cr_expect(strstr(e.text, inflate_name((enum inflate_format)f)), "%s", e.text);
        cr_expect_eq(inflate_all(&s.in, more.data, more.size, NULL), -EBADMSG);
        cr_expect_eq(inflate_head(&s.in, more.data, more.size, NULL), -EBADMSG);
        image_free(&more);
        image_free(&less);
        sample_free(&s);
    }
}

Test(inflate, every_truncation_is_refused)
{
    EACH_FORMAT(f)
    {
        struct sample s = sample_new(f, 2000);
        for (size_t size = 0; size < s.in.size; size++) {
            struct image cut = image_cut(&s.packed, size);
            struct inflate_input in = { (enum inflate_format)f, cut.data, size };
            cr_expect_eq(inflate_all(&in, s.out.data, s.out.size, NULL), -EBADMSG, "%u, %zu of %zu",
                         f, size, s.in.size);
            image_free(&cut);
        }
        sample_free(&s);
    }
}

Test(inflate, bytes_behind_the_stream_are_refused)
{
    EACH_FORMAT(f)
    {
        struct sample s = sample_new(f, SIZE);
        struct image longer = { calloc(1, s.in.size + 3), s.in.size + 3 };
        memcpy(longer.data, s.in.data, s.in.size);
        struct inflate_input in = { (enum inflate_format)f, longer.data, longer.size };
        cr_expect_eq(inflate_all(&in, s.out.data, SIZE, NULL), -EBADMSG, "%u", f);
        image_free(&longer);
        sample_free(&s);
    }
}

Test(inflate, a_flipped_bit_never_passes_for_the_original)
{
    EACH_FORMAT(f)
    {
        struct sample s = sample_new(f, 2000);
        for (size_t bit = 0; bit < s.in.size * 8; bit += 3) {
            s.packed.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
            int ret = inflate_all(&s.in, s.out.data, s.out.size, NULL);
            bool same = memcmp(s.out.data, s.plain.data, s.out.size) == 0;
            if (f != INFLATE_LZ4) /* has no checksum */
                cr_expect(ret < 0 || same, "%u, bit %zu", f, bit);
            (void)inflate_head(&s.in, s.out.data, 100, NULL);
            s.packed.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        sample_free(&s);
    }
}

Test(inflate, an_lz4_block_of_absurd_length_is_refused)
{
    const size_t size = 9u << 20;
    uint8_t *data = calloc(1, size);
    const uint32_t words[] = { 0x184c2102, (uint32_t)size - 8 };
    struct inflate_input in = { INFLATE_LZ4, data, size };
    uint8_t out[64];

    memcpy(data, words, sizeof(words));
    cr_expect_eq(inflate_all(&in, out, sizeof(out), NULL), -EBADMSG);
    free(data);
}

/* Rewrites the dictionary size in the first block header of a stream with the one filter LZMA2. */
static void xz_set_window(uint8_t *stream, uint8_t size)
{
    const uint8_t id_and_len[] = { 0x21, 1 };
    uint8_t *header = stream + LZMA_STREAM_HEADER_SIZE;
    size_t len = (header[0] + 1u) * 4;
    uint8_t *filter = memmem(header, len, id_and_len, sizeof(id_and_len));
    uint32_t crc;

    cr_assert_not_null(filter);
    filter[2] = size;
    crc = lzma_crc32(header, len - sizeof(crc), 0);
    memcpy(header + len - sizeof(crc), &crc, sizeof(crc));
}

Test(inflate, an_xz_window_beyond_the_limit_is_refused)
{
    struct image plain = text(1000);
    lzma_options_lzma options;
    lzma_filter filters[] = { { LZMA_FILTER_LZMA2, &options }, { LZMA_VLI_UNKNOWN, NULL } };
    uint8_t packed[4096], out[1000];
    size_t n = 0;
    struct err e;

    (void)lzma_lzma_preset(&options, 0);
    cr_assert_eq(lzma_stream_buffer_encode(filters, LZMA_CHECK_CRC32, NULL, plain.data, plain.size,
                                           packed, &n, sizeof(packed)),
                 LZMA_OK);
    struct inflate_input in = { INFLATE_XZ, packed, n };

    xz_set_window(packed, 31); /* 192 MiB */
    cr_expect_eq(inflate_all(&in, out, sizeof(out), &e), -ENOMEM);
    cr_expect(strstr(e.text,
                     "needs more than 128 MiB, or more memory than the host has, to unpack its xz"),
              "%s", e.text);
    xz_set_window(packed, 30); /* 128 MiB */
    cr_expect_eq(inflate_all(&in, out, sizeof(out), &e), 0);
    cr_expect_arr_eq(out, plain.data, sizeof(out));
    image_free(&plain);
}
