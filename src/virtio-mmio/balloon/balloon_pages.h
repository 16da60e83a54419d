#ifndef VIRTIO_MMIO_BALLOON_BALLOON_PAGES_H
#define VIRTIO_MMIO_BALLOON_BALLOON_PAGES_H
/*
 * The pages that a guest names in the balloon's queues, as ranges of RAM (virtio 1.2, 5.5.6). Pure.
 *
 * A driver names pages in the order in which its allocator gave them. That can be any order, but
 * many are neighbours. So sorting turns them into few ranges, each of which one system call gives
 * back.
 */
#include <stdbool.h>
#include <stdint.h>

#include "core/vm/mem.h"

struct virtq_chain;

#define BALLOON_PAGE       4096u /* bytes, whatever size the guest's own pages have (5.5.6) */
#define BALLOON_PAGE_SHIFT 12

/* The most page numbers in one buffer. Linux sends 256. */
#define BALLOON_PAGES_MAX 1024u

/* The page numbers of one buffer, once read: ascending, without duplicates, all in RAM. */
struct balloon_pages {
    unsigned count;
    unsigned bad; /* page numbers in the buffer that are not in RAM */
    uint32_t number[BALLOON_PAGES_MAX];
};

struct balloon_range {
    gpa_t gpa;
    uint64_t len;
};

/* Whether a chain of the inflate or deflate queue has the right form: only device-readable buffers,
 * which hold 1 to BALLOON_PAGES_MAX whole page numbers. */
bool balloon_pages_sound(const struct virtq_chain *chain);

/* Reads and sorts the page numbers of a sound chain. Drops duplicates. */
void balloon_pages_read(struct balloon_pages *pages, const struct mem *mem,
                        const struct virtq_chain *chain);

/* Finds the longest range that begins with the page number[*next], and moves *next past it. *next
 * is 0 at first. False: there are no more. */
bool balloon_pages_next(const struct balloon_pages *pages, const struct mem *mem, unsigned *next,
                        struct balloon_range *range);

#endif
