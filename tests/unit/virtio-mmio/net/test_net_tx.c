/* Frames from the guest to the tap, and chains that are no frames. */
#include "virtio-mmio/net/net_tx.h"

#include <linux/virtio_mmio.h>
#include <signal.h>

#include "unit/virtio-mmio/net/net_rig.h"

#define FRAMES "net.eth0.tx"

static uint8_t bytes[NET_FRAME_MAX + 1];

/* A frame in one buffer, with the device's source address. */
static gpa_t frame_make(unsigned number, uint32_t len)
{
    gpa_t at = vd_alloc(&d, len);
    uint8_t *to = vd_at(&d, at, len);

    frame_fill(to, number, len);
    if (len >= NET_FRAME_MIN)
        memcpy(to + HEADER + 6, mac, sizeof(mac));
    return at;
}

static void offer(unsigned number, uint32_t len)
{
    (void)vd_chain(&d, TX, &(struct vd_buf){ frame_make(number, len), len, 0 }, 1);
}

/* Expects this frame next on the host's side. */
static void host_expect(unsigned number, size_t len)
{
    cr_assert_eq(read(host, bytes, sizeof(bytes)), (ssize_t)len);
    cr_assert_eq(frame_same(bytes, number, 0, HEADER + 6), HEADER + 6);
    cr_assert_arr_eq(bytes + HEADER + 6, mac, sizeof(mac));
    cr_assert_eq(frame_same(bytes, number, HEADER + 12, len), len);
}

static bool host_has_none(void)
{
    return read(host, bytes, sizeof(bytes)) < 0 && errno == EAGAIN;
}

ON_BOTH(net_tx, a_frame_leaves)
{
    struct vd_used used;
    uint32_t why;

    net_start(0);
    offer(1, 300);
    cr_assert(vd_kick(&d, TX));
    used = vd_await(&d, TX);
    cr_assert_eq(used.len, 0);
    host_expect(1, 300);
    cr_assert(host_has_none());
    cr_assert_eq(vd_interrupts(&d, &why), 1);
    cr_assert_eq(why, VIRTIO_MMIO_INT_VRING);
    cr_assert_eq(counter(FRAMES, "packets"), 1);
    cr_assert_eq(counter(FRAMES, "bytes"), 300 - HEADER);
    cr_assert_eq(counter(FRAMES, "spoofed_mac"), 0);
}

ON_BOTH(net_tx, a_batch_is_one_interrupt)
{
    net_start(0);
    for (unsigned i = 0; i < 20; i++)
        offer(i, 100 + i);
    vd_kick(&d, TX);
    vd_settle(&d);
    for (unsigned i = 0; i < 20; i++) {
        struct vd_used used;
        cr_assert(vd_reap(&d, TX, &used));
        host_expect(i, 100 + i);
    }
    cr_assert_eq(vd_interrupts(&d, NULL), 1);
}

ON_BOTH(net_tx, buffers_are_cut_anywhere)
{
    gpa_t at;
    struct vd_buf cut[5];

    net_start(0);
    at = frame_make(3, 400);
    cut[0] = (struct vd_buf){ at, 7, 0 };
    cut[1] = (struct vd_buf){ at + 7, 0, 0 };
    cut[2] = (struct vd_buf){ at + 7, 8, 0 };
    cut[3] = (struct vd_buf){ at + 15, 6, 0 };
    cut[4] = (struct vd_buf){ at + 21, 379, 0 };
    (void)vd_chain(&d, TX, cut, 5);
    (void)vd_indirect(&d, TX, cut, 5);
    vd_kick(&d, TX);
    (void)vd_await(&d, TX);
    (void)vd_await(&d, TX);
    host_expect(3, 400);
    host_expect(3, 400);
    cr_assert_eq(counter(FRAMES, "spoofed_mac"), 0);
}

/* As many buffers as a queue has. */
ON_BOTH(net_tx, a_chain_may_be_as_long_as_the_queue)
{
    struct vd_buf cut[VIRTQ_SIZE_MAX];
    gpa_t at;

    net_start(0);
    at = frame_make(4, 2 * VIRTQ_SIZE_MAX);
    for (unsigned i = 0; i < VIRTQ_SIZE_MAX; i++)
        cut[i] = (struct vd_buf){ at + 2 * i, 2, 0 };
    (void)vd_chain(&d, TX, cut, VIRTQ_SIZE_MAX);
    vd_kick(&d, TX);
    (void)vd_await(&d, TX);
    host_expect(4, 2 * VIRTQ_SIZE_MAX);
}

ON_BOTH(net_tx, another_source_address_is_counted)
{
    gpa_t at;

    net_start(0);
    at = frame_make(1, 60);
    ((uint8_t *)vd_at(&d, at, 60))[HEADER + 11] ^= 1;
    (void)vd_chain(&d, TX, &(struct vd_buf){ at, 60, 0 }, 1);
    vd_kick(&d, TX);
    (void)vd_await(&d, TX);
    cr_assert_eq(read(host, bytes, sizeof(bytes)), 60);
    cr_assert_eq(counter(FRAMES, "spoofed_mac"), 1);
}

