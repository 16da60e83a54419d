#ifndef CORE_X86_IMAGE_EXPECT_H
#define CORE_X86_IMAGE_EXPECT_H
/*
 * Tells guest memory what a boot is sure to touch (mem_expect), before anything is written there.
 */
#include "core/vm/mem.h"

struct elf_image;

/* The kernel, whose segments all lie in RAM, and what Linux takes first, right behind its end. */
void expect_kernel(const struct mem *m, const struct elf_image *image);

/* The initrd, of `size` bytes or 0 if there is none, and what Linux takes from the top of memory
 * downwards. */
void expect_top(const struct mem *m, gpa_t gpa, uint64_t size);

#endif
