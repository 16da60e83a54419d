/* A driver's faults are not logged under the device's lock, which a vCPU may be waiting for. */
#include "virtio-mmio/virtio.h"

#include <criterion/criterion.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>

#include "lib/lock_watch.h"
#include "lib/virtio/echo.h"
#include "lib/virtio/virtio_driver.h"

static struct vd d;
static struct echo echo;

static void set_up(void)
{
    echo_init(&echo, 2, 64);
    vd_init(&d, LOOP_AUTO);
    vd_plug(&d, &echo.virtio);
    (void)lock_watch();
}

static void tear_down(void)
{
    vd_finish(&d);
}

TestSuite(virtio_log, .init = set_up, .fini = tear_down);

static void expect_one_line_without_lock(void)
{
    struct lock_watch seen = lock_watch();

    cr_assert_eq(echo.virtio.counters.faults, 1);
    cr_assert_eq(seen.lines, 1);
    cr_assert_eq(seen.under_lock, 0);
}

Test(virtio_log, a_malformed_chain)
{
    vd_start(&d, 0);
    vd_desc(&d, 0, 0, (struct vring_desc){ VD_WINDOW, 64, VD_WRITE, 0 });
    vd_offer(&d, 0, 0);
    vd_publish(&d, 0);
    vd_kick(&d, 0);
    vd_settle(&d);
    expect_one_line_without_lock();
}

/* A register write finds this fault, and it holds the lock from beginning to end. */
Test(virtio_log, a_queue_outside_ram)
{
    cr_assert(vd_negotiate(&d, 0));
    vd_write(&d, VIRTIO_MMIO_QUEUE_SEL, 0);
    vd_write(&d, VIRTIO_MMIO_QUEUE_NUM, 8);
    vd_write(&d, VIRTIO_MMIO_QUEUE_DESC_HIGH, 0x7fffffff);
    vd_write(&d, VIRTIO_MMIO_QUEUE_READY, 1);
    vd_write(&d, VIRTIO_MMIO_QUEUE_READY, 1);
    cr_assert(vd_failed(&d));
    vd_settle(&d);
    expect_one_line_without_lock();
    vd_settle(&d);
    cr_assert_eq(lock_watch().lines, 0, "told once");
}
