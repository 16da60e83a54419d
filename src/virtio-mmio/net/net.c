/*
 * The network device: what it offers, and what the driver accepts.
 *
 * Offload features come in pairs. CSUM and HOST_* say what the guest may leave to the host; a tap
 * takes that in any frame's header, whatever was negotiated. GUEST_* say what the host may leave to
 * the guest, so the tap has to be told. It is told once a driver is ready, but only if this driver
 * accepted other offloads than the driver before, because the host's kernel makes the change under
 * a lock that all its interfaces share. Frames that were queued for one driver are dropped before
 * the next one gets any, because it may not understand them.
 */
#include "virtio-mmio/net/net.h"

#include <assert.h>
#include <errno.h>
#include <linux/if_tun.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/log/log.h"
#include "virtio-mmio/net/net_rx.h"
#include "virtio-mmio/net/net_tx.h"

#define MTU_MIN 68u /* 5.1.4.1 */

#define BIT(feature) (UINT64_C(1) << (feature))

struct net {
    struct virtio_device virtio; /* first member */
    struct net_tap tap;
    unsigned told; /* TUN_F_*: what the tap was last told */
    struct virtio_net_config config;
    struct net_rx rx;
    struct net_tx tx;
    struct metrics_group rx_group, tx_group;
    char name[80], rx_name[84], tx_name[84];
};
static_assert(offsetof(struct net, virtio) == 0, "net_of casts");

static const struct metric rx_metrics[] = {
    METRIC(struct net_rx_counters, packets),    METRIC(struct net_rx_counters, bytes),
    METRIC(struct net_rx_counters, too_long),   METRIC(struct net_rx_counters, too_short),
    METRIC(struct net_rx_counters, no_buffer),  METRIC(struct net_rx_counters, throttled),
    METRIC(struct net_rx_counters, read_fails),
};
#define RX_METRICS (sizeof(rx_metrics) / sizeof(rx_metrics[0]))
static_assert(RX_METRICS == sizeof(struct net_rx_counters) / sizeof(uint64_t),
              "every counter has a name");

static const struct metric tx_metrics[] = {
    METRIC(struct net_tx_counters, packets),     METRIC(struct net_tx_counters, bytes),
    METRIC(struct net_tx_counters, malformed),   METRIC(struct net_tx_counters, spoofed_mac),
    METRIC(struct net_tx_counters, tap_full),    METRIC(struct net_tx_counters, throttled),
    METRIC(struct net_tx_counters, write_fails),
};
#define TX_METRICS (sizeof(tx_metrics) / sizeof(tx_metrics[0]))
static_assert(TX_METRICS == sizeof(struct net_tx_counters) / sizeof(uint64_t),
              "every counter has a name");

static struct net *net_of(struct virtio_device *v)
{
    return (struct net *)v;
}

/* Features. */

/* Each offload by its two feature bits and by the tap's flag. */
static const struct offload {
    uint8_t host, guest; /* VIRTIO_NET_F_* */
    unsigned tap;        /* TUN_F_* */
} offloads[] = {
    { VIRTIO_NET_F_CSUM, VIRTIO_NET_F_GUEST_CSUM, TUN_F_CSUM },
    { VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_GUEST_TSO4, TUN_F_TSO4 },
    { VIRTIO_NET_F_HOST_TSO6, VIRTIO_NET_F_GUEST_TSO6, TUN_F_TSO6 },
    { VIRTIO_NET_F_HOST_ECN, VIRTIO_NET_F_GUEST_ECN, TUN_F_TSO_ECN },
    { VIRTIO_NET_F_HOST_UFO, VIRTIO_NET_F_GUEST_UFO, TUN_F_UFO },
};
#define OFFLOADS (sizeof(offloads) / sizeof(offloads[0]))

static uint64_t net_features(const struct net_setup *s)
{
    uint64_t features =
        BIT(VIRTIO_NET_F_MAC) | BIT(VIRTIO_NET_F_STATUS) | BIT(VIRTIO_NET_F_MRG_RXBUF);

    if (s->mtu > 0)
        features |= BIT(VIRTIO_NET_F_MTU);
    for (unsigned i = 0; i < OFFLOADS; i++)
        if (s->tap.offloads & offloads[i].tap)
            features |= BIT(offloads[i].host) | BIT(offloads[i].guest);
    return features;
}

