/* Frames from the tap to the guest, whatever its buffers are. */
#include "virtio-mmio/net/net_rx.h"

#include <linux/virtio_mmio.h>

#include "unit/virtio-mmio/net/net_rig.h"

#define MERGEABLE   0
#define UNMERGEABLE (UINT64_C(1) << VIRTIO_NET_F_MRG_RXBUF)
#define FRAMES      "net.eth0.rx"

static uint8_t bytes[NET_FRAME_MAX + 1];

static void host_send(unsigned number, size_t len)
{
    frame_fill(bytes, number, len);
    cr_assert_eq(write(host, bytes, len), (ssize_t)len);
}

static gpa_t offer(uint32_t len)
{
    gpa_t at = vd_alloc(&d, len);

    (void)vd_chain(&d, RX, &(struct vd_buf){ at, len, VD_WRITE }, 1);
    return at;
}

static uint16_t merged(gpa_t at)
{
    struct virtio_net_hdr_v1 *h = vd_at(&d, at, sizeof(*h));

    return h->num_buffers;
}

/* Expects bytes `from` to `end` of frame `number` there; its header is not compared. */
static void expect(gpa_t at, unsigned number, size_t from, size_t end)
{
    const uint8_t *is = vd_at(&d, at, (uint32_t)(end - from));

    for (size_t i = from > HEADER ? from : HEADER; i < end; i++)
        cr_assert_eq(is[i - from], frame_byte(number, i), "byte %zu", i);
}

ON_BOTH(net_rx, a_frame_arrives)
{
    struct vd_used used;
    uint32_t why;
    gpa_t at;

    net_start(UNMERGEABLE);
    at = offer(1526);
    vd_kick(&d, RX);
    vd_settle(&d);
    cr_assert(!vd_reap(&d, RX, &used));
    host_send(1, 300);
    used = vd_await(&d, RX);
    cr_assert_eq(used.len, 300);
    cr_assert_eq(merged(at), 1);
    expect(at, 1, 0, 300);
    cr_assert_eq(vd_interrupts(&d, &why), 1);
    cr_assert_eq(why, VIRTIO_MMIO_INT_VRING);
    cr_assert_eq(counter(FRAMES, "packets"), 1);
    cr_assert_eq(counter(FRAMES, "bytes"), 300 - HEADER);
}

ON_BOTH(net_rx, many_frames_are_one_interrupt)
{
    struct vd_used used;

    net_start(MERGEABLE);
    for (unsigned i = 0; i < 64; i++)
        (void)offer(1526);
    for (unsigned i = 0; i < 20; i++)
        host_send(i, 100 + i);
    vd_kick(&d, RX);
    vd_settle(&d);
    for (unsigned i = 0; i < 20; i++) {
        cr_assert(vd_reap(&d, RX, &used));
        cr_assert_eq(used.len, 100 + i);
    }
    cr_assert_eq(vd_interrupts(&d, NULL), 1);
}

ON_BOTH(net_rx, a_frame_goes_over_several_buffers)
{
    struct vd_used used;
    gpa_t at[4];

    net_start(MERGEABLE);
    for (unsigned i = 0; i < 4; i++)
        at[i] = offer(100);
    vd_kick(&d, RX);
    host_send(5, 250);
    for (unsigned i = 0; i < 3; i++) {
        used = vd_await(&d, RX);
        cr_assert_eq(used.len, i < 2 ? 100 : 50);
        expect(at[i], 5, 100 * i, 100 * i + used.len);
    }
    cr_assert_eq(merged(at[0]), 3);
    host_send(6, 90); /* the fourth is still there */
    used = vd_await(&d, RX);
    cr_assert_eq(used.len, 90);
    expect(at[3], 6, 0, 90);
    cr_assert_eq(merged(at[3]), 1);
}

