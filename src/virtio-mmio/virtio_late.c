/*
 * One timer a device, which runs on when a reset is over: most are over at once, a driver may ask
 * for thousands, and a timer set and cancelled for each would be the dearest part of it.
 */
#include "virtio-mmio/virtio_late.h"

#include <stddef.h>

#include "core/base/clock.h"
#include "core/base/container.h"
#include "core/log/log.h"

static void timer_start(struct virtio_late *l)
{
    l->runs = true;
    loop_timer(l->loop, &l->timer, l->at_ns);
}

static void timer_done(struct loop_op *op, int res)
{
    struct virtio_late *l = container_of(op, struct virtio_late, timer);

    (void)res;
    l->runs = false;
    if (l->watches && clock_now_ns() < l->at_ns) {
        timer_start(l); /* another reset than it was started for */
        return;
    }
    if (l->watches) {
        l->late = true;
        log_warn("%s: the host has not answered for %llu s: until it does the guest's processor "
                 "waits that resets the device",
                 l->name, (unsigned long long)(l->patience_ns / NS_PER_S));
    }
    l->idle(l);
}

void virtio_late_init(struct virtio_late *l, struct loop *loop, const char *name,
                      uint64_t patience_ns, void (*idle)(struct virtio_late *l))
{
    *l = (struct virtio_late){
        .loop = loop, .name = name, .patience_ns = patience_ns, .idle = idle
    };
    l->timer.done = timer_done;
}

void virtio_late_watch(struct virtio_late *l)
{
    if (l->patience_ns == 0)
        return;
    l->watches = true;
    l->at_ns = clock_now_ns() + l->patience_ns;
    if (!l->runs)
        timer_start(l);
}

void virtio_late_over(struct virtio_late *l)
{
    if (l->late)
        log_warn("%s: the host has answered: the device is reset", l->name);
    l->watches = l->late = false;
}

void virtio_late_stop(struct virtio_late *l)
{
    l->watches = false;
    loop_cancel(l->loop, &l->timer);
}
