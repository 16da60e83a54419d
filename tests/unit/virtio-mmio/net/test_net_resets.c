/* What a driver that comes and goes, or has nothing to do, costs the host. */
#include <linux/if_tun.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "lib/sleeper.h"
#include "unit/virtio-mmio/net/net_rig.h"

/* The tap is a socket: this counts and keeps what a tap would have been told. */
static unsigned told;
static unsigned long offloads;

int ioctl(int fd, unsigned long request, ...)
{
    va_list args;
    unsigned long arg;

    va_start(args, request);
    arg = va_arg(args, unsigned long);
    va_end(args);
    if (request != TUNSETOFFLOAD)
        return (int)syscall(SYS_ioctl, fd, request, arg);
    told++;
    offloads = arg;
    return 0;
}

#define WITHOUT_TSO (UINT64_C(1) << VIRTIO_NET_F_GUEST_TSO4)

ON_BOTH(net_resets, nothing_is_told_that_the_tap_knows)
{
    setup.tap.offloads = TUN_F_CSUM | TUN_F_TSO4;
    told = 0;
    net_start(0);
    cr_assert_eq(told, 1);
    cr_assert_eq(offloads, TUN_F_CSUM | TUN_F_TSO4);
    for (unsigned i = 0; i < 20; i++) {
        vd_reset(&d);
        vd_start(&d, 0);
    }
    cr_assert_eq(told, 1);
    vd_start(&d, WITHOUT_TSO);
    cr_assert_eq(told, 2);
    cr_assert_eq(offloads, TUN_F_CSUM);
    vd_start(&d, WITHOUT_TSO);
    cr_assert_eq(told, 2);
}

ON_BOTH(net_resets, a_driver_that_takes_none_costs_nothing)
{
    setup.tap.offloads = TUN_F_CSUM;
    told = 0;
    net_start(UINT64_C(1) << VIRTIO_NET_F_GUEST_CSUM);
    vd_start(&d, UINT64_C(1) << VIRTIO_NET_F_GUEST_CSUM);
    cr_assert_eq(told, 0, "a tap has none when it is opened");
}

static void host_send(unsigned number)
{
    uint8_t frame[HEADER + 100];

    frame_fill(frame, number, sizeof(frame));
    cr_assert_eq(send(host, frame, sizeof(frame), 0), (ssize_t)sizeof(frame));
}

/* Also if there are more of them than one turn drops. */
ON_BOTH(net_resets, frames_for_the_last_driver_are_forgotten)
{
    const gpa_t at = VD_HIGH;
    unsigned sent = 0;

    net_start(0);
    while (sent < 400 && send(host, "a frame of the last driver's", 28, MSG_DONTWAIT) > 0)
        sent++;
    cr_assert_gt(sent, 0);
    vd_start(&d, 0);
    (void)vd_chain(&d, RX, &(struct vd_buf){ at, 2048, VD_WRITE }, 1);
    (void)vd_kick(&d, RX);
    vd_settle(&d);
    host_send(7);
    cr_assert_eq(vd_await(&d, RX).len, HEADER + 100);
    cr_assert_eq(frame_same(vd_at(&d, at, 2048), 7, HEADER, HEADER + 100), HEADER + 100);
}

/* The first frame that comes later is for this driver, even if a turn has just dropped the last
 * stale one. */
ON_BOTH(net_resets, no_frame_for_this_driver_is_forgotten)
{
    net_start(0);
    for (unsigned i = 0; i < 128; i++)
        cr_assert_gt(send(host, "a frame of the last driver's", 28, MSG_DONTWAIT), 0);
    vd_start(&d, 0);
    (void)vd_chain(&d, RX, &(struct vd_buf){ VD_HIGH, 2048, VD_WRITE }, 1);
    (void)vd_kick(&d, RX);
    vd_settle(&d);
    host_send(7);
    cr_assert_eq(vd_await(&d, RX).len, HEADER + 100);
}

/* The first driver gets the frames that came before it. */
ON_BOTH(net_resets, the_first_driver_forgets_nothing)
{
    host_send(3);
    net_start(0);
    (void)vd_chain(&d, RX, &(struct vd_buf){ VD_HIGH, 2048, VD_WRITE }, 1);
    (void)vd_kick(&d, RX);
    cr_assert_eq(vd_await(&d, RX).len, HEADER + 100);
}

/* While the guest has no buffers the tap is not polled, however many frames come. */
ON_BOTH(net_resets, a_flood_without_buffers_wakes_nobody)
{
    net_start(0);
    while (send(host, "a frame that nobody takes", 25, MSG_DONTWAIT) > 0)
        ;
    cr_assert(loop_sleeps(d.loop));
}

ON_BOTH(net_resets, drivers_that_never_kick_wake_nobody)
{
    net_start(0);
    for (unsigned i = 0; i < 10; i++)
        vd_start(&d, 0);
    cr_assert(loop_sleeps(d.loop));
}

/* A doorbell rung without work costs one turn and nothing afterwards. */
ON_BOTH(net_resets, doorbells_without_work_end_with_their_turn)
{
    net_start(0);
    for (unsigned i = 0; i < 100; i++) {
        vd_kick_hard(&d, i % 2);
        vd_settle(&d);
    }
    cr_assert_eq(counter("net.eth0", "kicks"), 100);
    cr_assert(loop_sleeps(d.loop));
}