ON_BOTH(net_rx, buffers_are_cut_anywhere)
{
    const struct vd_buf cut[] = { { VD_BUFFERS, 5, VD_WRITE },
                                  { VD_BUFFERS + 5, 6, VD_WRITE },
                                  { VD_BUFFERS + 11, 0, VD_WRITE },
                                  { VD_BUFFERS + 11, 1, VD_WRITE },
                                  { VD_BUFFERS + 12, 300, VD_WRITE } };
    struct vd_used used;

    net_start(UNMERGEABLE);
    d.free = VD_BUFFERS + 0x1000;
    (void)vd_chain(&d, RX, cut, 5);
    vd_kick(&d, RX);
    host_send(1, 312);
    used = vd_await(&d, RX);
    cr_assert_eq(used.len, 312);
    expect(VD_BUFFERS, 1, 0, 312);
    cr_assert_eq(merged(VD_BUFFERS), 1);
    (void)vd_indirect(&d, RX, cut, 5);
    vd_kick(&d, RX);
    host_send(2, 311);
    used = vd_await(&d, RX);
    cr_assert_eq(used.len, 311);
    expect(VD_BUFFERS, 2, 0, 311);
}

/* More buffers than the window's table has room for: it moves to the front again and again. */
ON_BOTH(net_rx, a_long_run_keeps_its_order)
{
    gpa_t at[64];
    unsigned got = 0;

    net_start(MERGEABLE);
    for (unsigned i = 0; i < 64; i++)
        at[i] = vd_alloc(&d, 200);
    for (unsigned i = 0; i < 64; i++)
        (void)vd_chain(
            &d, RX, (struct vd_buf[]){ { at[i], 20, VD_WRITE }, { at[i] + 20, 180, VD_WRITE } }, 2);
    vd_kick(&d, RX);
    for (unsigned i = 0; i < 600; i++) {
        size_t len = 100 + i % 400, from = 0;
        host_send(i, len);
        for (; from < len; got++) {
            struct vd_used used = vd_await(&d, RX);
            expect(at[got % 64], i, from, from + used.len);
            from += used.len;
            (void)vd_chain(&d, RX,
                           (struct vd_buf[]){ { at[got % 64], 20, VD_WRITE },
                                              { at[got % 64] + 20, 180, VD_WRITE } },
                           2);
            vd_kick(&d, RX);
        }
        cr_assert_eq(from, len);
    }
    cr_assert_eq(counter(FRAMES, "packets"), 600);
}

ON_BOTH(net_rx, the_longest_frame_arrives)
{
    struct vd_used used;
    gpa_t at[46];
    size_t from = 0;

    net_start(MERGEABLE);
    for (unsigned i = 0; i < 46; i++)
        at[i] = offer(1526);
    vd_kick(&d, RX);
    host_send(3, NET_FRAME_MAX);
    for (unsigned i = 0; from < NET_FRAME_MAX; i++) {
        used = vd_await(&d, RX);
        expect(at[i], 3, from, from + used.len);
        from += used.len;
    }
    cr_assert_eq(from, NET_FRAME_MAX);
    cr_assert_eq(merged(at[0]), 43);
}

ON_BOTH(net_rx, a_frame_waits_for_enough_buffers)
{
    struct vd_used used;
    gpa_t at[3];

    net_start(MERGEABLE);
    at[0] = offer(100);
    vd_kick(&d, RX);
    host_send(7, 270);
    host_send(8, 40);
    vd_settle(&d);
    cr_assert(!vd_reap(&d, RX, &used));
    at[1] = offer(100);
    vd_kick(&d, RX);
    vd_settle(&d);
    cr_assert(!vd_reap(&d, RX, &used));
    at[2] = offer(100);
    (void)offer(100);
    (void)vd_kick(&d, RX);
    for (unsigned i = 0; i < 3; i++) {
        used = vd_await(&d, RX);
        expect(at[i], 7, 100 * i, 100 * i + used.len);
    }
    cr_assert_eq(used.len, 70);
    cr_assert_eq(merged(at[0]), 3);
    used = vd_await(&d, RX);
    cr_assert_eq(used.len, 40);
    cr_assert_eq(counter(FRAMES, "too_long"), 0);
}

ON_BOTH(net_rx, a_frame_too_long_for_its_buffer_is_dropped)
{
    struct vd_used used;
    gpa_t at;

    net_start(UNMERGEABLE);
    at = offer(100);
    vd_kick(&d, RX);
    host_send(1, 101);
    host_send(2, 100);
    used = vd_await(&d, RX);
    cr_assert_eq(used.len, 100);
    expect(at, 2, 0, 100);
    cr_assert_eq(counter(FRAMES, "too_long"), 1);
    cr_assert_eq(counter(FRAMES, "packets"), 1);
}

