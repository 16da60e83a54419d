/*
 * The block device: one queue of requests, each of which becomes a job.
 *
 * A kick takes the available requests and starts them; the loop submits their operations to the
 * kernel together. Jobs end in any order. Those that end in one turn of the loop are answered
 * together, with one interrupt: the first of them posts next_turn, which the loop calls before it
 * sleeps.
 *
 * All devices share the loop thread, and the kernel may carry out an operation on that thread, in
 * the call that submits it. So a disk takes at most TURN_REQUESTS requests in a turn, and its
 * operations under way move at most TURN_BYTES together. Further requests wait in the queue.
 *
 * The disk also leaves the queue alone while the limiter's timer runs, and while a swap waits for
 * the last job on the old file. There are as many jobs as the queue has descriptors, so one is idle
 * whenever a chain can be available. All are at work only if every descriptor is a request of its
 * own, through an indirect table.
 */
#include "virtio-mmio/blk/blk.h"

#include <assert.h>
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/clock.h"
#include "core/base/container.h"
#include "core/base/err.h"
#include "core/base/state.h"
#include "core/log/log.h"
#include "virtio-mmio/queue/iov.h"

#define TURN_REQUESTS   64u
#define TURN_BYTES      (2 * BLK_PIECE)
#define QUEUE_SIZE      VIRTQ_SIZE_MAX
#define PHYSICAL_BLOCK  4096u /* bytes: to write less, the host has to read first */
#define FEATURE(number) (UINT64_C(1) << (number))

static const struct metric metrics[] = {
    METRIC(struct blk_counters, reads),   METRIC(struct blk_counters, read_bytes),
    METRIC(struct blk_counters, writes),  METRIC(struct blk_counters, write_bytes),
    METRIC(struct blk_counters, flushes), METRIC(struct blk_counters, discards),
    METRIC(struct blk_counters, merged),  METRIC(struct blk_counters, failed),
    METRIC(struct blk_counters, limited),
};
static_assert(sizeof(metrics) / sizeof(metrics[0]) ==
                  sizeof(struct blk_counters) / sizeof(uint64_t),
              "every counter has a name");

static struct blk *blk_of(struct virtio_device *v)
{
    return (struct blk *)v;
}

static struct blk *blk_of_io(struct blk_io *io)
{
    return container_of(io, struct blk, io);
}

/* What the driver is told about a file. */
static struct virtio_blk_config blk_describe(const struct blk_file *f, bool discard)
{
    unsigned exponent = 0;

    while (f->block << exponent < PHYSICAL_BLOCK)
        exponent++;
    return (struct virtio_blk_config){
        .capacity = f->sectors,
        .seg_max = BLK_SEG_MAX,
        .blk_size = f->block,
        .physical_block_exp = (uint8_t)exponent,
        .min_io_size = 1,
        .max_discard_sectors = BLK_RANGE_SECTORS_MAX,
        .max_discard_seg = 1,
        .discard_sector_alignment = f->unit / BLK_SECTOR,
        .max_write_zeroes_sectors = BLK_RANGE_SECTORS_MAX,
        .max_write_zeroes_seg = 1,
        .write_zeroes_may_unmap = discard,
    };
}

/* Requests are judged by what the present file allows, but by the block size that the driver was
 * told. */
static void blk_set_rules(struct blk *b)
{
    b->rules = (struct blk_rules){ .sectors = b->io.file.sectors,
                                   .block = b->config.blk_size,
                                   .read_only = b->io.file.mode.read_only,
                                   .flush = b->writeback,
                                   .discard = b->discard && b->io.file.can_punch };
}

/* The queue. */

static void blk_post_next_turn(struct blk *b)
{
    b->posted = true;
    loop_post(b->virtio.loop, &b->next_turn);
}

