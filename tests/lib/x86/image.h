#ifndef TESTS_IMAGE_H
#define TESTS_IMAGE_H
/*
 * Kernel images made in memory, for the tests of their readers.
 *
 * Each is allocated to its exact size, so that a sanitizer sees a read beyond its end.
 */
#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/vm/mem.h"
#include "core/x86/image/inflate.h"

struct image {
    uint8_t *data;
    size_t size;
};

void image_free(struct image *image);

/* The first `size` bytes of it; the caller frees both. */
struct image image_cut(const struct image *image, size_t size);

/* An x86-64 executable of `size` bytes with these program headers right behind its header, and
 * bytes that differ by place everywhere else. */
struct image image_elf(const Elf64_Phdr *headers, unsigned count, uint64_t entry, size_t size);

/* The same four segments in every test that loads: in place, in place, moved down, moved down with
 * a bss; and a note segment inside the first. What lies between is no segment's. */
#define IMAGE_KERNEL_BASE  0x200000ull /* where the file's offset 0 would be */
#define IMAGE_KERNEL_START 0x201000ull
#define IMAGE_KERNEL_END   0x20b000ull
#define IMAGE_KERNEL_SIZE  0xb123u
extern const Elf64_Phdr image_kernel_headers[];
extern const unsigned image_kernel_header_count;

/* Those headers, entry at the first segment, and the PVH note where pvh is not 0. */
struct image image_kernel(uint64_t pvh);

/* Writes a note; value_len bytes of value, little-endian. Returns the offset behind it. */
size_t image_note(struct image *image, size_t offset, const char *owner, uint32_t type,
                  uint64_t value, uint32_t value_len);

/* A file of these bytes under /tmp, named in path; the caller unlinks it. */
#define IMAGE_PATH 32
void image_save(const struct image *image, char path[IMAGE_PATH]);

/* Guest memory as the machine has it. */
struct mem image_memory(uint64_t size, bool shared);

/* Whether guest memory from 1 MiB up is this ELF file's segments and zeros. */
bool image_is_loaded(const struct image *elf, const struct mem *m);

/* Compressed with the format's own library, as a kernel's build does, the size behind it (for gzip:
 * in its trailer). */
struct image image_compress(enum inflate_format format, const void *data, size_t size);

/* A bzImage of protocol 2.15 with this payload. */
struct image image_bzimage(const struct image *payload);

#endif
