#ifndef CORE_X86_IMAGE_ELF_H
#define CORE_X86_IMAGE_ELF_H
/*
 * Reads the headers of an ELF kernel: bytes in, one judged struct out. Pure.
 *
 * After elf_read every segment lies inside the file and wraps nowhere, so that whoever loads it
 * needs no checks of its own besides the guest's memory (elf_fits).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/vm/mem.h"

struct err;

#define ELF_HEADERS_MAX  64 /* program headers of any type */
#define ELF_SEGMENTS_MAX 16 /* of them, to be loaded */
#define ELF_NOTES_MAX    8  /* of them, holding notes */

/* How much of a file's beginning holds all headers, as every linker places them. */
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
    uint64_t entry; /* as the header has it; see elf_physical */
    uint64_t pvh_entry;
    bool has_pvh;
    unsigned segment_count;
    unsigned notes_count;
    struct elf_segment segments[ELF_SEGMENTS_MAX]; /* ascending by paddr, disjoint */
    struct elf_notes notes[ELF_NOTES_MAX];
};

/* Whether these bytes claim to be an ELF file at all. */
bool elf_is(const void *head, size_t len);

/* Judges the headers of a file of `size` bytes, whose first `len` are at head (all of them, or at
 * least ELF_HEAD). -ENOEXEC and a sentence for what is not an x86-64 kernel we can load. */
int elf_read(struct elf_image *image, const void *head, size_t len, uint64_t size, struct err *e);

/* Whether all segments lie in [start, end) of guest memory: 0, or -EFAULT and a sentence. */
int elf_fits(const struct elf_image *image, gpa_t start, gpa_t end, struct err *e);

/* Looks through the notes of the whole file, of which elf_read saw the head, for the entry point of
 * the PVH boot protocol (owner "Xen", type 18): has_pvh and pvh_entry. */
void elf_read_notes(struct elf_image *image, const void *file);

/* Whether a segment puts bytes of the file at this address. */
bool elf_holds(const struct elf_image *image, gpa_t gpa);

/* Where an entry point is in guest memory: what is held there is physical already, anything else is
 * looked up among the segments' virtual addresses. false: no segment holds it. */
bool elf_physical(const struct elf_image *image, uint64_t address, gpa_t *gpa);

/* The end of the highest segment. */
gpa_t elf_end(const struct elf_image *image);

#endif
