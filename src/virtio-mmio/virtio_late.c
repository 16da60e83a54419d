/*
 * The log's two lines about a late reset, and the timer behind them.
 *
 * Each device has one timer, which keeps running when a reset is over. A driver may reset the
 * device thousands of times, and most resets end within a few turns of the loop. Setting and
 * cancelling a timer for each would be the costliest part of such a reset.
 */
#include "virtio-mmio/virtio_late.h"

#include <stddef.h>

#include "core/base/clock.h"
#include "core/base/container.h"
#include "core/log/log.h"

static void late_timer_start(struct virtio_late *l)
{
    l->runs = true;
    loop_timer(l->loop, &l->timer, l->at_ns);
}

static void late_timer_done(struct loop_op *op, int res)
{
    struct virtio_late *l = container_of(op, struct virtio_late, timer);

    (void)res;
    l->runs = false;
    if (l->watches && clock_now_ns() < l->at_ns) {
        late_timer_start(l); /* it was started for an earlier reset */
        return;
    }
    if (l->watches) {
        l->late = true;
        log_warn("%s: the host has not answered for %llu s; the guest's processor that resets the "
                 "device waits until it does",
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
    l->timer.done = late_timer_done;
}

void virtio_late_watch(struct virtio_late *l)
{
    if (l->patience_ns == 0)
        return;
    l->watches = true;
    l->at_ns = clock_now_ns() + l->patience_ns;
    if (!l->runs)
        late_timer_start(l);
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