ON_BOTH(net_rx, a_frame_too_long_for_the_whole_queue_is_dropped)
{
    struct vd_used used;

    net_plug();
    cr_assert(vd_negotiate(&d, 0));
    vd_queue_set_up(&d, RX, 4);
    vd_queue_set_up(&d, TX, 4);
    vd_write(&d, VIRTIO_MMIO_STATUS, vd_read(&d, VIRTIO_MMIO_STATUS) | VIRTIO_CONFIG_S_DRIVER_OK);
    for (unsigned i = 0; i < 4; i++)
        (void)offer(100);
    vd_kick(&d, RX);
    host_send(1, 401);
    host_send(2, 400);
    for (unsigned i = 0; i < 4; i++) {
        used = vd_await(&d, RX);
        cr_assert_eq(used.len, 100);
    }
    cr_assert_eq(counter(FRAMES, "too_long"), 1);
}

ON_BOTH(net_rx, a_frame_too_long_for_anybody_is_dropped)
{
    struct vd_used used;
    gpa_t at;

    net_start(MERGEABLE);
    at = offer(100);
    vd_kick(&d, RX);
    vd_settle(&d);
    memset(bytes, 1, sizeof(bytes));
    cr_assert_eq(writev(host, (struct iovec[]){ { bytes, sizeof(bytes) }, { bytes, 100 } }, 2),
                 (ssize_t)sizeof(bytes) + 100);
    host_send(2, 60);
    used = vd_await(&d, RX);
    cr_assert_eq(used.len, 60);
    expect(at, 2, 0, 60);
    cr_assert_eq(counter(FRAMES, "too_long"), 1);
}

ON_BOTH(net_rx, what_is_no_frame_is_dropped)
{
    struct vd_used used;

    net_start(MERGEABLE);
    (void)offer(100);
    vd_kick(&d, RX);
    host_send(1, HEADER - 1);
    host_send(2, HEADER + 13);
    host_send(3, HEADER + 14);
    used = vd_await(&d, RX);
    cr_assert_eq(used.len, HEADER + 14);
    cr_assert_eq(counter(FRAMES, "too_short"), 2);
}

/* The frame stays where it is until the guest has a buffer, and the loop sleeps meanwhile. */
ON_BOTH(net_rx, without_buffers_the_tap_is_left_alone)
{
    struct vd_used used;

    net_start(MERGEABLE);
    host_send(1, 100);
    host_send(2, 200);
    vd_settle(&d);
    vd_settle(&d);
    cr_assert_eq(recv(setup.tap.fd, bytes, sizeof(bytes), MSG_PEEK), 100);
    cr_assert_eq(counter(FRAMES, "no_buffer"), 1);
    (void)offer(300);
    (void)vd_kick(&d, RX);
    used = vd_await(&d, RX);
    cr_assert_eq(used.len, 100);
    vd_settle(&d);
    cr_assert_eq(counter(FRAMES, "no_buffer"), 2);
    (void)offer(300);
    (void)vd_kick(&d, RX);
    used = vd_await(&d, RX);
    cr_assert_eq(used.len, 200);
}

/* More than one turn's worth; nothing is left behind at its end. */
ON_BOTH(net_rx, a_turn_that_ends_goes_on)
{
    struct vd_used used;

    net_start(UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX); /* an interrupt each turn */
    for (unsigned i = 0; i < 200; i++)
        host_send(i, 60);
    for (unsigned i = 0; i < 200; i++)
        (void)offer(100);
    vd_kick(&d, RX);
    for (unsigned i = 0; i < 200; i++) {
        used = vd_await(&d, RX);
        cr_assert_eq(used.len, 60);
    }
    cr_assert_geq(vd_interrupts(&d, NULL), 2);
}

static void expect_failure(const struct vd_buf *bufs, unsigned count)
{
    struct vd_used used;

    vd_start(&d, 0);
    (void)vd_chain(&d, RX, bufs, count);
    host_send(1, 100);
    vd_kick(&d, RX);
    vd_settle(&d);
    cr_assert(vd_failed(&d));
    vd_kick_hard(&d, RX);
    vd_kick_hard(&d, TX);
    vd_settle(&d);
    cr_assert(!vd_reap(&d, RX, &used));
}

