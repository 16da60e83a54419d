/*
 * Every device where two things end it at once: a reset that the loop has yet to see meets a rest
 * or the machine's end, and what the device has under way ends in between, in the worst order.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/virtio_mmio.h>

#include "unit/virtio-mmio/device_kinds.h"
#include "virtio-mmio/plug.h"
#include "virtio-mmio/virtio_state.h"

static unsigned quiets, gones;
static const struct kind *kind;

/* bells: it is being unplugged, and the doorbells end with the rest. */
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
    kind->destroy(v); /* which looks at what it has under way, and posted */
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

/* The operator asks for a rest, and before the device has come to it for the end. Of a rest that is
 * still to come nobody hears then. */
EACH(the_end_comes_before_the_rest, true)
{
    unsigned before;

    virtio_quiesce(d.device, rested);
    before = quiets;
    (void)virtio_unplug(d.device, gone);
    kind_ends();
    vd_settle(&d);
    if (gones == 0) /* it had no rest to come to, and went on until the end was seen */
        kind_ends();
    vd_settle(&d);
    cr_assert_eq(gones, 1, "%s", kind->name);
    cr_assert_eq(quiets, before, "%s", kind->name);
    finish();
}

/* What is left in the loop's queue when the device has nothing else to do is called before it goes:
 * its destruction asserts so. */
EACH(nothing_of_it_is_queued_once_it_is_gone, true)
{
    (void)virtio_unplug(d.device, gone);
    vd_settle(&d);
    kind_ends();
    cr_assert_eq(gones, 0, "%s: not from within", kind->name);
    vd_settle(&d);
    cr_assert_eq(gones, 1, "%s", kind->name);
    finish();
}