static void blk_answer(struct blk *b, struct blk_job *job, int status)
{
    const struct iovec status_byte = { .iov_base = job->request.status_at, .iov_len = 1 };
    uint64_t written = job->filled;

    if (status != VIRTIO_BLK_S_OK)
        metric_add(&b->counters.failed, 1);
    *job->request.status_at = (uint8_t)status;
    if (written == job->chain.writable_len) /* then there is no gap before the status (2.7.8) */
        written++;
    virtio_wrote(&b->virtio, &status_byte, 1, 1);
    virtq_push(&b->virtio.queue[0].ring, job->chain.head, (uint32_t)written);
    job->next = b->idle;
    b->idle = job;
    if (!b->posted)
        blk_post_next_turn(b);
}

static void blk_count(struct blk *b, const struct blk_job *job)
{
    struct blk_counters *c = &b->counters;

    if (job->merged)
        metric_add(&c->merged, 1);
    switch (job->request.action) {
    case BLK_READ:
        metric_add(&c->reads, 1);
        metric_add(&c->read_bytes, job->filled);
        break;
    case BLK_WRITE:
        metric_add(&c->writes, 1);
        metric_add(&c->write_bytes, job->chain.readable_len - sizeof(struct virtio_blk_outhdr));
        break;
    case BLK_FLUSH:
        metric_add(&c->flushes, 1);
        break;
    case BLK_DISCARD:
    case BLK_ZERO:
        metric_add(&c->discards, 1);
        break;
    case BLK_ANSWER:
    case BLK_IDENTIFY:
        break;
    }
}

static void blk_identify(struct blk *b, struct blk_job *job)
{
    const struct blk_request *r = &job->request;

    job->filled = iov_write(r->data, r->count, 0, b->serial, sizeof(b->serial));
    virtio_wrote(&b->virtio, r->data, r->count, job->filled);
    blk_answer(b, job, VIRTIO_BLK_S_OK);
}

/* Whether TURN_BYTES leaves room for the request's operation. Sets the job's share. */
static bool blk_fits(const struct blk *b, struct blk_job *job)
{
    job->share = job->request.len < BLK_PIECE ? job->request.len : BLK_PIECE;
    return b->moving == 0 || b->moving + job->share <= TURN_BYTES;
}

static void blk_start(struct blk *b, struct blk_job *job)
{
    struct blk_request *r = &job->request;

    job->filled = 0;
    if (rate_limit_limits(&b->limiter))
        rate_limit_take(&b->limiter, r->len, 1);
    if (r->action == BLK_ANSWER) {
        blk_answer(b, job, r->status);
    } else if (r->action == BLK_IDENTIFY) {
        blk_identify(b, job);
    } else {
        b->in_flight++;
        b->moving += job->share;
        blk_job_start(job);
    }
}

/* Whether the limiter lets the next request through. If not, sets the timer. */
static bool blk_passes_limiter(struct blk *b)
{
    if (!rate_limit_limits(&b->limiter) || rate_limit_ready(&b->limiter, clock_now_ns()))
        return true;
    b->waiting = true;
    metric_add(&b->counters.limited, 1);
    loop_timer(b->virtio.loop, &b->timer, rate_limit_ready_at(&b->limiter));
    return false;
}

static bool blk_is_held(const struct blk *b)
{
    return b->resting || b->waiting || b->next.fd >= 0 || b->draining || b->virtio.held;
}

/* Counts a request. Returns true if the disk has already taken a turn's worth. */
static bool blk_turn_is_over(struct blk *b)
{
    uint64_t turn = loop_turn(b->virtio.loop);

    if (b->turn != turn)
        b->taken = 0;
    b->turn = turn;
    return b->taken++ >= TURN_REQUESTS;
}

/* Gives the last chain back to the queue. Returns false, for blk_take. */
static bool blk_untake(struct blk *b)
{
    virtq_unpop(&b->virtio.queue[0].ring, 1);
    return false;
}

