/*
 * From the tap to the guest without a copy of our own.
 *
 * A tap tells nobody how long the next frame is, and a read takes all of it. So enough chains for
 * the longest are taken from the queue beforehand: a window, which is read into as a whole. What
 * the frame filled is answered, the rest stays in the window for the next one. Behind the window
 * lies a piece of our own memory. A frame that ends in there was longer than what the guest had
 * offered; where buffers may be merged it stays until there are enough, and only then is its end
 * copied. Where they may not be, or the guest can offer no more, it is dropped.
 *
 * While the guest offers nothing nobody looks at the tap: its queue fills up, and the host drops.
 */
#include "virtio-mmio/net/net_rx.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/uio.h>

#include "core/base/clock.h"
#include "core/base/container.h"
#include "core/base/nowait.h"
#include "virtio-mmio/net/net_tap.h"
#include "virtio-mmio/queue/iov.h"

static struct virtq *ring_of(const struct net_rx *rx)
{
    return &rx->port.device->queue[NET_QUEUE_RX].ring;
}

/* The window. */

/* The next chain may have as many buffers as the queue is long, and our own comes behind them. */
static bool fits_behind(const struct net_rx *rx)
{
    return rx->first_iov + rx->iov_count + VIRTQ_SIZE_MAX < IOV_MAX &&
           rx->first_chain + rx->chain_count < sizeof(rx->chain) / sizeof(rx->chain[0]);
}

static void move_to_front(struct net_rx *rx)
{
    memmove(rx->iov, rx->iov + rx->first_iov, rx->iov_count * sizeof(rx->iov[0]));
    memmove(rx->chain, rx->chain + rx->first_chain, rx->chain_count * sizeof(rx->chain[0]));
    rx->first_iov = 0;
    rx->first_chain = 0;
}

/* No chain can be added until some are answered. */
static bool is_full(const struct net_rx *rx)
{
    return ring_of(rx)->in_flight == ring_of(rx)->size || !fits_behind(rx);
}

/* Adds one chain, if there is one. A driver that offers what is no buffer for frames breaks the
 * rules (5.1.6.3.1). */
static bool window_add(struct net_rx *rx)
{
    struct virtq_chain c = { .iov_max = VIRTQ_SIZE_MAX };

    if (!fits_behind(rx))
        move_to_front(rx);
    if (!fits_behind(rx))
        return false;
    c.iov = rx->iov + rx->first_iov + rx->iov_count;
    if (!virtio_pop(rx->port.device, NET_QUEUE_RX, &c))
        return false;
    if (c.readable > 0 || c.writable_len < NET_HEADER_SIZE) {
        virtio_fail(rx->port.device, "a receive buffer is read-only or shorter than the header");
        return false;
    }
    rx->chain[rx->first_chain + rx->chain_count++] =
        (struct net_rx_chain){ .len = c.writable_len, .head = c.head, .buffers = c.writable };
    rx->iov_count += c.writable;
    rx->room += c.writable_len;
    return true;
}

static void window_fill(struct net_rx *rx)
{
    uint64_t enough = rx->mergeable ? NET_FRAME_MAX : 1;

    while (rx->room < enough && window_add(rx))
        ;
}

/* Answers the first chain. */
static void window_answer(struct net_rx *rx, uint32_t len)
{
    const struct net_rx_chain *c = &rx->chain[rx->first_chain];

    virtq_push(ring_of(rx), c->head, len);
    rx->room -= c->len;
    rx->first_iov += c->buffers;
    rx->iov_count -= c->buffers;
    rx->first_chain++;
    rx->chain_count--;
}

/* Frames. */

/* The frame is in the window: answers the chains it fills, once the first tells how many they are.
 */
static void deliver(struct net_rx *rx)
{
    const struct iovec *first = rx->iov + rx->first_iov;
    unsigned buffers = rx->iov_count;
    size_t filled = rx->len;
    uint16_t merged = 0;

    metric_add(&rx->counters.packets, 1);
    metric_add(&rx->counters.bytes, rx->len - NET_HEADER_SIZE);
    for (; rx->len > 0; merged++) {
        uint64_t room = rx->chain[rx->first_chain].len;
        size_t len = rx->len < room ? rx->len : (size_t)room;
        window_answer(rx, (uint32_t)len);
        rx->len -= len;
    }
    (void)iov_write(first, buffers, offsetof(struct virtio_net_hdr_v1, num_buffers), &merged,
                    sizeof(merged));
    virtio_wrote(rx->port.device, first, buffers, filled);
}

static void drop(struct net_rx *rx, uint64_t *counter)
{
    metric_add(counter, 1);
    rx->len = 0;
}

enum rx_step {
    RX_DONE,      /* one frame is dealt with */
    RX_EMPTY,     /* the tap has none */
    RX_STARVED,   /* the guest has to offer buffers first */
    RX_THROTTLED, /* the rate limiter says when */
    RX_LOST,
};

static bool is_throttled(struct net_rx *rx)
{
    return rate_limit_limits(&rx->limit) && !rate_limit_ready(&rx->limit, clock_now_ns());
}

static enum rx_step step_failed(struct net_rx *rx, int code)
{
    if (code == EAGAIN)
        return RX_EMPTY;
    metric_add(&rx->counters.read_fails, 1);
    return code == EINTR || code == ENOMEM || code == ENOBUFS ? RX_DONE : RX_LOST;
}

