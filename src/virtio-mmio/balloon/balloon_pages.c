/* From page numbers to ranges. */
#include "virtio-mmio/balloon/balloon_pages.h"

#include <stdlib.h>

#include "virtio-mmio/queue/iov.h"
#include "virtio-mmio/queue/queue.h"

static gpa_t page_gpa(uint32_t number)
{
    return (gpa_t)number << BALLOON_PAGE_SHIFT;
}

static int page_compare(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;

    return (left > right) - (left < right);
}

bool balloon_pages_sound(const struct virtq_chain *chain)
{
    return chain->writable == 0 && chain->readable_len > 0 &&
           chain->readable_len % sizeof(uint32_t) == 0 &&
           chain->readable_len <= BALLOON_PAGES_MAX * sizeof(uint32_t);
}

/* Drops the duplicates, and the pages that are not RAM, from `count` sorted numbers. */
static void pages_sift(struct balloon_pages *pages, const struct mem *mem, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        uint32_t number = pages->number[i];
        if (!mem_at(mem, page_gpa(number), BALLOON_PAGE))
            pages->bad++;
        else if (pages->count == 0 || pages->number[pages->count - 1] != number)
            pages->number[pages->count++] = number;
    }
}

void balloon_pages_read(struct balloon_pages *pages, const struct mem *mem,
                        const struct virtq_chain *chain)
{
    unsigned count = (unsigned)(chain->readable_len / sizeof(uint32_t));

    (void)iov_read(chain->iov, chain->readable, 0, pages->number, count * sizeof(uint32_t));
    qsort(pages->number, count, sizeof(uint32_t), page_compare);
    pages->count = 0;
    pages->bad = 0;
    pages_sift(pages, mem, count);
}

/* A range stays within one region, even if another region begins right after it. */
bool balloon_pages_next(const struct balloon_pages *pages, const struct mem *mem, unsigned *next,
                        struct balloon_range *range)
{
    unsigned first = *next;

    if (first == pages->count)
        return false;
    *range = (struct balloon_range){ page_gpa(pages->number[first]), BALLOON_PAGE };
    while (++*next < pages->count && page_gpa(pages->number[*next]) == range->gpa + range->len &&
           mem_at(mem, range->gpa, range->len + BALLOON_PAGE))
        range->len += BALLOON_PAGE;
    return true;
}
