#ifndef CORE_X86_IMAGE_VMLINUX_H
#define CORE_X86_IMAGE_VMLINUX_H
/*
 * Puts the segments of an uncompressed kernel file into guest memory.
 */
#include "core/vm/mem.h"

struct boot_file;
struct boot_stats;
struct elf_image;
struct err;

/* Before the guest starts, into memory that nobody has written yet. `image` was read from this file
 * and fits (elf_fits). Copies it; or maps whole pages from the page cache and copies the rest, if
 * guest memory can hold pages of a file (mem_map_file). Counts the bytes of both in *stats. */
int vmlinux_load(const struct boot_file *f, const struct elf_image *image, struct mem *m,
                 struct boot_stats *stats, struct err *e);

#endif
