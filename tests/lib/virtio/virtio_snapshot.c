/* What the machine around a device does for a snapshot of it. */
#include "lib/virtio/virtio_snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "lib/check.h"

static const struct virtio_device *quiet_device;

static void quiet(struct virtio_device *v)
{
    CHECK(!quiet_device);
    quiet_device = v;
}

static bool is_quiet(void *arg)
{
    return quiet_device == ((struct vd *)arg)->device;
}

void vd_quiesce(struct vd *d)
{
    quiet_device = NULL;
    virtio_quiesce(d->device, quiet);
    vd_run_until(d, is_quiet, d);
    quiet_device = NULL;
}

void vd_save(struct vd *d, struct state_writer *w)
{
    struct err e;

    state_begin(w);
    virtio_save(d->device, w);
    if (state_end(w, STATE_CHECKSUM, &e) < 0)
        check_failed(__FILE__, __LINE__, e.text);
}

/* A pointer into the memory of `from` as one into the memory of `to`. */
static void *moved(struct vd *to, const struct vd *from, const void *at)
{
    return at ? mem_at(&to->mem, mem_gpa(&from->mem, at), 1) : NULL;
}

void vd_move(struct vd *to, const struct vd *from)
{
    for (unsigned i = 0; i < from->mem.count; i++)
        memcpy(to->mem.regions[i].host, from->mem.regions[i].host, from->mem.regions[i].size);
    free(to->told);
    to->told = calloc(VD_HIGH_END, sizeof(*to->told));
    CHECK(to->told);
    if (from->told)
        memcpy(to->told, from->told, VD_HIGH_END * sizeof(*to->told));
    to->hostile = from->hostile;
    to->features = from->features;
    to->by_register = from->by_register;
    to->no_interrupts = from->no_interrupts;
    to->free = from->free;
    for (unsigned i = 0; i < VIRTIO_QUEUES_MAX; i++) {
        struct vd_queue *q = &to->queue[i];
        int doorbell = q->doorbell;
        *q = from->queue[i];
        q->desc = moved(to, from, q->desc);
        q->avail = moved(to, from, q->avail);
        q->used = moved(to, from, q->used);
        q->doorbell = doorbell;
    }
}

int vd_restore(struct vd *d, const struct state_writer *w, struct err *e)
{
    static struct state_reader r;
    int ret = state_open(&r, w->data, w->len, e);

    if (ret == 0)
        ret = virtio_restore(d->device, &r, e);
    if (ret == 0)
        ret = state_close(&r, e);
    return ret;
}
