#ifndef CORE_X86_IMAGE_INFLATE_H
#define CORE_X86_IMAGE_INFLATE_H
/*
 * Decompression of kernel payloads into a buffer of known size. Pure.
 *
 * The output never outgrows the caller's buffer and the decoders' own memory is bounded by
 * INFLATE_WINDOW_MAX, whatever the input claims: a decompression bomb is an error.
 */
#include <stddef.h>
#include <stdint.h>

struct err;

enum inflate_format {
    INFLATE_GZIP,
    INFLATE_LZ4, /* the legacy frame, as `lz4 -l` writes it */
    INFLATE_ZSTD,
    INFLATE_XZ,
    INFLATE_FORMATS,
};

/* The largest history a stream may ask for: what `zstd --ultra -22` uses. */
#define INFLATE_WINDOW_MAX (128u << 20)

struct inflate_input {
    enum inflate_format format;
    const void *data;
    size_t size;
};

/* "gzip", "lz4", ... */
const char *inflate_name(enum inflate_format format);

/* Tells the format by its magic number. -ENOTSUP names the format where it is one of the kernel's
 * that is not read here. */
int inflate_detect(const void *data, size_t size, enum inflate_format *format, struct err *e);

/* Writes the first `size` bytes of what the input unpacks to, and looks at no more of it than that
 * takes. -EBADMSG for damaged input or one that ends earlier. */
int inflate_head(const struct inflate_input *in, void *to, size_t size, struct err *e);

/* Unpacks all of the input, which must give exactly `size` bytes and end there, checksum included.
 * -EBADMSG otherwise, with part of the output written. */
int inflate_all(const struct inflate_input *in, void *to, size_t size, struct err *e);

#endif
