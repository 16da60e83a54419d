#ifndef CORE_X86_IMAGE_BZIMAGE_H
#define CORE_X86_IMAGE_BZIMAGE_H
/*
 * Reads a bzImage's setup header (Linux, Documentation/arch/x86/boot.rst) and finds the compressed
 * ELF kernel inside. Pure.
 */
#include <asm/bootparam.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/x86/image/inflate.h"

struct err;

#define BZIMAGE_MAGIC        0x53726448u /* "HdrS" */
#define BZIMAGE_PROTOCOL_MIN 0x020cu     /* the first with xloadflags, which mark a 64-bit kernel */

struct bzimage {
    struct setup_header header;   /* the kernel's own; zeros beyond the length it declares */
    struct inflate_input payload; /* points into the file */
    uint32_t unpacked;            /* bytes that the payload claims to unpack to; never 0 */
};

/* Whether these bytes claim to be a bzImage at all. */
bool bzimage_is(const void *file, size_t size);

/* Checks the header of a whole file and finds the payload. -ENOEXEC or -ENOTSUP and a sentence for
 * what cannot be booted. The file's bytes stay the caller's; b->payload points into them. */
int bzimage_read(struct bzimage *b, const void *file, size_t size, struct err *e);

#endif
