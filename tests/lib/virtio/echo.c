/* The echo device: also the shortest example of how a device takes, answers and drains. */
#include "lib/virtio/echo.h"

#include <string.h>

#include "core/base/state.h"
#include "lib/check.h"
#include "virtio-mmio/queue/iov.h"

static void answer(struct echo *e, struct echo_held *h)
{
    struct iovec *to = h->iov + h->chain.readable;
    uint8_t bytes[256];
    size_t done = 0, n;

    while ((n = iov_read(h->iov, h->chain.readable, done, bytes, sizeof(bytes)))) {
        n = iov_write(to, h->chain.writable, done, bytes, n);
        if (n == 0)
            break;
        done += n;
    }
    virtio_push(&e->virtio, h->queue, &h->chain, (uint32_t)done);
}

static bool take(struct echo *e, unsigned queue)
{
    struct echo_held *h = &e->held[e->held_count];

    *h = (struct echo_held){ .queue = queue, .chain = { .iov = h->iov, .iov_max = ECHO_IOV } };
    if (!virtio_pop(&e->virtio, queue, &h->chain))
        return false;
    e->held_count++;
    CHECK(e->held_count < sizeof(e->held) / sizeof(e->held[0]));
    return true;
}

void echo_release(struct echo *e)
{
    while (e->held_count > 0)
        answer(e, &e->held[--e->held_count]);
    for (unsigned i = 0; i < e->virtio.setup.queue_count; i++)
        virtio_publish(&e->virtio, i);
    if (e->draining) {
        e->draining = false;
        virtio_reset_done(&e->virtio);
    } else if (e->virtio.held) {
        virtio_quiet(&e->virtio);
    }
}

static void echo_kick(struct virtio_device *v, unsigned queue)
{
    struct echo *e = (struct echo *)v;
    struct virtq *q = &v->queue[queue].ring;

    do {
        virtq_kicks_off(q);
        while (take(e, queue))
            if (!e->hold)
                answer(e, &e->held[--e->held_count]);
    } while (virtq_kicks_on(q));
    virtio_publish(v, queue);
}

static void echo_activate(struct virtio_device *v)
{
    ((struct echo *)v)->activated++;
}

static void echo_reset(struct virtio_device *v)
{
    const uint32_t first = ECHO_FIRST;
    struct echo *e = (struct echo *)v;

    e->resets++;
    virtio_config_update(v, 0, &first, sizeof(first));
    if (e->held_count > 0)
        e->draining = true;
    else
        virtio_reset_done(v);
    if (e->on_reset)
        e->on_reset(e);
}

static void echo_quiesce(struct virtio_device *v)
{
    if (((struct echo *)v)->held_count == 0)
        virtio_quiet(v);
}

/* The word that the driver wrote is part of the state. */
static void echo_restore(struct virtio_device *v, const void *config, struct state_fields *f)
{
    const struct echo_config *was = config;

    if (was->driver == ECHO_REFUSED)
        state_refuse(f, "the device does not like it");
    else
        ((struct echo *)v)->config.driver = was->driver;
}

static void echo_config_write(struct virtio_device *v, uint32_t offset, const void *data,
                              unsigned size)
{
    struct echo *e = (struct echo *)v;

    if (offset + size <= sizeof(e->config.driver))
        memcpy((uint8_t *)&e->config.driver + offset, data, size);
}

static const struct virtio_ops echo_ops = {
    .id = ECHO_ID,
    .activate = echo_activate,
    .kick = echo_kick,
    .reset = echo_reset,
    .config_write = echo_config_write,
    .quiesce = echo_quiesce,
    .restore = echo_restore,
};

void echo_init(struct echo *e, unsigned queue_count, uint32_t queue_size)
{
    const struct virtio_setup setup = {
        .name = "echo",
        .features = 1u << 5,
        .config = &e->config,
        .config_len = sizeof(e->config),
        .queue_count = queue_count,
        .queue_size = queue_size,
    };

    memset(e, 0, sizeof(*e));
    e->config = (struct echo_config){ .driver = ECHO_FIRST, .device = 0x22222222u };
    virtio_init(&e->virtio, &echo_ops, &setup);
}
