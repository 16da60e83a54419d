/* A reset that the host holds up: it is logged once, and it holds up nothing else. */
#include "virtio-mmio/virtio_late.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <linux/virtio_mmio.h>

#include "core/base/clock.h"
#include "lib/stuck.h"
#include "lib/virtio/echo.h"
#include "lib/virtio/virtio_driver.h"
#include "virtio-mmio/plug.h"

static struct vd d;
static struct echo echo;
static struct stuck stuck;

static bool is_patience(const struct loop_op *op)
{
    return op == &echo.virtio.late.timer;
}

/* The device holds a chain, and its driver resets it. The timer ends when a test says so. */
static void reset_it(uint64_t patience_ns)
{
    gpa_t at;

    echo_init(&echo, 1, 16);
    vd_init(&d, LOOP_AUTO);
    stuck_begin(&stuck, d.loop, is_patience);
    vd_plug(&d, &echo.virtio);
    echo.virtio.late.patience_ns = patience_ns;
    vd_start(&d, 0);
    at = vd_alloc(&d, 16);
    echo.hold = true;
    (void)vd_chain(&d, 0, &(struct vd_buf){ at, 16, 0 }, 1);
    vd_kick_hard(&d, 0);
    vd_settle(&d);
    vd_write(&d, VIRTIO_MMIO_STATUS, 0);
    vd_settle(&d);
    cr_assert_eq(echo.virtio.phase, VIRTIO_DRAINING);
}

static void timer_ends(int res)
{
    cr_assert_eq(stuck.count, 1);
    stuck_end(&stuck, stuck.op[0], res);
}

Test(virtio_late, is_told_and_the_driver_waits_on)
{
    reset_it(1);
    timer_ends(0);
    cr_assert(echo.virtio.late.late);
    cr_assert_neq(vd_read(&d, VIRTIO_MMIO_STATUS), 0, "its buffers may still be written");
    cr_assert_eq(stuck.count, 0, "told once");
    echo_release(&echo);
    cr_assert_not(echo.virtio.late.late);
    cr_assert_eq(vd_read(&d, VIRTIO_MMIO_STATUS), 0);
    vd_start(&d, 0);
    cr_assert_not(vd_failed(&d));
    vd_finish(&d);
}

/* A timer that was started for an earlier reset does not make the next one late. */
Test(virtio_late, each_reset_has_its_own_time)
{
    const uint64_t hour = 3600 * (uint64_t)NS_PER_S;
    uint64_t first;

    reset_it(hour);
    first = stuck.op[0]->at_ns;
    echo_release(&echo);
    vd_start(&d, 0);
    (void)vd_chain(&d, 0, &(struct vd_buf){ VD_BUFFERS, 16, 0 }, 1);
    vd_kick_hard(&d, 0);
    vd_settle(&d);
    vd_write(&d, VIRTIO_MMIO_STATUS, 0);
    vd_settle(&d);
    cr_assert_eq(stuck.count, 1, "one timer, whatever the driver does");
    timer_ends(0);
    cr_assert_not(echo.virtio.late.late);
    cr_assert_eq(stuck.count, 1);
    cr_assert_gt(stuck.op[0]->at_ns, first);
    echo_release(&echo);
    timer_ends(0);
    cr_assert_eq(stuck.count, 0, "no reset, no timer");
    vd_finish(&d);
}

static unsigned gones;

static void gone(struct virtio_device *v)
{
    (void)v;
    gones++;
}

/* The timer is a part of the device, which is not gone before the timer has ended. */
Test(virtio_late, its_timer_ends_with_the_device)
{
    reset_it(1);
    (void)virtio_unplug(&echo.virtio, gone);
    echo_release(&echo);
    vd_settle(&d);
    cr_assert_eq(stuck.cancels, 1);
    cr_assert_eq(gones, 0);
    timer_ends(-ECANCELED);
    vd_settle(&d);
    cr_assert_eq(gones, 1);
    cr_assert_not(echo.virtio.late.late);
    vd_finish(&d);
}

Test(virtio_late, without_patience_nobody_looks)
{
    reset_it(0);
    cr_assert_eq(stuck.count, 0);
    echo_release(&echo);
    vd_finish(&d);
}
