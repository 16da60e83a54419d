/*
 * Payload decompression: gzip, lz4, zstd and xz.
 *
 * Each decoder serves both inflate_head and inflate_all. It fills the output; if `all` is set, the
 * input must then be at its end, too. A decoder returns 0, -EBADMSG or -ENOMEM and leaves the
 * sentence to its caller. The libraries verify the checksums that the formats carry; lz4's legacy
 * frame carries none.
 */
#include "core/x86/image/inflate.h"

#include <assert.h>
#include <errno.h>
#include <lz4.h>
#include <lzma.h>
#include <stdbool.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "core/base/err.h"

#define LZ4_MAGIC_LEN       4u
#define LZ4_BLOCK_MAX       (8 << 20)  /* unpacked bytes of a block in the legacy frame */
#define XZ_DECODER_MEMORY   (1u << 20) /* what liblzma takes besides the window, generously */
#define ZSTD_WINDOW_LOG_MAX 27

static_assert(1u << ZSTD_WINDOW_LOG_MAX == INFLATE_WINDOW_MAX, "one limit for all formats");

static int gzip_decode(const struct inflate_input *in, void *to, size_t size, bool all)
{
    z_stream z = { .next_in = (Bytef *)in->data, .next_out = to };
    int ret;

    if (in->size > UINT32_MAX || size > UINT32_MAX)
        return -EBADMSG; /* zlib counts in 32 bits, as the kernel's header does */
    if (inflateInit2(&z, MAX_WBITS + 16) != Z_OK)
        return -ENOMEM;
    z.avail_in = (uInt)in->size;
    z.avail_out = (uInt)size;
    ret = inflate(&z, Z_FINISH);
    (void)inflateEnd(&z);

    if (ret == Z_MEM_ERROR)
        return -ENOMEM;
    if (z.avail_out > 0)
        return -EBADMSG;
    if (all)
        return ret == Z_STREAM_END && z.avail_in == 0 ? 0 : -EBADMSG;
    return ret == Z_STREAM_END || ret == Z_OK || ret == Z_BUF_ERROR ? 0 : -EBADMSG;
}

/* The legacy frame: a magic number, then blocks, each a 32-bit length and that many bytes. No block
 * refers to an earlier one. */
static int lz4_decode(const struct inflate_input *in, void *to, size_t size, bool all)
{
    const char *at = (const char *)in->data + LZ4_MAGIC_LEN;
    size_t left = in->size - LZ4_MAGIC_LEN;
    char *out = to;

    if (in->size < LZ4_MAGIC_LEN)
        return -EBADMSG;
    while (all ? left > 0 : size > 0) {
        uint32_t packed;
        if (left < sizeof(packed))
            return -EBADMSG;
        memcpy(&packed, at, sizeof(packed));
        at += sizeof(packed);
        left -= sizeof(packed);
        if (packed > left || packed > LZ4_COMPRESSBOUND(LZ4_BLOCK_MAX))
            return -EBADMSG;

        int room = size < LZ4_BLOCK_MAX ? (int)size : LZ4_BLOCK_MAX;
        int n = all ? LZ4_decompress_safe(at, out, (int)packed, room)
                    : LZ4_decompress_safe_partial(at, out, (int)packed, room, room);
        if (n <= 0)
            return -EBADMSG;
        out += n;
        size -= (size_t)n;
        at += packed;
        left -= packed;
    }
    return size == 0 ? 0 : -EBADMSG;
}

/* Only a streaming decoder can stop early, but it allocates a window; ZSTD_decompress does not. */
static int zstd_decode_head(const struct inflate_input *in, void *to, size_t size)
{
    ZSTD_DStream *stream = ZSTD_createDStream();
    ZSTD_inBuffer from = { .src = in->data, .size = in->size };
    ZSTD_outBuffer out = { .dst = to, .size = size };
    size_t ret = 0;

    if (!stream)
        return -ENOMEM;
    (void)ZSTD_DCtx_setParameter(stream, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX);
    while (!ZSTD_isError(ret) && out.pos < out.size && from.pos < from.size)
        ret = ZSTD_decompressStream(stream, &out, &from);
    (void)ZSTD_freeDStream(stream);

    if (ZSTD_getErrorCode(ret) == ZSTD_error_memory_allocation ||
        ZSTD_getErrorCode(ret) == ZSTD_error_frameParameter_windowTooLarge)
        return -ENOMEM;
    return !ZSTD_isError(ret) && out.pos == out.size ? 0 : -EBADMSG;
}

