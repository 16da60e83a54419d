/* The list of counter groups. It is short, and is walked only to be changed or printed. */
#include "core/base/metrics.h"

#include <assert.h>

void metrics_add(struct metrics *m, struct metrics_group *g)
{
    struct metrics_group **end = &m->first;

    while (*end) {
        assert(*end != g);
        end = &(*end)->next;
    }
    g->next = NULL;
    *end = g;
}

void metrics_remove(struct metrics *m, struct metrics_group *g)
{
    struct metrics_group **at = &m->first;

    while (*at && *at != g)
        at = &(*at)->next;
    if (*at)
        *at = g->next;
}

uint64_t metrics_read(const struct metrics_group *g, unsigned index)
{
    const char *counters = g->counters;

    assert(index < g->count);
    return __atomic_load_n((const uint64_t *)(counters + g->metrics[index].offset),
                           __ATOMIC_RELAXED);
}
