/* Plugging and unplugging a device: in every state, and when the machine refuses it. */
#include "virtio-mmio/plug.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_mmio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/err.h"
#include "lib/forbid.h"
#include "lib/virtio/echo.h"
#include "lib/virtio/virtio_driver.h"
#include "virtio-mmio/mmio.h"

static struct vd d;
static struct echo echo;

static void set_up(void)
{
    echo_init(&echo, 2, 64);
    vd_init(&d, LOOP_AUTO);
}

TestSuite(plug, .init = set_up);

static struct virtio_slot slot_of(void)
{
    return (struct virtio_slot){ .mmio = &d.bus,
                                 .gpa = VD_WINDOW,
                                 .accel = &d.accel.accel,
                                 .irq = &d.line,
                                 .loop = d.loop,
                                 .mem = &d.mem };
}

static void hold_one(void)
{
    gpa_t at = vd_alloc(&d, 16);

    echo.hold = true;
    (void)vd_chain(&d, 0, (struct vd_buf[]){ { at, 16, 0 } }, 1);
    vd_kick_hard(&d, 0);
    vd_settle(&d);
    cr_assert_eq(echo.held_count, 1);
}

static bool eventfds_are_closed(void)
{
    return echo.virtio.queue[0].eventfd < 0 && echo.virtio.queue[1].eventfd < 0 &&
           fcntl(d.queue[0].doorbell, F_GETFD) < 0 && fcntl(d.queue[1].doorbell, F_GETFD) < 0;
}

Test(plug, goes_untouched)
{
    vd_plug(&d, &echo.virtio);
    cr_assert_eq(d.bus.count, 1);
    cr_assert_neq(d.queue[0].doorbell, d.queue[1].doorbell);
    vd_finish(&d);
    cr_assert(eventfds_are_closed());
    cr_assert_eq(echo.resets, 0);
}

Test(plug, goes_while_it_works)
{
    vd_plug(&d, &echo.virtio);
    vd_start(&d, 0);
    vd_finish(&d);
    cr_assert(eventfds_are_closed());
    cr_assert_eq(echo.resets, 1);
}

Test(plug, goes_with_a_kick_on_its_way)
{
    vd_plug(&d, &echo.virtio);
    vd_start(&d, 0);
    vd_kick_hard(&d, 0);
    vd_kick_hard(&d, 1);
    vd_finish(&d);
    cr_assert(eventfds_are_closed());
}

static unsigned gones;

static void gone(struct virtio_device *v)
{
    cr_assert_eq(v, &echo.virtio);
    gones++;
}

/* Not before the chain that it holds is answered. */
Test(plug, goes_when_it_is_drained)
{
    vd_plug(&d, &echo.virtio);
    vd_start(&d, 0);
    hold_one();
    cr_assert(virtio_unplug(&echo.virtio, gone));
    vd_settle(&d);
    cr_assert_eq(gones, 0);
    cr_assert_eq(echo.resets, 1);
    echo_release(&echo);
    cr_assert_eq(gones, 0, "never from inside a call");
    vd_settle(&d);
    cr_assert_eq(gones, 1);
    cr_assert_not(virtio_unplug(&echo.virtio, gone), "it is unplugged");
    vd_finish(&d);
    cr_assert_eq(gones, 1);
}

Test(plug, goes_in_the_middle_of_a_reset)
{
    vd_plug(&d, &echo.virtio);
    vd_start(&d, 0);
    hold_one();
    vd_write(&d, VIRTIO_MMIO_STATUS, 0);
    vd_settle(&d);
    cr_assert(virtio_unplug(&echo.virtio, gone));
    vd_settle(&d);
    cr_assert_eq(gones, 0);
    echo_release(&echo);
    vd_settle(&d);
    cr_assert_eq(gones, 1);
    cr_assert_eq(echo.resets, 1, "one was enough");
    vd_finish(&d);
}

