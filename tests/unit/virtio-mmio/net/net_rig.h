#ifndef UNIT_VIRTIO_MMIO_NET_NET_RIG_H
#define UNIT_VIRTIO_MMIO_NET_NET_RIG_H
/*
 * A network device between a driver and a socket that stands in for the tap: like a tap it takes or
 * gives one frame a call, and says when it cannot.
 *
 * Each test that is written with ON_BOTH runs once on io_uring and once on epoll.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/virtio_net.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/err.h"
#include "lib/virtio/virtio_driver.h"
#include "virtio-mmio/net/net.h"

#define RX     0u
#define TX     1u
#define HEADER 12u

static struct vd d;
static struct net *net;
static int host; /* the socket's other end */
static struct net_setup setup;

static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 9 };

/* A test may change `setup` before net_plug. */
static void net_set_up(enum loop_backend backend)
{
    int pair[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
    setup = (struct net_setup){ .id = "eth0", .tap = { .fd = pair[0], .name = "tap0" } };
    setup.has_mac = true;
    memcpy(setup.mac, mac, sizeof(mac));
    host = pair[1];
    vd_init(&d, backend);
}

static void net_plug(void)
{
    struct err e;

    cr_assert_eq(net_create(&net, &setup, &e), 0, "%s", e.text);
    vd_plug(&d, net_device(net));
}

static void net_start(uint64_t without)
{
    net_plug();
    vd_start(&d, without);
}

static void net_tear_down(void)
{
    vd_finish(&d);
    net_destroy(net);
    if (host >= 0)
        (void)close(host);
}

static void net_each(void (*body)(void))
{
    static const enum loop_backend backends[] = { LOOP_URING, LOOP_EPOLL };

    for (unsigned i = 0; i < 2; i++) {
        net_set_up(backends[i]);
        body();
        net_tear_down();
    }
}

#define ON_BOTH(suite, name)   \
    static void name##_(void); \
    Test(suite, name)          \
    {                          \
        net_each(name##_);     \
    }                          \
    static void name##_(void)

/* A counter by the names it is listed under: counter("net.eth0.rx", "packets"). */
static inline uint64_t counter(const char *group, const char *name)
{
    for (const struct metrics_group *g = d.metrics.first; g; g = g->next)
        for (unsigned i = 0; i < g->count; i++)
            if (strcmp(g->name, group) == 0 && strcmp(g->metrics[i].name, name) == 0)
                return metrics_read(g, i);
    cr_assert_fail("there is no counter %s %s", group, name);
    return 0;
}

/* The byte at `at` of frame number `number`; its header is zero. */
static inline uint8_t frame_byte(unsigned number, size_t at)
{
    return at < HEADER ? 0 : (uint8_t)(at * 7 + at / 251 + number * 13);
}

static inline void frame_fill(uint8_t *to, unsigned number, size_t len)
{
    for (size_t i = 0; i < len; i++)
        to[i] = frame_byte(number, i);
}

/* Compares bytes `from` to len - 1 with the frame's. Returns the first that differs, or len. */
static inline size_t frame_same(const uint8_t *is, unsigned number, size_t from, size_t len)
{
    size_t i = from;

    while (i < len && is[i] == frame_byte(number, i))
        i++;
    return i;
}

#endif
