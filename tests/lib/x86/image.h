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

/* An x86-64 executable of `size` bytes with these program headers right behind the ELF header. All
 * other bytes depend on where they are. */
struct image image_elf(const Elf64_Phdr *headers, unsigned count, uint64_t entry, size_t size);

/* The four segments that every test of loading uses: two in place, one moved down, one moved down
 * with a bss; and a note segment inside the first. The bytes between them belong to no segment. */
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

/* Writes the bytes to a new file under /tmp. Its name goes to path; the caller unlinks it. */
#define IMAGE_PATH 32
void image_save(const struct image *image, char path[IMAGE_PATH]);

/* Guest memory with the machine's layout. */
struct mem image_memory(uint64_t size, bool shared);

/* Whether guest memory from 1 MiB up holds this ELF file's segments, and zeros elsewhere. */
bool image_is_loaded(const struct image *elf, const struct mem *m);

/* Compresses with the format's own library, and appends the unpacked size as a kernel's build does
 * (gzip has it in its trailer). */
struct image image_compress(enum inflate_format format, const void *data, size_t size);

/* A bzImage of protocol 2.15 with this payload. */
struct image image_bzimage(const struct image *payload);

#endif
