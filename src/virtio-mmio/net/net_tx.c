/*
 * From the guest's buffers straight to the tap: one writev gives the tap a whole chain, header and
 * frame, and the tap has taken it when the call returns.
 *
 * The guest's header goes to the host's kernel unchecked, because the kernel checks it. The tap
 * ignores num_buffers, which has no meaning in this direction. If the tap is full the chain goes
 * back into the queue and waits there; a frame that the tap refuses is dropped.
 */
#include "virtio-mmio/net/net_tx.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/uio.h>

#include "core/base/clock.h"
#include "core/base/container.h"
#include "core/base/nowait.h"
#include "virtio-mmio/queue/iov.h"

static struct virtq *net_tx_ring(const struct net_tx *tx)
{
    return &tx->port.device->queue[NET_QUEUE_TX].ring;
}

static bool net_tx_is_sound(const struct virtq_chain *c)
{
    return c->writable == 0 && c->readable_len >= NET_FRAME_MIN && c->readable_len <= NET_FRAME_MAX;
}

/* Exact enough for a counter: the guest may change the address after the tap has read it. */
static bool net_tx_is_spoofed(const struct net_tx *tx, const struct virtq_chain *c)
{
    uint8_t source[ETH_ALEN];

    (void)iov_read(c->iov, c->readable, NET_HEADER_SIZE + ETH_ALEN, source, sizeof(source));
    return memcmp(source, tx->mac, sizeof(source)) != 0;
}

static void net_tx_count_sent(struct net_tx *tx, const struct virtq_chain *c)
{
    metric_add(&tx->counters.packets, 1);
    metric_add(&tx->counters.bytes, c->readable_len - NET_HEADER_SIZE);
    rate_limit_take(&tx->limit, c->readable_len, 1);
    if (net_tx_is_spoofed(tx, c))
        metric_add(&tx->counters.spoofed_mac, 1);
}

enum tx_step {
    TX_DONE,      /* a chain was answered: its frame was sent or dropped */
    TX_EMPTY,     /* the guest has no chain */
    TX_FULL,      /* the tap has no room */
    TX_THROTTLED, /* the rate limiter makes the next frame wait */
};

static bool net_tx_is_throttled(struct net_tx *tx)
{
    return rate_limit_limits(&tx->limit) && !rate_limit_ready(&tx->limit, clock_now_ns());
}

static enum tx_step net_tx_step(struct net_tx *tx)
{
    struct virtq_chain c = { .iov = tx->iov, .iov_max = VIRTQ_SIZE_MAX };
    int n;

    if (!virtio_pop(tx->port.device, NET_QUEUE_TX, &c))
        return TX_EMPTY;
    if (net_tx_is_throttled(tx)) {
        virtq_unpop(net_tx_ring(tx), 1);
        return TX_THROTTLED;
    }
    if (!net_tx_is_sound(&c)) {
        metric_add(&tx->counters.malformed, 1);
    } else {
        n = nowait_writev(tx->port.tap, c.iov, (int)c.readable);
        if (n == -EAGAIN) {
            virtq_unpop(net_tx_ring(tx), 1);
            return TX_FULL;
        }
        if (n >= 0)
            net_tx_count_sent(tx, &c);
        else
            metric_add(&tx->counters.write_fails, 1);
    }
    virtio_push(tx->port.device, NET_QUEUE_TX, &c, 0);
    return TX_DONE;
}

static void net_tx_wait(struct net_tx *tx, enum tx_step s)
{
    struct loop *l = tx->port.device->loop;

    tx->waiting = s != TX_EMPTY;
    switch (s) {
    case TX_EMPTY:
        virtio_await(tx->port.device, NET_QUEUE_TX);
        break;
    case TX_FULL:
        metric_add(&tx->counters.tap_full, 1);
        loop_poll(l, &tx->wait, tx->port.tap, POLLOUT);
        break;
    case TX_DONE: /* the turn is over, and there may be more chains */
        loop_poll(l, &tx->wait, tx->port.tap, POLLOUT);
        break;
    case TX_THROTTLED:
        metric_add(&tx->counters.throttled, 1);
        loop_timer(l, &tx->wait, rate_limit_ready_at(&tx->limit));
        break;
    }
}

static void net_tx_run(struct net_tx *tx)
{
    uint64_t before = tx->counters.bytes, frames = 0;
    enum tx_step s;

    do {
        s = net_tx_step(tx);
        frames++;
    } while (s == TX_DONE && tx->counters.bytes - before + frames * NET_FRAME_COST < NET_TURN);
    virtio_publish(tx->port.device, NET_QUEUE_TX);
    net_tx_wait(tx, s);
}

static void net_tx_waited(struct loop_op *op, int res)
{
    struct net_tx *tx = container_of(op, struct net_tx, wait);

    (void)res; /* if the interface is gone, the next write fails */
    tx->waiting = false;
    if (tx->port.device->phase != VIRTIO_LIVE || tx->port.device->held)
        tx->port.idle(tx->port.device);
    else
        net_tx_run(tx);
}

void net_tx_init(struct net_tx *tx, const struct net_port *port, const uint8_t mac[ETH_ALEN])
{
    tx->port = *port;
    tx->wait.done = net_tx_waited;
    memcpy(tx->mac, mac, sizeof(tx->mac));
}

void net_tx_kick(struct net_tx *tx)
{
    if (!tx->waiting)
        net_tx_run(tx);
}

void net_tx_stop(struct net_tx *tx)
{
    loop_cancel(tx->port.device->loop, &tx->wait);
}
