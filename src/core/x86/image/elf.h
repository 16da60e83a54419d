#ifndef CORE_X86_IMAGE_ELF_H
#define CORE_X86_IMAGE_ELF_H
/*
 * Reads the headers of an ELF kernel: bytes in, one checked struct out. Pure.
 *
 * After elf_read every segment lies inside the file and none wraps around the address space. All
 * that is left to check before loading is whether the segments fit guest memory (elf_fits).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/vm/mem.h"

struct err;

#define ELF_HEADERS_MAX  64 /* program headers of any type */
#define ELF_SEGMENTS_MAX 16 /* of those, PT_LOAD */
#define ELF_NOTES_MAX    8  /* of those, PT_NOTE */

/* The first bytes of a file, in which every linker places all the headers. */
#define ELF_HEAD 4096u

struct elf_segment {
    uint64_t offset; /* in the file */
    uint64_t filesz; /* bytes from the file... */
    uint64_t memsz;  /* ...and zeros up to here; not 0 */
    uint64_t vaddr;
    gpa_t paddr;
};

struct elf_notes {
    uint64_t offset;
    uint64_t size;
    unsigned align; /* 4 or 8 */
};

struct elf_image {
    uint64_t entry; /* as in the header, physical or virtual; see elf_physical */
    uint64_t pvh_entry;
    bool has_pvh;
    bool is_linux;
    unsigned segment_count;
    unsigned notes_count;
    struct elf_segment segments[ELF_SEGMENTS_MAX]; /* ascending by paddr, disjoint */
    struct elf_notes notes[ELF_NOTES_MAX];
};

/* Whether these bytes claim to be an ELF file at all. */
bool elf_is(const void *head, size_t len);

/* Reads and checks the headers of a file of `size` bytes, of which head holds the first `len`: all,
 * or at least ELF_HEAD. -ENOEXEC and a sentence for what cannot be loaded as an x86-64 kernel. */
int elf_read(struct elf_image *image, const void *head, size_t len, uint64_t size, struct err *e);

/* Whether all segments lie in [start, end) of guest memory: 0, or -EFAULT and a sentence. */
int elf_fits(const struct elf_image *image, gpa_t start, gpa_t end, struct err *e);

/* Looks through the notes. One of the owner "Xen" and type 18 has the entry point of the PVH boot
 * protocol and sets has_pvh and pvh_entry; any of the owner "Linux" sets is_linux. `file` is the
 * whole file that elf_read was given the head of. */
void elf_read_notes(struct elf_image *image, const void *file);

/* Whether a segment puts bytes of the file at this guest physical address. */
bool elf_holds(const struct elf_image *image, gpa_t gpa);

/* Where an entry point is in guest memory. An address for which elf_holds is true is physical
 * already; any other is looked up among the segments' virtual addresses. False: none has it. */
bool elf_physical(const struct elf_image *image, uint64_t address, gpa_t *gpa);

/* The end of the highest segment. */
gpa_t elf_end(const struct elf_image *image);

#endif
