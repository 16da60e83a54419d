/*
 * The balloon device: up to four queues of buffers.
 *
 * All devices share the loop thread, so what one turn of the loop does is bounded for each queue.
 * If there is more to do, a timer that is due at once continues the work after the other devices
 * have had their turn. Buffers are answered in the turn that takes them, with two exceptions. A
 * report of free pages may take several turns. The device keeps the statistics buffer: giving it
 * back asks the driver for new statistics.
 */
#include "virtio-mmio/balloon/balloon.h"

#include <assert.h>
#include <errno.h>
#include <linux/virtio_ids.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/container.h"
#include "core/base/err.h"
#include "core/base/units.h"
#include "core/log/log.h"
#include "core/vm/accel.h"

#define FEATURE(number) (UINT64_C(1) << (number))

/* What a queue may cost in one turn. Each chain costs 1, and so does each system call. So do
 * COST_FREED bytes given back and COST_NUMBERS bytes of page numbers to sort. */
#define TURN         512u
#define COST_FREED   (UINT64_C(64) << 10)
#define COST_NUMBERS 64u

/* How much of a reported buffer is given back at a time, so that a turn goes little beyond TURN. */
#define REPORT_PIECE (UINT64_C(4) << 20)

static_assert(offsetof(struct balloon, virtio) == 0, "the transport finds the device by it");

static const struct metric metrics[] = {
    METRIC(struct balloon_counters, inflate_count),
    METRIC(struct balloon_counters, inflate_freed),
    METRIC(struct balloon_counters, deflate_count),
    METRIC(struct balloon_counters, event_fails),
    METRIC(struct balloon_counters, stats_updates_count),
    METRIC(struct balloon_counters, stats_update_fails),
    METRIC(struct balloon_counters, free_page_report_count),
    METRIC(struct balloon_counters, free_page_report_freed),
    METRIC(struct balloon_counters, free_page_report_fails),
};
#define METRICS (sizeof(metrics) / sizeof(metrics[0]))
static_assert(METRICS == sizeof(struct balloon_counters) / sizeof(uint64_t),
              "every counter has a name");

static struct balloon *balloon_of(struct virtio_device *v)
{
    return (struct balloon *)v;
}

static struct virtq *balloon_ring(struct balloon *b, unsigned queue)
{
    return &b->virtio.queue[queue].ring;
}

/* Pages. A function here that returns a number returns what it cost. */

static uint64_t balloon_give_back(struct balloon *b, gpa_t gpa, uint64_t len, uint64_t *freed)
{
    uint64_t given = mem_give_back(b->virtio.mem, gpa, len);

    if (given > 0)
        accel_memory_written(b->virtio.accel, gpa, len);
    *freed += given;
    return 1 + given / COST_FREED;
}

static uint64_t balloon_inflate(struct balloon *b, const struct virtq_chain *c)
{
    const struct mem *mem = b->virtio.mem;
    struct balloon_range range;
    uint64_t cost = 1, freed = 0;
    unsigned next = 0;

    metric_add(&b->counters.inflate_count, 1);
    if (!balloon_pages_sound(c)) {
        metric_add(&b->counters.event_fails, 1);
        return cost;
    }
    cost += c->readable_len / COST_NUMBERS;
    balloon_pages_read(&b->pages, mem, c);
    while (balloon_pages_next(&b->pages, mem, &next, &range))
        cost += balloon_give_back(b, range.gpa, range.len, &freed);
    metric_add(&b->counters.event_fails, b->pages.bad);
    metric_add(&b->counters.inflate_freed, freed);
    return cost;
}

/* The page numbers do not matter: a page comes back when the guest touches it. */
static uint64_t balloon_deflate(struct balloon *b, const struct virtq_chain *c)
{
    metric_add(&b->counters.deflate_count, 1);
    if (!balloon_pages_sound(c))
        metric_add(&b->counters.event_fails, 1);
    return 1;
}

/* The buffers themselves are the free pages (5.5.6.7). They may be all of memory, so report_piece
 * gives them back piece by piece. */
static void report_begin(struct balloon *b, const struct virtq_chain *c)
{
    struct balloon_report *r = &b->report;

    r->open = true;
    r->head = c->head;
    r->count = c->writable;
    r->next = 0;
    r->at = r->freed = 0;
    memcpy(r->iov, c->iov, c->writable * sizeof(c->iov[0]));
}

