/*
 * A machine's virtio devices. This is the only file that makes and destroys them.
 *
 * Drives come first, and the root drive before the others, because guests name disks vda, vdb, ...
 * in the order of the windows.
 */
#include "api/machine/devices.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>

#include "api/config/config.h"
#include "core/base/clock.h"
#include "core/base/container.h"
#include "core/base/err.h"
#include "core/log/log.h"
#include "core/vm/guest_arch.h"
#include "core/vm/vm.h"
#include "virtio-mmio/mmio.h"
#include "virtio-mmio/plug.h"
#include "virtio-mmio/virtio_state.h"

/* Making the devices. A struct virtio_device is the first member of every one. */

static void entry_add(struct devices *d, struct virtio_device *v,
                      void (*destroy)(struct virtio_device *))
{
    assert(d->count < DEVICES_MAX);
    d->entry[d->count++] = (struct device_entry){ .owner = d, .virtio = v, .destroy = destroy };
}

static void destroy_drive(struct virtio_device *v)
{
    blk_destroy((struct blk *)v);
}

static int drive_add(struct devices *d, const struct device_config *c, unsigned n, struct err *e)
{
    const struct device_id id = device_config_drive_id(c, n);
    struct blk_config config = c->drives[n];
    struct blk *b;
    int ret;

    config.id = id.text;
    ret = blk_create(&b, &config, e);
    if (ret == 0)
        entry_add(d, &b->virtio, destroy_drive);
    return ret;
}

static int drives_add(struct devices *d, const struct device_config *c, struct err *e)
{
    unsigned root = c->drive_count > 0 ? device_config_root(c) : 0;
    int ret = c->drive_count > 0 ? drive_add(d, c, root, e) : 0;

    for (unsigned n = 0; n < c->drive_count && ret == 0; n++)
        if (n != root)
            ret = drive_add(d, c, n, e);
    return ret;
}

static void destroy_net(struct virtio_device *v)
{
    net_destroy((struct net *)v);
}

static int net_add(struct devices *d, const struct device_config *c, unsigned n, struct err *e)
{
    const struct device_id id = device_config_net_id(c, n);
    const struct net_config *wanted = &c->nets[n];
    struct net_setup setup = wanted->setup;
    struct net *net;
    int ret;

    setup.id = id.text;
    ret = wanted->tap ? net_tap_open(&setup.tap, wanted->tap, e)
                      : net_tap_adopt(&setup.tap, wanted->fd, e);
    if (ret < 0)
        return ret;
    ret = net_create(&net, &setup, e);
    if (ret < 0) {
        net_tap_close(&setup.tap);
        return ret;
    }
    entry_add(d, net_device(net), destroy_net);
    return 0;
}

static int nets_add(struct devices *d, const struct device_config *c, struct err *e)
{
    int ret = 0;

    for (unsigned n = 0; n < c->net_count && ret == 0; n++)
        ret = net_add(d, c, n, e);
    return ret;
}

static void destroy_vsock(struct virtio_device *v)
{
    vsock_destroy((struct vsock *)v);
}

static int vsock_add(struct devices *d, const struct device_config *c, struct err *e)
{
    struct vsock *s;
    int ret;

    if (!c->has_vsock)
        return 0;
    ret = vsock_create(&s, &c->vsock, e);
    if (ret == 0)
        entry_add(d, vsock_device(s), destroy_vsock);
    return ret;
}

static void destroy_balloon(struct virtio_device *v)
{
    balloon_destroy((struct balloon *)v);
}

static int balloon_add(struct devices *d, const struct machine_config *c, struct err *e)
{
    struct balloon_config config = c->devices.balloon;
    struct balloon *b;
    int ret;

    if (!c->devices.has_balloon)
        return 0;
    config.ram = c->mem_size;
    ret = balloon_create(&b, &config, e);
    if (ret == 0)
        entry_add(d, &b->virtio, destroy_balloon);
    return ret;
}

static void destroy_rng(struct virtio_device *v)
{
    rng_destroy((struct rng *)v);
}

