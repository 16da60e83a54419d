#ifndef VIRTIO_MMIO_BALLOON_BALLOON_PAGES_H
#define VIRTIO_MMIO_BALLOON_BALLOON_PAGES_H
/*
 * The pages that a guest names in the balloon's queues, as ranges of RAM (virtio 1.2, 5.5.6). Pure.
 *
 * A driver hands over pages as its allocator gave them: in any order, often each beside another.
 * Sorted they are few ranges, and giving a range back is one system call.
 */
#include <stdbool.h>
#include <stdint.h>

#include "core/vm/mem.h"

struct virtq_chain;

#define BALLOON_PAGE       4096u /* whatever the guest's own pages are (5.5.6) */
#define BALLOON_PAGE_SHIFT 12

/* In one buffer; Linux sends 256. */
#define BALLOON_PAGES_MAX 1024u

/* Page numbers of one buffer, ascending once read, each a page of RAM. */
struct balloon_pages {
    unsigned count;
    unsigned bad; /* of the buffer's, not in RAM */
    uint32_t number[BALLOON_PAGES_MAX];
};

struct balloon_range {
    gpa_t gpa;
    uint64_t len;
};

/* Whether a buffer of the inflate or deflate queue has the shape of one: page numbers to read, no
 * more than above. */
bool balloon_pages_sound(const struct virtq_chain *chain);

/* Reads and sorts a sound one. Numbers that come twice count once. */
void balloon_pages_read(struct balloon_pages *pages, const struct mem *mem,
                        const struct virtq_chain *chain);

/* The longest range that begins at page *next of them, which moves behind it. False: no more. */
bool balloon_pages_next(const struct balloon_pages *pages, const struct mem *mem, unsigned *next,
                        struct balloon_range *range);

#endif