static void report_buffer_over(struct balloon *b)
{
    struct balloon_report *r = &b->report;

    metric_add(&b->counters.free_page_report_count, 1);
    metric_add(&b->counters.free_page_report_freed, r->freed);
    if (r->freed == 0)
        metric_add(&b->counters.free_page_report_fails, 1);
    r->next++;
    r->at = r->freed = 0;
}

/* Gives back the next piece, which ends at a multiple of REPORT_PIECE so that no page is split.
 * Answers the chain once the last piece is done. */
static uint64_t report_piece(struct balloon *b, unsigned queue)
{
    struct balloon_report *r = &b->report;
    const struct iovec *iov = &r->iov[r->next];
    gpa_t gpa = mem_gpa(b->virtio.mem, iov->iov_base) + r->at;
    uint64_t len = REPORT_PIECE - gpa % REPORT_PIECE;
    uint64_t cost;

    if (len > iov->iov_len - r->at)
        len = iov->iov_len - r->at;
    cost = balloon_give_back(b, gpa, len, &r->freed);
    r->at += len;
    if (r->at == iov->iov_len)
        report_buffer_over(b);
    if (r->next == r->count) {
        r->open = false;
        virtq_push(balloon_ring(b, queue), r->head, 0);
    }
    return cost;
}

/* Statistics. */

static unsigned balloon_queue_of(const struct balloon *b, enum balloon_role role)
{
    unsigned queue = 0;

    while (b->role[queue] != role)
        queue++;
    return queue;
}

static void stats_timer_start(struct balloon *b)
{
    if (b->timing || !b->holds || b->interval_s == 0)
        return;
    b->timing = true;
    loop_timer(b->virtio.loop, &b->timer, clock_now_ns() + (uint64_t)b->interval_s * NS_PER_S);
}

/* Asks for new statistics by giving the buffer back. */
static void stats_ask(struct balloon *b)
{
    unsigned queue = balloon_queue_of(b, BALLOON_STATISTICS);

    b->holds = false;
    virtq_push(balloon_ring(b, queue), b->held, 0);
    virtio_publish(&b->virtio, queue);
}

/* A driver has one such buffer (5.5.6.3). If it sends another, it gets the first one back. */
static uint64_t stats_learn(struct balloon *b, const struct virtq_chain *c)
{
    metric_add(&b->counters.stats_updates_count, 1);
    if (!balloon_stats_read(&b->stats, c))
        metric_add(&b->counters.stats_update_fails, 1);
    if (b->holds)
        stats_ask(b);
    b->holds = true;
    b->held = c->head;
    stats_timer_start(b);
    return 1;
}

/* Queues. */

static uint64_t balloon_handle(struct balloon *b, unsigned queue, const struct virtq_chain *c)
{
    uint64_t cost = 0;

    switch (b->role[queue]) {
    case BALLOON_STATISTICS:
        return stats_learn(b, c);
    case BALLOON_INFLATE:
        cost = balloon_inflate(b, c);
        break;
    case BALLOON_DEFLATE:
        cost = balloon_deflate(b, c);
        break;
    case BALLOON_REPORTING:
        if (c->readable == 0 && c->writable > 0) {
            report_begin(b, c);
            return 1;
        }
        metric_add(&b->counters.event_fails, c->readable > 0);
        cost = 1;
        break;
    case BALLOON_ROLES:
        break;
    }
    virtq_push(balloon_ring(b, queue), c->head, 0);
    return cost;
}

/* Serves one queue for one turn. False: it may have more chains. */
static bool balloon_serve(struct balloon *b, unsigned queue)
{
    struct virtq_chain c = { .iov = b->iov, .iov_max = VIRTQ_SIZE_MAX };
    uint64_t cost = 0;
    bool empty = false;

    while (!empty && cost < TURN) {
        if (b->report.open && b->role[queue] == BALLOON_REPORTING) {
            cost += report_piece(b, queue);
            continue;
        }
        empty = !virtio_pop(&b->virtio, queue, &c);
        if (!empty)
            cost += balloon_handle(b, queue, &c);
    }
    virtio_publish(&b->virtio, queue);
    if (empty)
        virtio_await(&b->virtio, queue);
    return empty;
}