/* Each is answered and does not reach the tap; the next sound frame does. */
ON_BOTH(net_tx, what_is_no_frame_is_dropped)
{
    gpa_t at;

    net_start(0);
    at = frame_make(1, NET_FRAME_MAX + 1);
    (void)vd_chain(&d, TX, &(struct vd_buf){ at, 0, 0 }, 1);
    (void)vd_chain(&d, TX, &(struct vd_buf){ at, HEADER - 1, 0 }, 1);
    (void)vd_chain(&d, TX, &(struct vd_buf){ at, NET_FRAME_MIN - 1, 0 }, 1);
    (void)vd_chain(&d, TX, &(struct vd_buf){ at, NET_FRAME_MAX + 1, 0 }, 1);
    (void)vd_chain(&d, TX, &(struct vd_buf){ at, 100, VD_WRITE }, 1);
    (void)vd_chain(&d, TX, (struct vd_buf[]){ { at, 100, 0 }, { at, 1, VD_WRITE } }, 2);
    (void)vd_chain(&d, TX, &(struct vd_buf){ at, NET_FRAME_MIN, 0 }, 1);
    vd_kick(&d, TX);
    for (unsigned i = 0; i < 7; i++)
        cr_assert_eq(vd_await(&d, TX).len, 0);
    host_expect(1, NET_FRAME_MIN);
    cr_assert(host_has_none());
    cr_assert_eq(counter(FRAMES, "malformed"), 6);
    cr_assert_eq(counter(FRAMES, "packets"), 1);
    cr_assert(!vd_failed(&d));
}

ON_BOTH(net_tx, the_longest_frame_leaves)
{
    net_start(0);
    offer(9, NET_FRAME_MAX);
    vd_kick(&d, TX);
    (void)vd_await(&d, TX);
    host_expect(9, NET_FRAME_MAX);
}

/* The socket holds only so many: the rest waits in the queue, in its order, and the loop sleeps. */
ON_BOTH(net_tx, a_full_tap_makes_the_guest_wait)
{
    struct vd_used used;
    unsigned answered = 0;

    net_start(0);
    for (unsigned i = 0; i < 40; i++)
        offer(i, 32000);
    vd_kick(&d, TX);
    vd_settle(&d);
    while (vd_reap(&d, TX, &used))
        answered++;
    cr_assert_geq(answered, 1);
    cr_assert_lt(answered, 40);
    cr_assert_geq(counter(FRAMES, "tap_full"), 1);
    cr_assert_eq(counter(FRAMES, "packets"), answered);
    vd_kick_hard(&d, TX);
    vd_settle(&d);
    cr_assert_eq(counter(FRAMES, "tap_full"), 1);
    for (unsigned i = 0; i < 40; i++) {
        host_expect(i, 32000);
        vd_settle(&d);
    }
    while (vd_reap(&d, TX, &used))
        answered++;
    cr_assert_eq(answered, 40);
    cr_assert_eq(counter(FRAMES, "write_fails"), 0);
}

ON_BOTH(net_tx, a_reset_takes_back_what_waits)
{
    net_start(0);
    for (unsigned i = 0; i < 40; i++)
        offer(i, 32000);
    vd_kick(&d, TX);
    vd_settle(&d);
    vd_reset(&d);
    while (!host_has_none())
        ;
    vd_settle(&d);
    cr_assert(host_has_none());
    vd_start(&d, 0);
    offer(50, 100);
    vd_kick(&d, TX);
    (void)vd_await(&d, TX);
    host_expect(50, 100);
}

/* Also more than one turn's worth. */
ON_BOTH(net_tx, what_the_tap_refuses_is_dropped)
{
    (void)signal(SIGPIPE, SIG_IGN);
    net_start(0);
    (void)close(host);
    host = -1;
    for (unsigned i = 0; i < 250; i++)
        offer(i, 2000);
    vd_kick(&d, TX);
    for (unsigned i = 0; i < 250; i++)
        (void)vd_await(&d, TX);
    cr_assert_eq(counter(FRAMES, "write_fails"), 250);
    cr_assert_eq(counter(FRAMES, "packets"), 0);
}

/* A rate so low that the second frame would go in half an hour. */
ON_BOTH(net_tx, a_limit_holds_frames_back)
{
    struct vd_used used;

    setup.tx.bandwidth.per_s = 1;
    net_start(0);
    offer(1, 1500);
    vd_kick(&d, TX);
    (void)vd_await(&d, TX);
    vd_settle(&d);
    cr_assert_eq(counter(FRAMES, "throttled"), 0); /* nobody waits */
    offer(2, 1500);
    vd_kick(&d, TX);
    vd_settle(&d);
    cr_assert(!vd_reap(&d, TX, &used));
    cr_assert_eq(counter(FRAMES, "throttled"), 1);
    host_expect(1, 1500);
    cr_assert(host_has_none());
    vd_reset(&d); /* does not wait as long */
}

ON_BOTH(net_tx, bad_chains_fail_the_device)
{
    static const struct vd_buf bad[] = {
        { VD_LOW_END - 50, 100, 0 },
        { VD_LOW_END, 100, 0 },
        { UINT64_MAX - 50, 100, 0 },
    };

    net_plug();
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        vd_start(&d, 0);
        (void)vd_chain(&d, TX, &bad[i], 1);
        vd_kick(&d, TX);
        vd_settle(&d);
        cr_assert(vd_failed(&d));
        vd_kick_hard(&d, TX);
        vd_settle(&d);
        cr_assert(host_has_none());
    }
}

/* One direction fails while the other waits for the tap. */
ON_BOTH(net_tx, a_failure_stops_both_directions)
{
    unsigned came = 0;

    net_start(0);
    for (unsigned i = 0; i < 40; i++)
        offer(i, 32000);
    vd_kick(&d, TX);
    vd_settle(&d);
    (void)vd_chain(&d, RX, &(struct vd_buf){ VD_BUFFERS, 4, VD_WRITE }, 1);
    vd_kick(&d, RX);
    vd_settle(&d);
    cr_assert(vd_failed(&d));
    for (; !host_has_none(); came++)
        vd_settle(&d);
    cr_assert_lt(came, 40);
    vd_start(&d, 0);
    offer(50, 100);
    vd_kick(&d, TX);
    (void)vd_await(&d, TX);
    host_expect(50, 100);
}
