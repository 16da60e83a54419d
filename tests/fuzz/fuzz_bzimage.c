/*
 * Any bytes as a bzImage, and as a payload alone, so that the decoders are reached without a
 * header.
 *
 * The output buffer has the exact size that is asked for, so that AddressSanitizer sees a decoder
 * that writes beyond it.
 */
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/x86/image/bzimage.h"

#define UNPACKED_MAX (64u << 10)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void unpack(const struct inflate_input *in, size_t size)
{
    size_t part = size < 512 ? size : 512;
    uint8_t *out = malloc(size);
    uint8_t *head = malloc(part);
    struct err e;

    assert(out && head);
    int all = inflate_all(in, out, size, &e);
    assert(all == 0 || e.text[0] != '\0');
    int some = inflate_head(in, head, part, &e);
    if (all == 0) /* inflate_head needs a window for some formats, which may be too large */
        assert(some == -ENOMEM || (some == 0 && memcmp(head, out, part) == 0));
    free(head);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct inflate_input raw = { .data = data, .size = size };
    struct bzimage b;
    struct err e;

    if (inflate_detect(data, size, &raw.format, &e) == 0)
        unpack(&raw, 4096);
    if (bzimage_read(&b, data, size, &e) < 0) {
        assert(e.text[0] != '\0');
        return 0;
    }
    assert((const uint8_t *)b.payload.data >= data);
    assert(b.payload.size <= size - (size_t)((const uint8_t *)b.payload.data - data));
    assert(b.unpacked > 0);
    unpack(&b.payload, b.unpacked < UNPACKED_MAX ? b.unpacked : UNPACKED_MAX);
    return 0;
}
