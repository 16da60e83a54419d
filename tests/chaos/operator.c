/*
 * The operator changes what can be changed, and pauses the machine to save it. Processors post its
 * acts, each after a number of its rounds, so that the number of acts does not depend on the host's
 * speed.
 *
 * A pause takes the processors' lock for writing, as vm_pause waits for the vCPUs, and releases it
 * once all devices are at rest and have been saved.
 */
#include "chaos/chaos.h"
#include "core/base/err.h"
#include "core/base/state.h"
#include "lib/check.h"
#include "virtio-mmio/virtio_state.h"

static struct {
    struct chaos *c;
    struct dice dice;
    struct loop_post post;
    struct state_writer writer;
    unsigned restless; /* devices that are not at rest yet; 0: no pause is under way */
} op;

static void save_all(void)
{
    struct err e;

    state_begin(&op.writer);
    for (unsigned i = 0; i < DEVS; i++)
        virtio_save(op.c->device[i], &op.writer);
    CHECK(state_end(&op.writer, STATE_CHECKSUM, &e) == 0);
    state_free(&op.writer);
}

/* Acts again: what was posted during the pause was not done, and may have been the last post. */
static void pause_end(void)
{
    operator_act();
    for (unsigned i = 0; i < DEVS; i++)
        virtio_resume(op.c->device[i]);
    (void)pthread_rwlock_unlock(&op.c->running);
}

static void device_at_rest(struct virtio_device *v)
{
    (void)v;
    CHECK(op.restless > 0);
    if (--op.restless > 0)
        return;
    save_all();
    pause_end();
}

/* Sometimes the pause is called off at once, before all devices are at rest. */
static void pause_begin(void)
{
    (void)pthread_rwlock_wrlock(&op.c->running);
    op.restless = DEVS;
    for (unsigned i = 0; i < DEVS; i++)
        virtio_quiesce(op.c->device[i], device_at_rest);
    if (op.restless > 0 && one_in(&op.dice, 4)) {
        op.restless = 0;
        pause_end();
    }
}

static void limit(unsigned disk, bool limited)
{
    struct rate bandwidth = { .per_s = 0 }, ops = { .per_s = 0 };

    if (limited) {
        bandwidth.per_s = 10000 + below(&op.dice, 1000000);
        bandwidth.burst = below(&op.dice, 1000);
        ops.per_s = 100 + below(&op.dice, 2000);
    }
    blk_limit(op.c->disk[disk], bandwidth, ops);
}

static void act(struct chaos *c)
{
    unsigned disk = below(&op.dice, DISKS);
    struct balloon_status status;

    switch (below(&op.dice, 10)) {
    case 0:
        (void)blk_resize(c->disk[disk], NULL);
        break;
    case 1:
        (void)blk_swap(c->disk[0], c->images[below(&op.dice, 2)], NULL);
        break;
    case 2:
        limit(disk, one_in(&op.dice, 4));
        break;
    case 3:
        (void)balloon_set_target(c->balloon, below(&op.dice, 3000) * UINT64_C(4096), NULL);
        break;
    case 4:
        balloon_set_interval(c->balloon, below(&op.dice, 2));
        break;
    case 5:
        balloon_status(c->balloon, &status);
        break;
    case 6:
        if (c->device[DEV_VSOCK]->phase == VIRTIO_LIVE)
            vsock_transport_reset(c->vsock);
        break;
    default:
        pause_begin();
        break;
    }
}

static void posted(struct loop_post *post)
{
    (void)post;
    if (op.restless > 0)
        return;
    if (op.c->executing == 0)
        loop_stop(op.c->loop);
    else
        act(op.c);
}

void operator_start(struct chaos *c)
{
    op.c = c;
    op.dice.state = c->seed * UINT64_C(2654435761) + 12345;
    op.post = (struct loop_post){ .call = posted };
    op.restless = 0;
}

void operator_act(void)
{
    loop_post(op.c->loop, &op.post);
}