static int rng_add(struct devices *d, const struct device_config *c, struct err *e)
{
    struct rng *r;
    int ret;

    if (!c->has_rng)
        return 0;
    ret = rng_create(&r, &c->rng, e);
    if (ret == 0)
        entry_add(d, &r->virtio, destroy_rng);
    return ret;
}

int devices_open_drives(struct devices *d, const struct machine_config *machine, struct err *e)
{
    const struct device_config *c = &machine->devices;
    int ret;

    *d = (struct devices){ .patience_ns = c->patience_s * NS_PER_S };
    ret = drives_add(d, c, e);
    if (ret < 0)
        devices_destroy(d);
    return ret;
}

int devices_create(struct devices *d, const struct machine_config *machine, struct err *e)
{
    const struct device_config *c = &machine->devices;
    int ret = nets_add(d, c, e);

    if (ret == 0)
        ret = vsock_add(d, c, e);
    if (ret == 0)
        ret = balloon_add(d, machine, e);
    if (ret == 0)
        ret = rng_add(d, c, e);
    if (ret < 0)
        devices_destroy(d);
    return ret;
}

void devices_destroy(struct devices *d)
{
    for (unsigned n = d->count; n-- > 0;) {
        struct device_entry *entry = &d->entry[n];

        if (!entry->plugged && entry->virtio)
            entry->destroy(entry->virtio);
        if (!entry->plugged)
            entry->virtio = NULL;
    }
    while (d->count > 0 && !d->entry[d->count - 1].virtio)
        d->count--;
}

/* Plugging. */

static int entry_plug(struct device_entry *entry, unsigned n, struct metrics *metrics,
                      struct err *e)
{
    struct vm *vm = entry->owner->vm;
    const struct guest_virtio *windows = &vm->arch->virtio;
    const struct virtio_slot slot = { .mmio = &vm->mmio,
                                      .gpa = windows->gpa + n * windows->size,
                                      .accel = vm->accel,
                                      .irq = &entry->line,
                                      .loop = vm->loop,
                                      .mem = &vm->mem,
                                      .metrics = metrics,
                                      .patience_ns = entry->owner->patience_ns };
    int ret = vm->accel->ops->irq_init(vm->accel, &entry->line, windows->gsi + n, e);

    if (ret < 0)
        return ret;
    entry->has_line = true;
    ret = virtio_plug(entry->virtio, &slot, e);
    entry->plugged = ret == 0;
    return ret;
}

int devices_plug(struct devices *d, struct vm *vm, struct metrics *metrics, struct err *e)
{
    int ret = 0;

    assert(vm->arch->virtio.size >= MMIO_WINDOW_SIZE && d->count <= vm->arch->virtio.max);
    d->vm = vm;
    for (unsigned n = 0; n < d->count && ret == 0; n++)
        ret = entry_plug(&d->entry[n], n, metrics, e);
    return ret;
}

/* Finds the entry by the interrupt line in it, which the device knows. */
static struct device_entry *entry_of(struct virtio_device *v)
{
    return container_of(v->irq, struct device_entry, line);
}

/* Waiting for the host. */

static void limit_done(struct loop_op *op, int res);

static void limit_arm(struct devices *d)
{
    d->limit.done = limit_done;
    loop_timer(d->vm->loop, &d->limit, d->limit_at_ns);
    d->limit_runs = true;
}

/* If the timer of an earlier wait still runs, limit_done starts it again for this wait. */
static void limit_start(struct devices *d)
{
    d->limit_at_ns = clock_now_ns() + d->patience_ns;
    if (!d->limit_runs)
        limit_arm(d);
}

static void silence_log(const struct devices *d, const struct device_entry *entry,
                        const char *outcome)
{
    log_error("%s: the host has not answered for %llu s: %s", entry->virtio->setup.name,
              (unsigned long long)(d->patience_ns / NS_PER_S), outcome);
}

/* Rest. */

