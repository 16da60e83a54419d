#ifndef UNIT_VIRTIO_MMIO_VSOCK_VSOCK_LINK_RIG_H
#define UNIT_VIRTIO_MMIO_VSOCK_VSOCK_LINK_RIG_H
/*
 * Links with sockets and a loop, but without a device: the test plays the guest. Each test that is
 * written with ON_BOTH runs once on io_uring and once on epoll.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/virtio/virtio_driver.h"
#include "virtio-mmio/vsock/vsock_mux.h"

#define CID    52u
#define OP(op) VIRTIO_VSOCK_OP_##op

static struct vd d; /* for its loop */
static struct vsock_counters counters;
static struct vsock_hub hub;
static struct vsock_mux mux;

static void rig_stirred(struct vsock_hub *h, struct vsock_link *l)
{
    cr_assert_eq(h, &hub);
    vsock_mux_settle(&mux, l);
}

static void rig_each(void (*body)(void))
{
    static const enum loop_backend backends[] = { LOOP_URING, LOOP_EPOLL };

    for (unsigned i = 0; i < 2; i++) {
        vd_init(&d, backends[i]);
        counters = (struct vsock_counters){ 0 };
        hub = (struct vsock_hub){ .loop = d.loop, .counters = &counters, .stirred = rig_stirred };
        vsock_mux_init(&mux, 1000);
        body();
        vsock_mux_abort(&mux);
        vd_settle(&d);
        cr_assert_eq(mux.count, 0);
        cr_assert(TAILQ_EMPTY(&mux.ready) && TAILQ_EMPTY(&mux.flushable));
        cr_assert(TAILQ_EMPTY(&mux.asking) && TAILQ_EMPTY(&mux.lingering));
        cr_assert_eq(counters.conns_added, counters.conns_removed);
        vd_finish(&d);
    }
}

#define ON_BOTH(suite, name)   \
    static void name##_(void); \
    Test(suite, name)          \
    {                          \
        rig_each(name##_);     \
    }                          \
    static void name##_(void)

static inline struct virtio_vsock_hdr from_guest(uint32_t guest_port, uint32_t host_port,
                                                 uint16_t op)
{
    return (struct virtio_vsock_hdr){ .src_cid = CID,
                                      .dst_cid = 2,
                                      .src_port = guest_port,
                                      .dst_port = host_port,
                                      .type = 1,
                                      .op = op,
                                      .buf_alloc = 1000 };
}

/* Adds a link without ports to the mux; its peer's socket goes to *peer. */
static inline struct vsock_link *link_new(int *peer)
{
    struct vsock_link *l;
    int pair[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    l = vsock_link_create(&hub, pair[0], CID);
    cr_assert_not_null(l);
    vsock_mux_add(&mux, l);
    *peer = pair[1];
    return l;
}

/* Adds a connection that the guest opened, and that has sent its RESPONSE. */
static inline struct vsock_link *link_open(uint32_t guest_port, uint32_t host_port, int *peer)
{
    const struct virtio_vsock_hdr h = from_guest(guest_port, host_port, OP(REQUEST));
    struct vsock_link *l = link_new(peer);

    vsock_conn_answer(&l->conn, &h);
    vsock_mux_know(&mux, l);
    cr_assert_eq(vsock_conn_speak(&l->conn).op, OP(RESPONSE));
    vsock_mux_settle(&mux, l);
    return l;
}

static inline void link_hear(struct vsock_link *l, uint16_t op, uint32_t flags, uint32_t len)
{
    struct virtio_vsock_hdr h = from_guest(l->conn.guest_port, l->conn.host_port, op);

    h.flags = flags;
    h.len = len;
    (void)vsock_conn_hear(&l->conn, &h);
}

/* The guest sends these len bytes. */
static inline void link_send(struct vsock_link *l, const void *bytes, size_t len)
{
    const struct iovec iov = { .iov_base = (void *)bytes, .iov_len = len };

    link_hear(l, OP(RW), 0, (uint32_t)len);
    vsock_link_forward(l, &iov, 1, len);
    vsock_mux_settle(&mux, l);
}

/* What the guest is told next, or 0. */
static inline uint16_t link_says(struct vsock_link *l)
{
    uint16_t op = 0;

    vd_settle(&d);
    if (vsock_conn_speaks(&l->conn))
        op = vsock_conn_speak(&l->conn).op;
    vsock_mux_settle(&mux, l);
    return op;
}

#endif
