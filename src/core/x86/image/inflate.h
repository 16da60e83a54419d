#ifndef CORE_X86_IMAGE_INFLATE_H
#define CORE_X86_IMAGE_INFLATE_H
/*
 * Decompression of kernel payloads into a buffer of known size. Pure.
 *
 * The output never outgrows the caller's buffer, and no decoder allocates a larger window than
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

/* Bytes of the largest window a decoder allocates: what `zstd --ultra -22` asks for. */
#define INFLATE_WINDOW_MAX (128u << 20)

struct inflate_input {
    enum inflate_format format;
    const void *data;
    size_t size;
};

/* "gzip", "lz4", ... */
const char *inflate_name(enum inflate_format format);

/* Tells the format by its magic number. -ENOTSUP for a format that is not in the enum; the sentence
 * names it if kernels use it. */
int inflate_detect(const void *data, size_t size, enum inflate_format *format, struct err *e);

/* Unpacks the first `size` bytes and reads no more of the input than that takes. -EBADMSG if the
 * input is damaged or unpacks to less; -ENOMEM if the decoder needs more memory than it may have or
 * than there is. */
int inflate_head(const struct inflate_input *in, void *to, size_t size, struct err *e);

/* Unpacks all of the input, which must give exactly `size` bytes and end there, and whose checksum,
 * if any, must be right. Fails as inflate_head does; part of the output may have been written. */
int inflate_all(const struct inflate_input *in, void *to, size_t size, struct err *e);

#endif