static void rest_end(struct devices *d, int ret)
{
    void (*rested)(struct devices * d, int ret) = d->rested;

    d->rested = NULL;
    for (unsigned n = 0; n < d->count && ret < 0; n++) {
        struct device_entry *entry = &d->entry[n];

        if (entry->restless)
            silence_log(d, entry, "the machine cannot be paused and goes on");
        entry->restless = false;
        virtio_resume(entry->virtio);
    }
    rested(d, ret);
}

static void rest_count_down(struct devices *d)
{
    if (--d->missing == 0)
        rest_end(d, 0);
}

static void entry_quiet(struct virtio_device *v)
{
    entry_of(v)->restless = false;
    rest_count_down(entry_of(v)->owner);
}

void devices_quiesce(struct devices *d, void (*rested)(struct devices *d, int ret))
{
    assert(d->vm && !d->rested && !d->ending);
    d->rested = rested;
    /* One more until all have been asked, so that a device that rests at once does not end this. */
    d->missing = d->count + 1;
    for (unsigned n = 0; n < d->count; n++) {
        d->entry[n].restless = true;
        virtio_quiesce(d->entry[n].virtio, entry_quiet);
    }
    if (d->missing > 1)
        limit_start(d);
    rest_count_down(d);
}

void devices_resume(struct devices *d)
{
    for (unsigned n = 0; n < d->count; n++)
        virtio_resume(d->entry[n].virtio);
}

static void limit_done(struct loop_op *op, int res)
{
    struct devices *d = container_of(op, struct devices, limit);

    (void)res;
    d->limit_runs = false;
    if (d->ending)
        loop_stop(d->vm->loop);
    else if (d->rested && clock_now_ns() < d->limit_at_ns)
        limit_arm(d);
    else if (d->rested)
        rest_end(d, -ETIMEDOUT);
}

/* Unplugging. */

static void entry_gone(struct virtio_device *v)
{
    struct device_entry *entry = entry_of(v);
    struct devices *d = entry->owner;

    entry->plugged = entry->leaving = false;
    if (--d->missing == 0)
        loop_stop(d->vm->loop);
}

static void entries_finish_lines(struct devices *d)
{
    struct accel *a = d->vm->accel;

    for (unsigned n = 0; n < d->count; n++) {
        if (d->entry[n].has_line)
            a->ops->irq_finish(a, &d->entry[n].line);
        d->entry[n].has_line = false;
    }
}

static int limit_stop(struct devices *d)
{
    int ret = 0;

    if (d->limit_runs)
        loop_cancel(d->vm->loop, &d->limit);
    while (d->limit_runs && ret == 0)
        ret = loop_run(d->vm->loop);
    return ret;
}

/* Runs the loop until all devices have left or the time is up. Afterwards no timer runs. */
static int leave_wait(struct devices *d)
{
    int ret = limit_stop(d);

    if (d->missing > 0 && ret == 0)
        limit_start(d);
    while (d->missing > 0 && d->limit_runs && ret == 0)
        ret = loop_run(d->vm->loop);
    if (ret == 0)
        ret = limit_stop(d);
    return ret == 0 && d->missing > 0 ? -ETIMEDOUT : ret;
}

static void leave_begin(struct devices *d)
{
    /* After a call that failed, this one also waits for the devices that are still leaving. */
    d->missing = d->ending ? d->missing : 0;
    d->ending = true;
    d->rested = NULL;
    for (unsigned n = 0; n < d->count; n++) {
        struct device_entry *entry = &d->entry[n];

        if (!entry->plugged || entry->leaving)
            continue;
        entry->leaving = true;
        d->missing++;
        (void)virtio_unplug(entry->virtio, entry_gone);
    }
}

int devices_unplug(struct devices *d)
{
    int ret;

    if (!devices_plugged(d))
        return 0;
    leave_begin(d);
    ret = leave_wait(d);
    for (unsigned n = 0; n < d->count && ret == -ETIMEDOUT; n++)
        if (d->entry[n].plugged)
            silence_log(d, &d->entry[n], "the machine ends without it");
    if (ret < 0)
        return ret;
    entries_finish_lines(d);
    d->vm = NULL;
    d->ending = false;
    return 0;
}
