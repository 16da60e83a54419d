#ifndef CORE_X86_IMAGE_EXPECT_H
#define CORE_X86_IMAGE_EXPECT_H
/*
 * What a boot surely touches, told to guest memory (mem_expect) before anything is written there.
 */
#include "core/vm/mem.h"

struct elf_image;

/* A kernel of which every segment lies in RAM, from its first byte to what a Linux takes behind its
 * end. */
void expect_kernel(const struct mem *m, const struct elf_image *image);

/* An initrd of so many bytes, 0 where there is none, and what a Linux takes from the top of memory
 * down. */
void expect_top(const struct mem *m, gpa_t gpa, uint64_t size);

#endif