static int zstd_decode(const struct inflate_input *in, void *to, size_t size, bool all)
{
    size_t n;

    if (!all)
        return zstd_decode_head(in, to, size);
    n = ZSTD_decompress(to, size, in->data, in->size);
    return !ZSTD_isError(n) && n == size ? 0 : -EBADMSG;
}

static int xz_decode(const struct inflate_input *in, void *to, size_t size, bool all)
{
    lzma_stream s = LZMA_STREAM_INIT;
    lzma_ret ret = lzma_stream_decoder(&s, INFLATE_WINDOW_MAX + XZ_DECODER_MEMORY, 0);

    if (ret != LZMA_OK)
        return -ENOMEM;
    s.next_in = in->data;
    s.avail_in = in->size;
    s.next_out = to;
    s.avail_out = size;
    /* A call that makes no progress returns LZMA_BUF_ERROR. */
    while (ret == LZMA_OK && (all || s.avail_out > 0))
        ret = lzma_code(&s, LZMA_FINISH);
    lzma_end(&s);

    if (ret == LZMA_MEM_ERROR || ret == LZMA_MEMLIMIT_ERROR)
        return -ENOMEM;
    if (s.avail_out > 0)
        return -EBADMSG;
    if (all)
        return ret == LZMA_STREAM_END && s.avail_in == 0 ? 0 : -EBADMSG;
    return ret == LZMA_STREAM_END || ret == LZMA_OK ? 0 : -EBADMSG;
}

static const struct format {
    const char *name;
    int (*decode)(const struct inflate_input *in, void *to, size_t size, bool all);
    uint8_t magic_len;
    uint8_t magic[6];
} formats[] = {
    [INFLATE_GZIP] = { "gzip", gzip_decode, 2, { 0x1f, 0x8b } },
    [INFLATE_LZ4] = { "lz4", lz4_decode, LZ4_MAGIC_LEN, { 0x02, 0x21, 0x4c, 0x18 } },
    [INFLATE_ZSTD] = { "zstd", zstd_decode, 4, { 0x28, 0xb5, 0x2f, 0xfd } },
    [INFLATE_XZ] = { "xz", xz_decode, 6, { 0xfd, '7', 'z', 'X', 'Z', 0 } },
};

/* What kernels can also be compressed with, but is not read here. */
static const struct format others[] = {
    { "bzip2", NULL, 3, { 'B', 'Z', 'h' } },
    { "lzma", NULL, 3, { 0x5d, 0, 0 } },
    { "lzo", NULL, 4, { 0x89, 'L', 'Z', 'O' } },
};

static_assert(sizeof(formats) / sizeof(formats[0]) == INFLATE_FORMATS, "one row for each format");

static bool format_matches(const struct format *f, const void *data, size_t size)
{
    return size >= f->magic_len && memcmp(data, f->magic, f->magic_len) == 0;
}

const char *inflate_name(enum inflate_format format)
{
    return formats[format].name;
}

int inflate_detect(const void *data, size_t size, enum inflate_format *format, struct err *e)
{
    for (unsigned i = 0; i < INFLATE_FORMATS; i++) {
        if (format_matches(&formats[i], data, size)) {
            *format = (enum inflate_format)i;
            return 0;
        }
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (format_matches(&others[i], data, size))
            return err_set(e, ENOTSUP,
                           "is compressed with %s, and mote unpacks only gzip, lz4, zstd and xz: "
                           "unpack it first, a bzImage with Linux's scripts/extract-vmlinux",
                           others[i].name);
    return err_set(e, ENOTSUP,
                   "is in no known compression format: mote unpacks gzip, lz4, zstd and xz");
}

static int inflate_decode(const struct inflate_input *in, void *to, size_t size, bool all,
                          struct err *e)
{
    int ret = formats[in->format].decode(in, to, size, all);

    if (ret == -ENOMEM)
        return err_set(e, ENOMEM,
                       "needs more than %u MiB, or more memory than the host has, to unpack its %s "
                       "data",
                       INFLATE_WINDOW_MAX >> 20, formats[in->format].name);
    if (ret < 0)
        return err_set(e, EBADMSG, "is damaged: its %s data does not unpack to %zu bytes",
                       formats[in->format].name, size);
    return 0;
}

int inflate_head(const struct inflate_input *in, void *to, size_t size, struct err *e)
{
    return inflate_decode(in, to, size, false, e);
}

int inflate_all(const struct inflate_input *in, void *to, size_t size, struct err *e)
{
    return inflate_decode(in, to, size, true, e);
}
