/* Counter groups: what is listed, in which order, and what is read. */
#include "core/base/metrics.h"

#include <criterion/criterion.h>

struct counters {
    uint64_t reads;
    uint32_t other;
    uint64_t writes;
};

static const struct metric table[] = {
    METRIC(struct counters, reads),
    METRIC(struct counters, writes),
};

static struct metrics_group group_of(const char *name, const struct counters *c)
{
    return (struct metrics_group){ .name = name, .metrics = table, .count = 2, .counters = c };
}

Test(metrics, reads_what_was_counted)
{
    struct counters c = { 0 };
    struct metrics_group g = group_of("disk", &c);

    metric_add(&c.reads, 1);
    metric_add(&c.reads, 2);
    metric_add(&c.writes, UINT64_C(1) << 40);
    cr_assert_eq(metrics_read(&g, 0), 3);
    cr_assert_eq(metrics_read(&g, 1), UINT64_C(1) << 40);
    cr_assert_eq(c.other, 0);
    cr_assert_str_eq(g.metrics[0].name, "reads");
    cr_assert_str_eq(g.metrics[1].name, "writes");
}

static unsigned names(const struct metrics *m, const char **out)
{
    unsigned n = 0;

    for (const struct metrics_group *g = m->first; g; g = g->next)
        out[n++] = g->name;
    return n;
}

Test(metrics, lists_groups_in_their_order)
{
    struct metrics m = { 0 };
    struct metrics_group a = group_of("a", NULL);
    struct metrics_group b = group_of("b", NULL);
    struct metrics_group c = group_of("c", NULL);
    const char *seen[3];

    cr_assert_eq(names(&m, seen), 0);
    metrics_add(&m, &a);
    metrics_add(&m, &b);
    metrics_add(&m, &c);
    cr_assert_eq(names(&m, seen), 3);
    cr_assert_str_eq(seen[0], "a");
    cr_assert_str_eq(seen[2], "c");
    metrics_remove(&m, &b);
    cr_assert_eq(names(&m, seen), 2);
    cr_assert_str_eq(seen[1], "c");
    metrics_remove(&m, &c);
    metrics_remove(&m, &a);
    cr_assert_null(m.first);
}

Test(metrics, removes_only_what_is_there)
{
    struct metrics m = { 0 };
    struct metrics_group a = group_of("a", NULL);
    struct metrics_group stranger = group_of("stranger", NULL);

    metrics_remove(&m, &stranger);
    metrics_add(&m, &a);
    metrics_remove(&m, &stranger);
    cr_assert_eq(m.first, &a);
    metrics_remove(&m, &a);
    metrics_add(&m, &a);
    cr_assert_eq(m.first, &a, "can come back");
}