/* A reset or a DRIVER_OK that the loop has yet to see. */
Test(plug, goes_with_work_posted)
{
    vd_plug(&d, &echo.virtio);
    vd_start(&d, 0);
    vd_write(&d, VIRTIO_MMIO_STATUS, 0);
    vd_finish(&d);
    cr_assert_eq(echo.resets, 1);
}

Test(plug, goes_before_it_began)
{
    vd_plug(&d, &echo.virtio);
    cr_assert(vd_negotiate(&d, 0));
    vd_queue_set_up(&d, 0, 0);
    vd_write(&d, VIRTIO_MMIO_STATUS, 15);
    vd_finish(&d);
    cr_assert_eq(echo.activated, 0);
}

Test(plug, lists_its_counters)
{
    const struct metrics_group *g;

    vd_plug(&d, &echo.virtio);
    g = d.metrics.first;
    cr_assert_not_null(g);
    cr_assert_str_eq(g->name, "echo");
    cr_assert_eq(g->count, 4);
    cr_assert_str_eq(g->metrics[0].name, "kicks");
    vd_start(&d, 0);
    vd_kick_hard(&d, 0);
    vd_settle(&d);
    cr_assert_eq(metrics_read(g, 0), 1);
    vd_finish(&d); /* checks that the list is empty */
}

Test(plug, works_without_a_registry)
{
    struct virtio_slot slot = slot_of();

    cr_assert_eq(virtio_plug(&echo.virtio, &slot, NULL), 0);
    d.device = &echo.virtio;
    vd_start(&d, 0);
    cr_assert_null(d.metrics.first);
    vd_finish(&d);
}

/* Refused. */

static int refuse(struct accel *a, gpa_t addr, unsigned size, uint64_t value, int eventfd,
                  struct err *e)
{
    (void)a;
    (void)addr;
    (void)size;
    (void)eventfd;
    return value == 1 ? err_set(e, ENOSPC, "no more doorbells") : 0;
}

static void expect_refused(const struct virtio_slot *slot, int code, const char *say)
{
    struct err e;

    cr_assert_eq(virtio_plug(&echo.virtio, slot, &e), -code);
    cr_assert(strstr(e.text, say), "\"%s\" in \"%s\"", say, e.text);
    cr_assert_eq(echo.virtio.queue[0].eventfd, -1);
    cr_assert_eq(echo.virtio.queue[1].eventfd, -1);
    cr_assert_null(echo.virtio.device.ops);
    cr_assert_not(virtio_unplug(&echo.virtio, gone));
    vd_finish(&d);
}

Test(plug, doorbell_that_is_refused)
{
    static const struct accel_ops ops = { .doorbell_add = refuse };
    struct accel accel = { .ops = &ops };
    struct virtio_slot slot = slot_of();

    slot.accel = &accel;
    expect_refused(&slot, ENOSPC, "echo: no more doorbells");
}

Test(plug, window_that_is_taken)
{
    struct virtio_slot slot = slot_of();
    struct device other;

    device_init(&other, &mmio_device_ops);
    cr_assert_eq(bus_add(&d.bus, VD_WINDOW + 0x800, 16, &other, NULL), 0);
    expect_refused(&slot, EEXIST, "overlaps");
    device_finish(&other);
}

Test(plug, descriptors_that_are_short)
{
    struct virtio_slot slot = slot_of();
    struct rlimit limit;

    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = (rlim_t)fcntl(0, F_DUPFD, 0);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    expect_refused(&slot, EMFILE, "echo: cannot create an eventfd for queue 0");
}

/* A host whose seccomp filter refuses every way to read: the device fails, the process goes on. */
Test(plug, a_doorbell_that_cannot_be_read)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        vd_init(&d, LOOP_EPOLL);
        forbid(SYS_preadv2, EPERM);
        forbid(SYS_recvmsg, EPERM);
        forbid(SYS_readv, EPERM);
        vd_plug(&d, &echo.virtio);
        vd_start(&d, 0);
        vd_kick_hard(&d, 1);
        vd_settle(&d);
        _exit(vd_failed(&d) ? 0 : 1);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0, "%x", status);
}
