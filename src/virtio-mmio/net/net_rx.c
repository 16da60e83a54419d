/*
 * From the tap straight into the guest's buffers.
 *
 * A tap does not say how long the next frame is, and one read takes the whole frame. So the device
 * first takes chains from the queue: the window, which has room for the longest frame if buffers
 * can be merged, and is one chain otherwise. One readv fills the window from its start. The chains
 * that the frame used are answered; the others stay in the window for the next frame.
 *
 * The last element of that readv is `rest`, memory of the device's own. A frame that ends there was
 * longer than the window. If buffers can be merged it waits until the guest has offered enough of
 * them, and its end is then copied out of `rest`. If not, or if the guest can offer no more, it is
 * dropped.
 *
 * While the guest offers no buffers the tap is not read: its queue fills up, and the host drops
 * further frames.
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

static struct virtq *net_rx_ring(const struct net_rx *rx)
{
    return &rx->port.device->queue[NET_QUEUE_RX].ring;
}

/* The window. */

/* Whether both tables have room behind the window: for a chain of VIRTQ_SIZE_MAX buffers, which is
 * the longest, and for `rest` after it. */
static bool window_has_room_behind(const struct net_rx *rx)
{
    return rx->first_iov + rx->iov_count + VIRTQ_SIZE_MAX < IOV_MAX &&
           rx->first_chain + rx->chain_count < sizeof(rx->chain) / sizeof(rx->chain[0]);
}

static void window_move_to_front(struct net_rx *rx)
{
    memmove(rx->iov, rx->iov + rx->first_iov, rx->iov_count * sizeof(rx->iov[0]));
    memmove(rx->chain, rx->chain + rx->first_chain, rx->chain_count * sizeof(rx->chain[0]));
    rx->first_iov = 0;
    rx->first_chain = 0;
}

/* Whether no chain can be added until some are answered. */
static bool window_is_full(const struct net_rx *rx)
{
    return net_rx_ring(rx)->in_flight == net_rx_ring(rx)->size || !window_has_room_behind(rx);
}

/* Adds one chain, if there is one. A chain with device-readable buffers, or with no room for the
 * header, breaks the rules (5.1.6.3.1). */