/* Takes the next frame from the tap. */
static enum rx_step step_read(struct net_rx *rx)
{
    struct iovec *end = rx->iov + rx->first_iov + rx->iov_count;
    int n;

    if (rx->room == 0)
        return RX_STARVED;
    if (is_throttled(rx))
        return RX_THROTTLED;
    *end = (struct iovec){ .iov_base = rx->rest, .iov_len = sizeof(rx->rest) };
    n = nowait_readv(rx->port.tap, rx->iov + rx->first_iov, (int)rx->iov_count + 1);
    if (n < 0)
        return step_failed(rx, -n);
    if (n == 0)
        return RX_LOST;
    rate_limit_take(&rx->limit, (uint64_t)n, 1);
    rx->len = (size_t)n;
    rx->kept = (size_t)rx->room;
    if (rx->len < NET_FRAME_MIN)
        drop(rx, &rx->counters.too_short);
    else if (rx->len == rx->room + sizeof(rx->rest))
        drop(rx, &rx->counters.too_long);
    return RX_DONE;
}

/* Finds a place for the frame that was read. */
static enum rx_step step_place(struct net_rx *rx)
{
    if (rx->len > rx->room && rx->mergeable && !is_full(rx))
        return RX_STARVED;
    if (rx->len > rx->room) {
        drop(rx, &rx->counters.too_long);
        return RX_DONE;
    }
    if (rx->len > rx->kept)
        (void)iov_write(rx->iov + rx->first_iov, rx->iov_count, rx->kept, rx->rest,
                        rx->len - rx->kept);
    deliver(rx);
    return RX_DONE;
}

static enum rx_step step(struct net_rx *rx)
{
    enum rx_step s = RX_DONE;

    window_fill(rx);
    if (rx->port.device->failed)
        return RX_STARVED;
    if (rx->len == 0)
        s = step_read(rx);
    return rx->len > 0 ? step_place(rx) : s;
}

/* Turns. */

static void wait_for(struct net_rx *rx, enum rx_step s)
{
    struct loop *l = rx->port.device->loop;

    rx->waiting = s != RX_STARVED && s != RX_LOST;
    switch (s) {
    case RX_DONE: /* and more may be there */
    case RX_EMPTY:
        loop_poll(l, &rx->wait, rx->port.tap, POLLIN);
        break;
    case RX_THROTTLED:
        metric_add(&rx->counters.throttled, 1);
        loop_timer(l, &rx->wait, rate_limit_ready_at(&rx->limit));
        break;
    case RX_STARVED:
        metric_add(&rx->counters.no_buffer, 1);
        virtio_await(rx->port.device, NET_QUEUE_RX);
        break;
    case RX_LOST:
        rx->lost = true;
        rx->port.lost(rx->port.device);
        break;
    }
}

/* Whether it is done with what was there before the driver: one turn's worth is dropped. Where that
 * was the last, what comes from now on is this driver's. */
static bool drop_stale(struct net_rx *rx)
{
    for (unsigned i = 0; rx->stale > 0 && i < NET_TURN / NET_FRAME_COST; i++)
        rx->stale = net_tap_drop(rx->port.tap) ? rx->stale - 1 : 0;
    if (rx->stale > 0 && !net_tap_has_frame(rx->port.tap))
        rx->stale = 0;
    return rx->stale == 0;
}

/* A turn does not end with a frame that could find its place: the tap would not call for it. */
static void run(struct net_rx *rx)
{
    uint64_t before = rx->counters.bytes, frames = 0;
    enum rx_step s;

    if (!drop_stale(rx)) {
        wait_for(rx, RX_DONE);
        return;
    }
    do {
        s = step(rx);
        frames++;
    } while (s == RX_DONE &&
             (rx->len > 0 || rx->counters.bytes - before + frames * NET_FRAME_COST < NET_TURN));
    virtio_publish(rx->port.device, NET_QUEUE_RX);
    wait_for(rx, s);
}

/* A tap that is neither ready nor waiting has lost its interface. */
static void waited(struct loop_op *op, int res)
{
    struct net_rx *rx = container_of(op, struct net_rx, wait);

    rx->waiting = false;
    if (rx->port.device->phase != VIRTIO_LIVE || rx->port.device->held)
        rx->port.idle(rx->port.device);
    else if ((res < 0 && res != -ECANCELED) || (res > 0 && !(res & POLLIN)))
        wait_for(rx, RX_LOST);
    else
        run(rx);
}

void net_rx_init(struct net_rx *rx, const struct net_port *port)
{
    rx->port = *port;
    rx->wait.done = waited;
}

static void window_forget(struct net_rx *rx)
{
    rx->first_chain = rx->chain_count = 0;
    rx->first_iov = rx->iov_count = 0;
    rx->room = 0;
    rx->len = 0;
}

void net_rx_start(struct net_rx *rx, bool mergeable)
{
    rx->mergeable = mergeable;
    window_forget(rx);
}

/* The window is what was taken last. Of a device that failed nobody takes it again. */
void net_rx_give_back(struct net_rx *rx)
{
    if (!rx->port.device->failed)
        virtq_unpop(ring_of(rx), rx->chain_count);
    window_forget(rx);
}

void net_rx_forget(struct net_rx *rx)
{
    rx->stale = NET_TAP_FRAMES;
}

void net_rx_kick(struct net_rx *rx)
{
    if (!rx->waiting && !rx->lost)
        run(rx);
}

void net_rx_stop(struct net_rx *rx)
{
    loop_cancel(rx->port.device->loop, &rx->wait);
}