/* The offloads to tell the tap. Without GUEST_CSUM nothing else is left to the guest (5.1.3.1). */
static unsigned net_guest_offloads(uint64_t accepted)
{
    unsigned flags = 0;

    if (!(accepted & BIT(VIRTIO_NET_F_GUEST_CSUM)))
        return 0;
    for (unsigned i = 0; i < OFFLOADS; i++)
        if (accepted & BIT(offloads[i].guest))
            flags |= offloads[i].tap;
    return flags;
}

/* Work. */

static void net_lost(struct virtio_device *v)
{
    const uint16_t down = 0;

    log_warn("%s: the interface of the tap '%s' is gone", v->setup.name, net_of(v)->tap.name);
    virtio_config_update(v, offsetof(struct virtio_net_config, status), &down, sizeof(down));
}

static void net_tell_tap(struct virtio_device *v, unsigned flags)
{
    struct net *n = net_of(v);
    int ret;

    if (!n->tap.offloads || flags == n->told)
        return;
    ret = net_tap_offload(n->tap.fd, flags);
    if (ret == 0)
        n->told = flags;
    else
        LOG_LIMITED(LOG_WARN, "%s: the tap '%s' refuses the offloads: %s", v->setup.name,
                    n->tap.name, strerror(-ret));
}

static void net_activate(struct virtio_device *v)
{
    struct net *n = net_of(v);
    uint64_t accepted = v->status.accepted;

    net_tell_tap(v, net_guest_offloads(accepted));
    net_rx_start(&n->rx, accepted & BIT(VIRTIO_NET_F_MRG_RXBUF));
    if (v->metrics) {
        metrics_add(v->metrics, &n->rx_group);
        metrics_add(v->metrics, &n->tx_group);
    }
}

static void net_kick(struct virtio_device *v, unsigned queue)
{
    if (queue == NET_QUEUE_RX)
        net_rx_kick(&net_of(v)->rx);
    else
        net_tx_kick(&net_of(v)->tx);
}

/* Once neither direction waits any more, ends the reset or the quiesce that is under way. */
static void net_idle(struct virtio_device *v)
{
    struct net *n = net_of(v);

    if (n->rx.waiting || n->tx.waiting)
        return;
    if (v->phase == VIRTIO_LIVE) {
        virtio_quiet(v);
        return;
    }
    virtio_reset_done(v);
}

static void net_reset(struct virtio_device *v)
{
    struct net *n = net_of(v);

    if (v->metrics) {
        metrics_remove(v->metrics, &n->rx_group);
        metrics_remove(v->metrics, &n->tx_group);
    }
    net_rx_forget(&n->rx);
    net_rx_stop(&n->rx);
    net_tx_stop(&n->tx);
    net_idle(v);
}

static void net_quiesce(struct virtio_device *v)
{
    struct net *n = net_of(v);

    net_rx_give_back(&n->rx);
    net_rx_stop(&n->rx);
    net_tx_stop(&n->tx);
    net_idle(v);
}

/* Drivers read the MAC address only once, so the device keeps the one that was saved. */
static void net_restore(struct virtio_device *v, const void *config, struct state_fields *f)
{
    const struct virtio_net_config *was = config;
    struct net *n = net_of(v);

    (void)f;
    memcpy(n->config.mac, was->mac, ETH_ALEN);
    memcpy(n->tx.mac, was->mac, ETH_ALEN);
}

static const struct virtio_ops net_ops = {
    .id = VIRTIO_ID_NET,
    .activate = net_activate,
    .kick = net_kick,
    .reset = net_reset,
    .quiesce = net_quiesce,
    .restore = net_restore,
};

/* Life. */

/* Makes a locally administered unicast address (IEEE 802), always the same for the same names: the
 * FNV-1a hash of both. Machines that share a bridge differ at least in their interfaces. */
