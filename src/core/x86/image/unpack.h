#ifndef CORE_X86_IMAGE_UNPACK_H
#define CORE_X86_IMAGE_UNPACK_H
/*
 * Unpacks the compressed kernel of a bzImage to its place in guest memory.
 */
#include <stdbool.h>
#include <stdint.h>

#include "core/vm/mem.h"

struct boot_stats;
struct bzimage;
struct elf_image;
struct err;

/* Pure. Where in [start, end) of guest memory to put the file, which has `size` bytes, so that its
 * segments reach their places by moving only down, in ascending order. False: nowhere. */
bool unpack_base(const struct elf_image *image, uint64_t size, gpa_t start, gpa_t end, gpa_t *base);

/* Before the guest starts, into memory that nobody has written yet. Fills *image, including what
 * its notes say, and counts unpacked and moved bytes in *stats. On failure guest memory may have
 * been written. */
int unpack_load(const struct bzimage *b, struct mem *m, struct elf_image *image,
                struct boot_stats *stats, struct err *e);

#endif