static bool blk_take(struct blk *b)
{
    struct blk_job *job = b->idle;
    struct virtq_chain none = { .iov_max = 0 };

    if (blk_is_held(b))
        return false;
    if (!job) { /* every descriptor is taken, so another chain is a fault, which popping finds */
        (void)virtio_pop(&b->virtio, 0, &none);
        return false;
    }
    if (blk_turn_is_over(b)) {
        b->resting = true;
        blk_post_next_turn(b);
        return false;
    }
    job->chain = (struct virtq_chain){ .iov = job->iov, .iov_max = BLK_IOV };
    if (!virtio_pop(&b->virtio, 0, &job->chain))
        return false;
    if (!blk_passes_limiter(b))
        return blk_untake(b);
    if (!blk_request_read(&job->request, &job->chain, &b->rules)) {
        virtio_fail(&b->virtio, "a request has no room for its status");
        return false;
    }
    if (!blk_fits(b, job)) {
        b->resting = true; /* until a job in flight is answered */
        return blk_untake(b);
    }
    b->idle = job->next;
    blk_start(b, job);
    return true;
}

/* While blk_is_held no kick is needed: whatever ends that takes requests again. */
static void blk_take_all(struct blk *b)
{
    while (blk_take(b))
        ;
    blk_jobs_go(&b->io);
    if (!blk_is_held(b))
        virtio_await(&b->virtio, 0);
}

static void blk_kick(struct virtio_device *v, unsigned queue)
{
    (void)queue;
    blk_take_all(blk_of(v));
}

/* Call when whatever held the queue is over. */
static void blk_restart(struct blk *b)
{
    const struct virtio_device *v = &b->virtio;

    if (v->phase == VIRTIO_LIVE && !v->failed && v->queue[0].ring.ready)
        blk_take_all(b);
}

static void blk_next_turn(struct loop_post *post)
{
    struct blk *b = container_of(post, struct blk, next_turn);
    bool rested = b->resting;

    b->posted = false;
    b->resting = false;
    virtio_publish(&b->virtio, 0);
    if (rested)
        blk_restart(b);
}

/* The file. All of this while nothing is in flight. */

static void file_register(struct blk *b)
{
    loop_register(b->virtio.loop, b->io.file.fd);
    b->registered = true;
}

static void file_unregister(struct blk *b)
{
    loop_unregister(b->virtio.loop, b->io.file.fd);
    b->registered = false;
}

static void blk_swap_file(struct blk *b)
{
    const struct virtio_blk_config config = blk_describe(&b->next, b->discard);
    bool registered = b->registered;

    if (registered)
        file_unregister(b);
    blk_file_close(&b->io.file);
    b->io.file = b->next;
    b->next.fd = -1;
    if (registered)
        file_register(b);
    virtio_config_update(&b->virtio, 0, &config, sizeof(config));
    blk_set_rules(b);
}

static void blk_settle(struct blk *b)
{
    bool swapped = b->next.fd >= 0;

    if (b->in_flight > 0)
        return;
    if (swapped)
        blk_swap_file(b);
    if (b->draining && !b->waiting) {
        b->draining = false;
        b->io.stop = false;
        file_unregister(b);
        virtio_reset_done(&b->virtio);
    } else if (b->virtio.held && !b->waiting) {
        virtio_quiet(&b->virtio);
    } else if (swapped) {
        blk_restart(b);
    }
}

static void job_filled(struct blk_job *job, size_t bytes)
{
    struct blk *b = blk_of_io(job->io);

    virtio_wrote(&b->virtio, job->request.data, job->request.count, bytes);
}

static void job_done(struct blk_job *job, int status)
{
    struct blk *b = blk_of_io(job->io);

    b->in_flight--;
    b->moving -= job->share;
    if (status == VIRTIO_BLK_S_OK)
        blk_count(b, job);
    blk_answer(b, job, status);
    if (b->in_flight == 0)
        blk_settle(b);
}