static void net_mac_make(uint8_t mac[ETH_ALEN], const char *id, const char *interface)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (const char *c = id; *c; c++)
        hash = (hash ^ (uint8_t)*c) * UINT64_C(0x100000001b3);
    hash = (hash ^ '/') * UINT64_C(0x100000001b3);
    for (const char *c = interface; *c; c++)
        hash = (hash ^ (uint8_t)*c) * UINT64_C(0x100000001b3);
    for (unsigned i = 0; i < ETH_ALEN; i++)
        mac[i] = (uint8_t)(hash >> 8 * i ^ hash >> (8 * i + 16));
    mac[0] = (uint8_t)((mac[0] & ~1u) | 2u);
}

static int net_setup_check(const struct net_setup *s, struct err *e)
{
    static const uint8_t none[ETH_ALEN];

    if (s->has_mac && (s->mac[0] & 1 || memcmp(s->mac, none, sizeof(none)) == 0))
        return err_set(e, EINVAL,
                       "%02x:%02x:%02x:%02x:%02x:%02x is not an address that an interface can have",
                       s->mac[0], s->mac[1], s->mac[2], s->mac[3], s->mac[4], s->mac[5]);
    if (s->mtu > 0 && s->mtu < MTU_MIN)
        return err_set(e, EINVAL, "an MTU of %u is too small: at least %u", s->mtu, MTU_MIN);
    return 0;
}

static void net_config_fill(struct net *n, const struct net_setup *s)
{
    n->config.status = VIRTIO_NET_S_LINK_UP;
    n->config.mtu = s->mtu;
    n->config.max_virtqueue_pairs = 1;
    if (s->has_mac)
        memcpy(n->config.mac, s->mac, ETH_ALEN);
    else
        net_mac_make(n->config.mac, s->id, s->tap.name);
}

static void net_groups_fill(struct net *n)
{
    (void)snprintf(n->rx_name, sizeof(n->rx_name), "%s.rx", n->name);
    (void)snprintf(n->tx_name, sizeof(n->tx_name), "%s.tx", n->name);
    n->rx_group = (struct metrics_group){
        .name = n->rx_name, .metrics = rx_metrics, .count = RX_METRICS, .counters = &n->rx.counters
    };
    n->tx_group = (struct metrics_group){
        .name = n->tx_name, .metrics = tx_metrics, .count = TX_METRICS, .counters = &n->tx.counters
    };
}

static void net_virtio_fill(struct net *n, const struct net_setup *s)
{
    const struct virtio_setup setup = {
        .name = n->name,
        .features = net_features(s),
        .config = &n->config,
        .config_len = offsetof(struct virtio_net_config, speed),
        .queue_count = NET_QUEUES,
        .queue_size = VIRTQ_SIZE_MAX,
    };

    virtio_init(&n->virtio, &net_ops, &setup);
}

int net_create(struct net **out, const struct net_setup *setup, struct err *e)
{
    uint64_t now_ns = clock_now_ns();
    int ret = net_setup_check(setup, e);
    struct net_port port;
    struct net *n;

    if (ret < 0)
        return ret;
    n = calloc(1, sizeof(*n));
    if (!n)
        return err_set(e, ENOMEM, "no memory for a network device");
    n->tap = setup->tap;
    (void)snprintf(n->name, sizeof(n->name), "net.%s", setup->id);
    net_config_fill(n, setup);
    net_groups_fill(n);
    net_virtio_fill(n, setup);
    port = (struct net_port){ &n->virtio, n->tap.fd, net_idle, net_lost };
    net_rx_init(&n->rx, &port);
    net_tx_init(&n->tx, &port, n->config.mac);
    rate_limit_init(&n->rx.limit, setup->rx.bandwidth, setup->rx.ops, now_ns);
    rate_limit_init(&n->tx.limit, setup->tx.bandwidth, setup->tx.ops, now_ns);
    *out = n;
    return 0;
}

void net_destroy(struct net *n)
{
    if (!n)
        return;
    net_tap_close(&n->tap);
    free(n);
}

struct virtio_device *net_device(struct net *n)
{
    return &n->virtio;
}
