/*
 * Every device when two things end its work at once: a reset that the loop has yet to see meets a
 * rest or the machine's end, and the device's operations end in between, in the worst order.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/virtio_mmio.h>

#include "unit/virtio-mmio/device_kinds.h"
#include "virtio-mmio/plug.h"
#include "virtio-mmio/virtio_state.h"

static unsigned quiets, gones;
static const struct kind *kind;

/* bells: the test unplugs the device, so its doorbells' reads are stuck and end with the rest. */
static void each(void (*body)(void), bool bells)
{
    bells_too = bells;
    for (unsigned i = 0; i < KINDS; i++) {
        kind = &kinds[i];
        quiets = gones = 0;
        kind_start(kind);
        body();
        kind_finish();
    }
}

#define EACH(name, bells)      \
    static void name##_(void); \
    Test(device_ends, name)    \
    {                          \
        each(name##_, bells);  \
    }                          \
    static void name##_(void)

static void quiet(struct virtio_device *v)
{
    quiets++;
    cr_assert_not(v->status.resetting, "%s: at rest before its reset", kind->name);
    cr_assert_eq(v->phase, VIRTIO_SETUP, "%s", kind->name);
}

static void rested(struct virtio_device *v)
{
    (void)v;
    quiets++;
}

static void gone(struct virtio_device *v)
{
    gones++;
    kind->destroy(v); /* which asserts that nothing is under way or posted */
    d.device = NULL;
}

static void finish(void)
{
    struct virtio_device *v = d.device;

    vd_finish(&d);
    if (v)
        kind->destroy(v);
}

/* A vCPU's last access before the pause is the reset. */
EACH(a_reset_that_nobody_saw_comes_before_the_rest, false)
{
    vd_write(&d, VIRTIO_MMIO_STATUS, 0);
    virtio_quiesce(d.device, quiet);
    kind_ends();
    vd_settle(&d);
    cr_assert_eq(quiets, 1, "%s", kind->name);
    cr_assert_eq(vd_read(&d, VIRTIO_MMIO_STATUS), 0);
    cr_assert_eq(d.device->counters.resets, 1);
    virtio_resume(d.device);
    finish();
}

/* The operator asks for a rest, and then for the end before the device is at rest. The rest's
 * callback is not called any more. */
EACH(the_end_comes_before_the_rest, true)
{
    unsigned before;

    virtio_quiesce(d.device, rested);
    before = quiets;
    (void)virtio_unplug(d.device, gone);
    kind_ends();
    vd_settle(&d);
    if (gones == 0) /* it began something new before it saw the end */
        kind_ends();
    vd_settle(&d);
    cr_assert_eq(gones, 1, "%s", kind->name);
    cr_assert_eq(quiets, before, "%s", kind->name);
    finish();
}

/* Posts that are still queued in the loop when the device is idle are called before it is gone.
 * Destroying it asserts that. */
EACH(nothing_of_it_is_queued_once_it_is_gone, true)
{
    (void)virtio_unplug(d.device, gone);
    vd_settle(&d);
    kind_ends();
    cr_assert_eq(gones, 0, "%s: never from inside a call", kind->name);
    vd_settle(&d);
    cr_assert_eq(gones, 1, "%s", kind->name);
    finish();
}