static void balloon_run(struct balloon *b)
{
    for (unsigned queue = 0; queue < b->roles; queue++)
        if (b->due & 1u << queue && balloon_serve(b, queue))
            b->due &= ~(1u << queue);
    b->waiting = b->due != 0;
    if (b->waiting)
        loop_timer(b->virtio.loop, &b->wait, 0);
}

/* Reports the reset done, or the device at rest, once both timers have ended. */
static void balloon_settle(struct balloon *b)
{
    if (b->waiting || b->timing)
        return;
    if (b->virtio.phase != VIRTIO_LIVE)
        virtio_reset_done(&b->virtio);
    else
        virtio_quiet(&b->virtio);
}

static bool balloon_is_stopping(const struct balloon *b)
{
    return b->virtio.phase != VIRTIO_LIVE || b->virtio.held;
}

static void balloon_wait_done(struct loop_op *op, int res)
{
    struct balloon *b = container_of(op, struct balloon, wait);

    (void)res;
    b->waiting = false;
    if (balloon_is_stopping(b))
        balloon_settle(b);
    else
        balloon_run(b);
}

static void stats_timer_done(struct loop_op *op, int res)
{
    struct balloon *b = container_of(op, struct balloon, timer);

    b->timing = false;
    if (balloon_is_stopping(b))
        balloon_settle(b);
    else if (res == -ECANCELED)
        stats_timer_start(b); /* the interval has changed */
    else if (b->holds && !b->virtio.failed)
        stats_ask(b);
}

/* The device. */

static void balloon_activate(struct virtio_device *v)
{
    struct balloon *b = balloon_of(v);

    b->roles = 0;
    b->role[b->roles++] = BALLOON_INFLATE;
    b->role[b->roles++] = BALLOON_DEFLATE;
    if (virtio_has(v, VIRTIO_BALLOON_F_STATS_VQ))
        b->role[b->roles++] = BALLOON_STATISTICS;
    if (virtio_has(v, VIRTIO_BALLOON_F_REPORTING))
        b->role[b->roles++] = BALLOON_REPORTING;
    if (v->metrics)
        metrics_add(v->metrics, &b->group);
    if (v->mem->huge == MEM_HUGE_2M)
        LOG_LIMITED(LOG_WARN,
                    "%s: huge pages stay reserved for the guest: what it gives up does "
                    "not go back to the host",
                    v->setup.name);
}

static void balloon_kick(struct virtio_device *v, unsigned queue)
{
    struct balloon *b = balloon_of(v);

    if (queue >= b->roles)
        return;
    b->due |= 1u << queue;
    if (!b->waiting)
        balloon_run(b);
}

static void balloon_reset(struct virtio_device *v)
{
    struct balloon *b = balloon_of(v);

    if (v->metrics)
        metrics_remove(v->metrics, &b->group);
    b->due = 0;
    b->report.open = false;
    b->holds = false;
    b->stats = (struct balloon_stats){ .known = 0 };
    device_lock(&v->device);
    b->config.actual = 0;
    device_unlock(&v->device);
    loop_cancel(v->loop, &b->wait);
    loop_cancel(v->loop, &b->timer);
    balloon_settle(b);
}

/* Gives back the statistics buffer and an unfinished report. After virtio_resume both are taken
 * again: the statistics are read again, and the report begins again. */
static void balloon_quiesce(struct virtio_device *v)
{
    struct balloon *b = balloon_of(v);

    if (b->holds && !v->failed)
        virtq_unpop(balloon_ring(b, balloon_queue_of(b, BALLOON_STATISTICS)), 1);
    if (b->report.open && !v->failed)
        virtq_unpop(balloon_ring(b, balloon_queue_of(b, BALLOON_REPORTING)), 1);
    b->report.open = false;
    b->holds = false;
    b->due = 0;
    loop_cancel(v->loop, &b->wait);
    loop_cancel(v->loop, &b->timer);
    balloon_settle(b);
}

static void balloon_restore(struct virtio_device *v, const void *config, struct state_fields *f)
{
    const struct virtio_balloon_config *was = config;

    (void)f;
    balloon_of(v)->config.actual = was->actual;
}

