/*
 * Plugging and unplugging.
 *
 * A queue's eventfd is blocking, so that io_uring waits for it with one operation. It keeps its
 * count while nobody reads it, so the next read, submitted when the last one is done, misses no
 * kick.
 *
 * Unplugging makes unplug_step the call of the device's post `work`. Whatever ends during the
 * unplugging posts `work`. When unplug_step finds the device idle, other posts of the device may
 * still be queued behind it, made by whatever ended last. So it posts `work` once more, to the end
 * of the queue. When that call comes, those posts have been called and have posted nothing, because
 * the device is idle. Nobody is left who would post `work` again, so the device may be freed.
 */
#include "virtio-mmio/plug.h"

#include <linux/virtio_mmio.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/base/container.h"
#include "core/base/err.h"
#include "core/log/log.h"
#include "core/vm/accel.h"
#include "core/vm/bus.h"
#include "virtio-mmio/mmio.h"
#include "virtio-mmio/transport.h"

static void bell_listen(struct virtio_queue *q)
{
    q->owner->bells++;
    loop_readv(q->owner->loop, &q->bell, q->eventfd, &q->iov, 1, -1);
}

/* A read of an eventfd fails only if the host refuses the system call itself. */
static void bell_broke(struct virtio_device *v, int res)
{
    LOG_LIMITED(LOG_ERROR, "%s: a doorbell cannot be read: %s", v->setup.name, strerror(-res));
    virtio_fail(v, "its doorbell cannot be read");
}

static void bell_rung(struct loop_op *op, int res)
{
    struct virtio_queue *q = container_of(op, struct virtio_queue, bell);
    struct virtio_device *v = q->owner;

    v->bells--;
    if (v->gone) {
        loop_post(v->loop, &v->work);
        return;
    }
    if (res < 0) {
        bell_broke(v, res);
        return;
    }
    bell_listen(q);
    metric_add(&v->counters.kicks, 1);
    virtio_kick(v, (unsigned)(q - v->queue));
}

static void eventfds_close(struct virtio_device *v)
{
    for (unsigned i = 0; i < v->setup.queue_count; i++) {
        if (v->queue[i].eventfd >= 0)
            (void)close(v->queue[i].eventfd);
        v->queue[i].eventfd = -1;
    }
}

static int eventfds_open(struct virtio_device *v, struct err *e)
{
    for (unsigned i = 0; i < v->setup.queue_count; i++) {
        struct virtio_queue *q = &v->queue[i];

        q->eventfd = eventfd(0, EFD_CLOEXEC);
        if (q->eventfd < 0)
            return err_sys(e, "%s: cannot create an eventfd for queue %u", v->setup.name, i);
        q->iov = (struct iovec){ .iov_base = &q->rung, .iov_len = sizeof(q->rung) };
        q->bell.done = bell_rung;
    }
    return 0;
}

static int doorbells_add(struct virtio_device *v, const struct virtio_slot *at, struct err *e)
{
    for (unsigned i = 0; i < v->setup.queue_count; i++) {
        int ret = at->accel->ops->doorbell_add(at->accel, at->gpa + VIRTIO_MMIO_QUEUE_NOTIFY,
                                               sizeof(uint32_t), i, v->queue[i].eventfd, e);
        if (ret < 0)
            return err_wrap(e, ret, "%s", v->setup.name);
    }
    return 0;
}

static int plug_connect(struct virtio_device *v, const struct virtio_slot *at, struct err *e)
{
    int ret = eventfds_open(v, e);

    if (ret == 0)
        ret = doorbells_add(v, at, e);
    if (ret == 0)
        ret = bus_add(at->mmio, at->gpa, MMIO_WINDOW_SIZE, &v->device, e);
    return ret;
}

static void late_idle(struct virtio_late *l)
{
    struct virtio_device *v = container_of(l, struct virtio_device, late);

    if (v->gone)
        loop_post(v->loop, &v->work);
}

int virtio_plug(struct virtio_device *v, const struct virtio_slot *at, struct err *e)
{
    int ret;

    device_init(&v->device, &mmio_device_ops);
    ret = plug_connect(v, at, e);
    if (ret < 0) {
        eventfds_close(v);
        device_finish(&v->device);
        return ret;
    }
    v->loop = at->loop;
    v->accel = at->accel;
    v->irq = at->irq;
    v->mem = at->mem;
    v->metrics = at->metrics;
    virtio_late_init(&v->late, at->loop, v->setup.name, at->patience_ns, late_idle);
    if (v->metrics)
        metrics_add(v->metrics, &v->group);
    for (unsigned i = 0; i < v->setup.queue_count; i++)
        bell_listen(&v->queue[i]);
    return 0;
}

static void unplug_finish(struct virtio_device *v)
{
    if (v->metrics)
        metrics_remove(v->metrics, &v->group);
    eventfds_close(v);
    device_finish(&v->device);
    v->loop = NULL;
    v->gone(v);
}

/* The call of `work` while the device is being unplugged. */
static void unplug_step(struct loop_post *post)
{
    struct virtio_device *v = container_of(post, struct virtio_device, work);

    if (v->phase == VIRTIO_LIVE) {
        virtio_drain(v);
    } else if (v->phase == VIRTIO_SETUP && v->bells == 0 && !v->late.runs && !v->leaving) {
        v->leaving = true;
        loop_post(v->loop, &v->work);
    } else if (v->leaving) {
        unplug_finish(v);
    }
}

bool virtio_unplug(struct virtio_device *v, void (*gone)(struct virtio_device *v))
{
    if (!v->loop)
        return false;
    v->gone = gone;
    v->quiet = NULL;
    v->leaving = false;
    v->work.call = unplug_step;
    for (unsigned i = 0; i < v->setup.queue_count; i++)
        loop_cancel(v->loop, &v->queue[i].bell);
    virtio_hurry(v);
    virtio_late_stop(&v->late);
    loop_post(v->loop, &v->work);
    return true;
}