static void blk_timer_done(struct loop_op *op, int res)
{
    struct blk *b = container_of(op, struct blk, timer);

    (void)res;
    b->waiting = false;
    if (b->draining || b->virtio.held)
        blk_settle(b);
    else
        blk_restart(b);
}

/* The device. */

static void blk_activate(struct virtio_device *v)
{
    struct blk *b = blk_of(v);

    b->io.loop = v->loop;
    file_register(b);
    /* A driver that did not accept FLUSH relies on write-through (5.2.6.2). */
    b->io.through = b->writeback && !virtio_has(v, VIRTIO_BLK_F_FLUSH);
    if (v->metrics)
        metrics_add(v->metrics, &b->group);
}

static void blk_reset(struct virtio_device *v)
{
    struct blk *b = blk_of(v);

    if (v->metrics)
        metrics_remove(v->metrics, &b->group);
    b->draining = true;
    b->io.stop = true;
    loop_cancel(v->loop, &b->timer);
    for (unsigned i = 0; i < QUEUE_SIZE && b->in_flight > 0; i++)
        loop_cancel(v->loop, &b->jobs[i].op);
    blk_settle(b);
}

static void blk_quiesce(struct virtio_device *v)
{
    loop_cancel(v->loop, &blk_of(v)->timer);
    blk_settle(blk_of(v));
}

/* The driver can be told another capacity, but not another block size. */
static void blk_restore(struct virtio_device *v, const void *config, struct state_fields *f)
{
    const struct virtio_blk_config *was = config;

    if (was->blk_size != blk_of(v)->config.blk_size)
        state_refuse(f, "its block size is not this file's");
}

static const struct virtio_ops blk_ops = {
    .id = VIRTIO_ID_BLOCK,
    .activate = blk_activate,
    .kick = blk_kick,
    .reset = blk_reset,
    .quiesce = blk_quiesce,
    .restore = blk_restore,
};

static uint64_t blk_features(const struct blk *b)
{
    uint64_t features = FEATURE(VIRTIO_BLK_F_SEG_MAX) | FEATURE(VIRTIO_BLK_F_BLK_SIZE) |
                        FEATURE(VIRTIO_BLK_F_TOPOLOGY);

    if (b->rules.flush)
        features |= FEATURE(VIRTIO_BLK_F_FLUSH);
    if (b->rules.discard)
        features |= FEATURE(VIRTIO_BLK_F_DISCARD);
    features |= FEATURE(b->rules.read_only ? VIRTIO_BLK_F_RO : VIRTIO_BLK_F_WRITE_ZEROES);
    return features;
}

static void blk_name(struct blk *b, const struct blk_config *config)
{
    const char *serial = config->serial ? config->serial : config->id;

    (void)snprintf(b->name, sizeof(b->name), "block.%s", config->id);
    (void)snprintf(b->group_name, sizeof(b->group_name), "%s.io", b->name);
    memcpy(b->serial, serial, strnlen(serial, sizeof(b->serial)));
    b->group = (struct metrics_group){ .name = b->group_name,
                                       .metrics = metrics,
                                       .count = sizeof(metrics) / sizeof(metrics[0]),
                                       .counters = &b->counters };
}

static void blk_set_up(struct blk *b, const struct blk_config *config)
{
    blk_name(b, config);
    b->io.name = b->name;
    b->io.done = job_done;
    b->io.filled = job_filled;
    b->next_turn.call = blk_next_turn;
    b->timer.done = blk_timer_done;
    b->config = blk_describe(&b->io.file, b->discard);
    blk_set_rules(b);
    rate_limit_init(&b->limiter, config->bandwidth, config->ops, clock_now_ns());
    for (unsigned i = QUEUE_SIZE; i-- > 0;) {
        b->jobs[i].io = &b->io;
        b->jobs[i].next = b->idle;
        b->idle = &b->jobs[i];
    }
    virtio_init(&b->virtio, &blk_ops,
                &(struct virtio_setup){ .name = b->name,
                                        .features = blk_features(b),
                                        .config = &b->config,
                                        .config_len = sizeof(b->config),
                                        .queue_count = 1,
                                        .queue_size = QUEUE_SIZE });
}