/* The driver may write `actual` only (5.5.4). */
static void balloon_config_write(struct virtio_device *v, uint32_t offset, const void *data,
                                 unsigned size)
{
    struct balloon *b = balloon_of(v);
    uint32_t from = offsetof(struct virtio_balloon_config, actual);

    if (offset >= from)
        memcpy((uint8_t *)&b->config + offset, data, size);
}

static const struct virtio_ops balloon_ops = {
    .id = VIRTIO_ID_BALLOON,
    .activate = balloon_activate,
    .kick = balloon_kick,
    .reset = balloon_reset,
    .config_write = balloon_config_write,
    .quiesce = balloon_quiesce,
    .restore = balloon_restore,
};

/* The operator's part. */

static int target_check(const struct balloon *b, uint64_t target, struct err *e)
{
    if (target % BALLOON_PAGE != 0)
        return err_set(e, EINVAL, "a balloon of %llu bytes is not a whole number of pages",
                       (unsigned long long)target);
    if (target > b->ram || target >> BALLOON_PAGE_SHIFT > UINT32_MAX)
        return err_set(e, EINVAL, "a balloon of %llu MiB does not fit into a guest of %llu MiB",
                       (unsigned long long)(target / MIB), (unsigned long long)(b->ram / MIB));
    return 0;
}

int balloon_set_target(struct balloon *b, uint64_t target, struct err *e)
{
    int ret = target_check(b, target, e);
    uint32_t pages = (uint32_t)(target >> BALLOON_PAGE_SHIFT);

    if (ret == 0)
        virtio_config_update(&b->virtio, offsetof(struct virtio_balloon_config, num_pages), &pages,
                             sizeof(pages));
    return ret;
}

void balloon_set_interval(struct balloon *b, uint32_t interval_s)
{
    b->interval_s = interval_s;
    if (b->timing)
        loop_cancel(b->virtio.loop, &b->timer);
    else if (b->virtio.phase == VIRTIO_LIVE)
        stats_timer_start(b);
}

void balloon_status(struct balloon *b, struct balloon_status *status)
{
    uint32_t actual;

    device_lock(&b->virtio.device);
    actual = b->config.actual;
    device_unlock(&b->virtio.device);
    *status = (struct balloon_status){
        .target = (uint64_t)b->config.num_pages << BALLOON_PAGE_SHIFT,
        .actual = (uint64_t)actual << BALLOON_PAGE_SHIFT,
        .stats = b->stats,
    };
}

/* Life. */

static void balloon_set_up(struct balloon *b, const struct balloon_config *config)
{
    struct virtio_setup setup = {
        .name = "balloon",
        .features = FEATURE(VIRTIO_BALLOON_F_STATS_VQ),
        .config = &b->config,
        .config_len = offsetof(struct virtio_balloon_config, free_page_hint_cmd_id),
        .queue_count = BALLOON_STATISTICS + 1,
        .queue_size = VIRTQ_SIZE_MAX,
    };

    if (config->deflate_on_oom)
        setup.features |= FEATURE(VIRTIO_BALLOON_F_DEFLATE_ON_OOM);
    if (config->reporting) {
        setup.features |= FEATURE(VIRTIO_BALLOON_F_REPORTING);
        setup.queue_count++;
    }
    virtio_init(&b->virtio, &balloon_ops, &setup);
    b->config.num_pages = (uint32_t)(config->target >> BALLOON_PAGE_SHIFT);
    b->interval_s = config->stats_interval_s;
    b->wait.done = balloon_wait_done;
    b->timer.done = stats_timer_done;
    b->group = (struct metrics_group){
        .name = "balloon.io", .metrics = metrics, .count = METRICS, .counters = &b->counters
    };
}

int balloon_create(struct balloon **out, const struct balloon_config *config, struct err *e)
{
    struct balloon *b = calloc(1, sizeof(*b));
    int ret;

    if (!b)
        return err_set(e, ENOMEM, "no memory for a balloon");
    b->ram = config->ram;
    ret = target_check(b, config->target, e);
    if (ret < 0) {
        free(b);
        return ret;
    }
    balloon_set_up(b, config);
    *out = b;
    return 0;
}

void balloon_destroy(struct balloon *b)
{
    assert(!b || (!b->waiting && !b->timing));
    free(b);
}