ON_BOTH(net_rx, bad_buffers_fail_the_device)
{
    net_plug();
    expect_failure(&(struct vd_buf){ VD_BUFFERS, 200, 0 }, 1);
    expect_failure(&(struct vd_buf){ VD_BUFFERS, HEADER - 1, VD_WRITE }, 1);
    expect_failure(&(struct vd_buf){ VD_BUFFERS, 0, VD_WRITE }, 1);
    expect_failure(&(struct vd_buf){ VD_LOW_END - 8, 16, VD_WRITE }, 1);
    expect_failure(&(struct vd_buf){ UINT64_MAX - 8, 16, VD_WRITE }, 1);
    expect_failure((struct vd_buf[]){ { VD_BUFFERS, 20, 0 }, { VD_BUFFERS + 64, 200, VD_WRITE } },
                   2);
    expect_failure((struct vd_buf[]){ { VD_BUFFERS, 20, VD_WRITE }, { VD_BUFFERS, 20, 0 } }, 2);
}

/* A bad chain behind a good one: the good one is in the window and must not be used either. */
ON_BOTH(net_rx, a_failure_waits_for_its_reset)
{
    struct vd_used used;

    net_start(MERGEABLE);
    (void)offer(200);
    vd_kick(&d, RX);
    vd_settle(&d);
    (void)vd_chain(&d, RX, &(struct vd_buf){ VD_BUFFERS, 200, 0 }, 1);
    vd_kick_hard(&d, RX);
    host_send(1, 250);
    vd_settle(&d);
    cr_assert(vd_failed(&d));
    cr_assert(!vd_reap(&d, RX, &used));
    vd_start(&d, MERGEABLE);
    (void)offer(200);
    vd_kick(&d, RX);
    host_send(2, 100);
    used = vd_await(&d, RX);
    cr_assert_eq(used.len, 100);
}

/* Buffers in the window, a frame half placed, the tap being waited for. */
ON_BOTH(net_rx, a_reset_gives_all_buffers_up)
{
    struct vd_used used;
    gpa_t at;

    net_start(MERGEABLE);
    at = offer(100);
    vd_kick(&d, RX);
    vd_settle(&d);
    vd_reset(&d);
    host_send(1, 90);
    vd_settle(&d);
    expect(at, 0, 0, 0);
    for (unsigned i = 0; i < 90; i++)
        cr_assert_eq(((uint8_t *)vd_at(&d, at, 100))[i], 0);
    vd_start(&d, MERGEABLE);
    at = offer(100);
    host_send(2, 150);
    vd_kick(&d, RX);
    vd_settle(&d);
    vd_start(&d, MERGEABLE);
    at = offer(100);
    host_send(3, 80);
    vd_kick(&d, RX);
    used = vd_await(&d, RX);
    cr_assert_eq(used.len, 80);
    expect(at, 3, 0, 80);
}

/* A rate so low that the second frame would come in half an hour. */
ON_BOTH(net_rx, a_limit_holds_frames_back)
{
    struct vd_used used;

    setup.rx.bandwidth.per_s = 1;
    net_start(MERGEABLE);
    (void)offer(2000);
    (void)offer(2000);
    host_send(1, 1500);
    host_send(2, 1500);
    vd_kick(&d, RX);
    used = vd_await(&d, RX);
    cr_assert_eq(used.len, 1500);
    vd_settle(&d);
    cr_assert(!vd_reap(&d, RX, &used));
    cr_assert_eq(counter(FRAMES, "throttled"), 1);
    vd_reset(&d); /* does not wait as long */
}

ON_BOTH(net_rx, a_tap_without_interface_is_a_link_that_is_down)
{
    struct virtio_net_config config;
    uint32_t why;

    net_start(MERGEABLE);
    vd_config_read(&d, 0, &config, 12);
    cr_assert_eq(config.status, VIRTIO_NET_S_LINK_UP);
    (void)offer(2000);
    vd_kick(&d, RX);
    vd_settle(&d);
    (void)close(host);
    host = -1;
    do
        vd_settle(&d);
    while (vd_interrupts(&d, &why) == 0);
    cr_assert_eq(why, VIRTIO_MMIO_INT_CONFIG);
    vd_config_read(&d, 0, &config, 12);
    cr_assert_eq(config.status, 0);
    (void)offer(2000);
    vd_kick_hard(&d, RX);
    vd_settle(&d);
    vd_start(&d, MERGEABLE);
    (void)offer(2000);
    vd_kick(&d, RX);
    vd_settle(&d);
    vd_config_read(&d, 0, &config, 12);
    cr_assert_eq(config.status, 0);
}