static bool window_add(struct net_rx *rx)
{
    struct virtq_chain c = { .iov_max = VIRTQ_SIZE_MAX };

    if (!window_has_room_behind(rx))
        window_move_to_front(rx);
    if (!window_has_room_behind(rx))
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

/* Answers the window's first chain. */
static void window_answer(struct net_rx *rx, uint32_t len)
{
    const struct net_rx_chain *c = &rx->chain[rx->first_chain];

    virtq_push(net_rx_ring(rx), c->head, len);
    rx->room -= c->len;
    rx->first_iov += c->buffers;
    rx->iov_count -= c->buffers;
    rx->first_chain++;
    rx->chain_count--;
}

/* Frames. */

/* The whole frame is in the window: answers the chains that it fills, and writes their number into
 * its header. The driver sees both with virtio_publish. */
static void net_rx_deliver(struct net_rx *rx)
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

static void net_rx_drop(struct net_rx *rx, uint64_t *counter)
{
    metric_add(counter, 1);
    rx->len = 0;
}

enum rx_step {
    RX_DONE,      /* a frame was delivered or dropped, or the read has to be tried again */
    RX_EMPTY,     /* the tap has no frame */
    RX_STARVED,   /* the guest has not offered enough buffers */
    RX_THROTTLED, /* the rate limiter makes the next frame wait */
    RX_LOST,      /* the tap's interface is gone */
};

static bool net_rx_is_throttled(struct net_rx *rx)
{
    return rate_limit_limits(&rx->limit) && !rate_limit_ready(&rx->limit, clock_now_ns());
}

static enum rx_step net_rx_read_failed(struct net_rx *rx, int code)
{
    if (code == EAGAIN)
        return RX_EMPTY;
    metric_add(&rx->counters.read_fails, 1);
    return code == EINTR || code == ENOMEM || code == ENOBUFS ? RX_DONE : RX_LOST;
}

/* Reads the next frame from the tap. */
static enum rx_step net_rx_read(struct net_rx *rx)
{
    struct iovec *end = rx->iov + rx->first_iov + rx->iov_count;
    int n;

    if (rx->room == 0)
        return RX_STARVED;
    if (net_rx_is_throttled(rx))
        return RX_THROTTLED;
    *end = (struct iovec){ .iov_base = rx->rest, .iov_len = sizeof(rx->rest) };
    n = nowait_readv(rx->port.tap, rx->iov + rx->first_iov, (int)rx->iov_count + 1);
    if (n < 0)
        return net_rx_read_failed(rx, -n);
    if (n == 0)
        return RX_LOST;
    rate_limit_take(&rx->limit, (uint64_t)n, 1);
    rx->len = (size_t)n;
    rx->kept = (size_t)rx->room;
    if (rx->len < NET_FRAME_MIN)
        net_rx_drop(rx, &rx->counters.too_short);
    else if (rx->len == rx->room + sizeof(rx->rest))
        net_rx_drop(rx, &rx->counters.too_long);
    return RX_DONE;
}

/* Delivers the frame that was read, drops it, or lets it wait for more chains. */
static enum rx_step net_rx_place(struct net_rx *rx)
{
    if (rx->len > rx->room && rx->mergeable && !window_is_full(rx))
        return RX_STARVED;
    if (rx->len > rx->room) {
        net_rx_drop(rx, &rx->counters.too_long);
        return RX_DONE;
    }
    if (rx->len > rx->kept)
        (void)iov_write(rx->iov + rx->first_iov, rx->iov_count, rx->kept, rx->rest,
                        rx->len - rx->kept);
    net_rx_deliver(rx);
    return RX_DONE;
}

static enum rx_step net_rx_step(struct net_rx *rx)
{
    enum rx_step s = RX_DONE;

    window_fill(rx);
    if (rx->port.device->failed)
        return RX_STARVED;
    if (rx->len == 0)
        s = net_rx_read(rx);
    return rx->len > 0 ? net_rx_place(rx) : s;
}

/* Turns. */

static void net_rx_wait(struct net_rx *rx, enum rx_step s)
{
    struct loop *l = rx->port.device->loop;

    rx->waiting = s != RX_STARVED && s != RX_LOST;
    switch (s) {
    case RX_DONE: /* the turn is over, and there may be more frames */
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

/* Drops one turn's worth of the frames that are older than this driver. Returns whether none of
 * them is left: every frame that comes from then on is for this driver. */
static bool net_rx_drop_stale(struct net_rx *rx)
{
    for (unsigned i = 0; rx->stale > 0 && i < NET_TURN / NET_FRAME_COST; i++)
        rx->stale = net_tap_drop(rx->port.tap) ? rx->stale - 1 : 0;
    if (rx->stale > 0 && !net_tap_has_frame(rx->port.tap))
        rx->stale = 0;
    return rx->stale == 0;
}

/* A turn goes on until the frame that was read is placed, because no poll of the tap would report
 * that frame. */
static void net_rx_run(struct net_rx *rx)
{
    uint64_t before = rx->counters.bytes, frames = 0;
    enum rx_step s;

    if (!net_rx_drop_stale(rx)) {
        net_rx_wait(rx, RX_DONE);
        return;
    }
    do {
        s = net_rx_step(rx);
        frames++;
    } while (s == RX_DONE &&
             (rx->len > 0 || rx->counters.bytes - before + frames * NET_FRAME_COST < NET_TURN));
    virtio_publish(rx->port.device, NET_QUEUE_RX);
    net_rx_wait(rx, s);
}

/* A poll that fails, or ends without POLLIN, means that the tap's interface is gone. */
static void net_rx_waited(struct loop_op *op, int res)
{
    struct net_rx *rx = container_of(op, struct net_rx, wait);

    rx->waiting = false;
    if (rx->port.device->phase != VIRTIO_LIVE || rx->port.device->held)
        rx->port.idle(rx->port.device);
    else if ((res < 0 && res != -ECANCELED) || (res > 0 && !(res & POLLIN)))
        net_rx_wait(rx, RX_LOST);
    else
        net_rx_run(rx);
}

void net_rx_init(struct net_rx *rx, const struct net_port *port)
{
    rx->port = *port;
    rx->wait.done = net_rx_waited;
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

/* The window holds the chains that were popped last, as virtq_unpop requires. A device that failed
 * pops no chain again before its reset. */
void net_rx_give_back(struct net_rx *rx)
{
    if (!rx->port.device->failed)
        virtq_unpop(net_rx_ring(rx), rx->chain_count);
    window_forget(rx);
}

void net_rx_forget(struct net_rx *rx)
{
    rx->stale = NET_TAP_FRAMES;
}

void net_rx_kick(struct net_rx *rx)
{
    if (!rx->waiting && !rx->lost)
        net_rx_run(rx);
}

void net_rx_stop(struct net_rx *rx)
{
    loop_cancel(rx->port.device->loop, &rx->wait);
}