static void blk_warn_unseen(const struct blk *b, const struct blk_file *f)
{
    if (f->unseen > 0)
        log_warn("%s: the guest does not see the last %u bytes of its file: they are not a whole "
                 "block of %u",
                 b->name, f->unseen, f->block);
}

int blk_create(struct blk **out, const struct blk_config *config, struct err *e)
{
    const struct blk_file_mode mode = { .read_only = config->read_only,
                                        .direct = config->direct,
                                        .unlocked = config->unlocked,
                                        .patient = true };
    struct blk *b = calloc(1, sizeof(*b));
    int ret;

    if (!b)
        return err_set(e, ENOMEM, "no memory for drive %s", config->id);
    b->io.file.fd = b->next.fd = -1;
    b->writeback = config->writeback;
    b->discard = config->discard;
    b->jobs = calloc(QUEUE_SIZE, sizeof(*b->jobs));
    ret = b->jobs ? 0 : err_set(e, ENOMEM, "no memory for its requests");
    if (ret == 0)
        ret = blk_file_open(&b->io.file, config->path, mode, e);
    if (ret == 0)
        ret = blk_io_prepare(&b->io, e);
    if (ret < 0) {
        blk_destroy(b);
        return err_wrap(e, ret, "drive %s", config->id);
    }
    blk_set_up(b, config);
    blk_warn_unseen(b, &b->io.file);
    *out = b;
    return 0;
}

void blk_destroy(struct blk *b)
{
    if (!b)
        return;
    assert(b->in_flight == 0 && !b->registered && !b->waiting && b->next_turn.queued == 0);
    blk_file_close(&b->io.file);
    blk_file_close(&b->next);
    blk_io_finish(&b->io);
    free(b->jobs);
    free(b);
}

/* Changes while the guest runs. */

int blk_resize(struct blk *b, struct err *e)
{
    int ret = blk_file_measure(&b->io.file, e);
    uint64_t sectors = b->io.file.sectors;

    if (ret < 0)
        return err_wrap(e, ret, "%s", b->name);
    blk_warn_unseen(b, &b->io.file);
    b->rules.sectors = sectors;
    virtio_config_update(&b->virtio, offsetof(struct virtio_blk_config, capacity), &sectors,
                         sizeof(sectors));
    return 0;
}

static bool blk_is_same_file(const struct blk *b, const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && st.st_dev == b->io.file.dev && st.st_ino == b->io.file.ino;
}

int blk_swap(struct blk *b, const char *path, struct err *e)
{
    struct blk_file_mode mode = b->io.file.mode;
    struct blk_file next;
    int ret;

    if (b->next.fd >= 0)
        return err_set(e, EBUSY, "%s: the last change of its file is not over yet", b->name);
    if (blk_is_same_file(b, path))
        return blk_resize(b, e);
    mode.patient = false; /* the loop thread must not sleep */
    ret = blk_file_open(&next, path, mode, e);
    if (ret < 0)
        return err_wrap(e, ret, "%s", b->name);
    if (next.block > b->rules.block) {
        blk_file_close(&next);
        return err_set(e, EINVAL, "%s: %s has blocks of %u bytes, but the guest knows blocks of %u",
                       b->name, path, next.block, b->rules.block);
    }
    blk_warn_unseen(b, &next);
    b->next = next;
    blk_settle(b);
    return 0;
}

void blk_limit(struct blk *b, struct rate bandwidth, struct rate ops)
{
    rate_limit_init(&b->limiter, bandwidth, ops, clock_now_ns());
    if (b->waiting)
        loop_cancel(b->virtio.loop, &b->timer);
}
