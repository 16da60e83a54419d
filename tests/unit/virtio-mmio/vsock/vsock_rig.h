#ifndef UNIT_VIRTIO_MMIO_VSOCK_VSOCK_RIG_H
#define UNIT_VIRTIO_MMIO_VSOCK_VSOCK_RIG_H
/*
 * A vsock device between a guest's driver and real unix sockets in a directory of its own.
 *
 * The guest's packets are made by hand, header by header, so that a test can send what a Linux
 * driver never would. Each receive buffer is one descriptor, whose number gives its address.
 *
 * Each test that is written with ON_BOTH runs once on io_uring and once on epoll.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_vsock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/err.h"
#include "lib/virtio/virtio_driver.h"
#include "virtio-mmio/vsock/vsock.h"

#define RX     0u
#define TX     1u
#define EVENT  2u
#define CID    52u
#define HEADER ((uint32_t)sizeof(struct virtio_vsock_hdr))

#define RX_AT     VD_HIGH
#define RX_STRIDE 0x2000u
#define TX_AT     (VD_HIGH + (UINT64_C(2) << 20))
#define TX_STRIDE 0x22000u
#define TX_SLOTS  15u

#define OP(name) VIRTIO_VSOCK_OP_##name

static struct vd d;
static struct vsock *vsock;
static struct vsock_config setup;
static char folder[32], uds[64];

/* The guest's end of a connection, and the credit that it gives. */
struct guest {
    uint32_t port, host_port;
    uint32_t alloc, forwarded;
};

struct packet {
    struct virtio_vsock_hdr h;
    const uint8_t *data;
};

/* Life. */

static void vsock_set_up(enum loop_backend backend)
{
    strcpy(folder, "/tmp/test_vsock.XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    (void)snprintf(uds, sizeof(uds), "%s/v.sock", folder);
    setup = (struct vsock_config){ .cid = CID, .uds_path = uds };
    vd_init(&d, backend);
}

static void vsock_plug(void)
{
    struct err e;

    cr_assert_eq(vsock_create(&vsock, &setup, &e), 0, "%s", e.text);
    vd_plug(&d, vsock_device(vsock));
}

static inline void guest_offer(unsigned count, uint32_t len)
{
    for (unsigned i = 0; i < count; i++) {
        uint16_t head = d.queue[RX].next_desc & (uint16_t)(d.queue[RX].size - 1);
        (void)vd_chain(&d, RX, &(struct vd_buf){ RX_AT + head * RX_STRIDE, len, VD_WRITE }, 1);
    }
    (void)vd_kick(&d, RX);
}

/* Starts a driver, which offers so many buffers of 4 KiB. */
static inline void vsock_start(uint64_t without, unsigned buffers)
{
    vsock_plug();
    vd_start(&d, without);
    guest_offer(buffers, 4096 + HEADER);
}

static void vsock_tear_down(void)
{
    vd_finish(&d);
    vsock_destroy(vsock);
    cr_assert_neq(access(uds, F_OK), 0);
    cr_assert_eq(rmdir(folder), 0, "something is left in %s", folder);
}

static void vsock_each(void (*body)(void))
{
    static const enum loop_backend backends[] = { LOOP_URING, LOOP_EPOLL };

    for (unsigned i = 0; i < 2; i++) {
        vsock_set_up(backends[i]);
        body();
        vsock_tear_down();
    }
}

#define ON_BOTH(suite, name)   \
    static void name##_(void); \
    Test(suite, name)          \
    {                          \
        vsock_each(name##_);   \
    }                          \
    static void name##_(void)

/* A counter by the names it is listed under: counter("conns_added"). */
static inline uint64_t counter(const char *name)
{
    for (const struct metrics_group *g = d.metrics.first; g; g = g->next)
        for (unsigned i = 0; i < g->count; i++)
            if (strcmp(g->name, "vsock.io") == 0 && strcmp(g->metrics[i].name, name) == 0)
                return metrics_read(g, i);
    cr_assert_fail("there is no counter %s", name);
    return 0;
}

/* The guest. */

static inline struct virtio_vsock_hdr header_of(const struct guest *g, uint16_t op)
{
    return (struct virtio_vsock_hdr){ .src_cid = CID,
                                      .dst_cid = 2,
                                      .src_port = g->port,
                                      .dst_port = g->host_port,
                                      .type = VIRTIO_VSOCK_TYPE_STREAM,
                                      .op = op,
                                      .buf_alloc = g->alloc,
                                      .fwd_cnt = g->forwarded };
}

/* Puts a packet of any header into the queue; the payload is a buffer of its own. */
static inline void guest_put(struct virtio_vsock_hdr h, const void *payload, uint32_t len)
{
    static unsigned slot;
    gpa_t at = TX_AT + slot++ % TX_SLOTS * (gpa_t)TX_STRIDE;

    memcpy(vd_at(&d, at, HEADER), &h, HEADER);
    if (len > 0)
        memcpy(vd_at(&d, at + HEADER, len), payload, len);
    (void)vd_chain(&d, TX, (struct vd_buf[]){ { at, HEADER, 0 }, { at + HEADER, len, 0 } },
                   len > 0 ? 2 : 1);
    (void)vd_kick(&d, TX);
}

static inline void guest_send(struct virtio_vsock_hdr h, const void *payload, uint32_t len)
{
    guest_put(h, payload, len);
    cr_assert_eq(vd_await(&d, TX).len, 0);
}

static inline void guest_say(const struct guest *g, uint16_t op)
{
    guest_send(header_of(g, op), NULL, 0);
}

static inline void guest_shut(const struct guest *g, uint32_t flags)
{
    struct virtio_vsock_hdr h = header_of(g, OP(SHUTDOWN));

    h.flags = flags;
    guest_send(h, NULL, 0);
}

static inline void guest_write(const struct guest *g, const void *data, uint32_t len)
{
    struct virtio_vsock_hdr h = header_of(g, OP(RW));

    h.len = len;
    guest_send(h, data, len);
}

static inline struct packet packet_of(struct vd_used used)
{
    struct packet p;
    const uint8_t *at = vd_at(&d, RX_AT + used.head * RX_STRIDE, RX_STRIDE);

    cr_assert_geq(used.len, HEADER);
    memcpy(&p.h, at, HEADER);
    p.data = at + HEADER;
    cr_assert_eq(p.h.len, used.len - HEADER);
    return p;
}

/* Takes the next packet, and offers a new buffer in its place. */
static inline struct packet guest_hear(void)
{
    struct packet p = packet_of(vd_await(&d, RX));

    guest_offer(1, 4096 + HEADER);
    return p;
}

static inline bool guest_hears(struct packet *p)
{
    struct vd_used used;

    vd_settle(&d);
    if (!vd_reap(&d, RX, &used))
        return false;
    *p = packet_of(used);
    return true;
}

/* Expects this packet to this port next; a CREDIT_UPDATE may come at any time before. */
static inline struct packet guest_expect(const struct guest *g, uint16_t op)
{
    struct packet p = guest_hear();

    while (p.h.op == OP(CREDIT_UPDATE) && op != OP(CREDIT_UPDATE))
        p = guest_hear();
    cr_assert_eq(p.h.op, op, "operation %u and not %u", p.h.op, op);
    cr_assert_eq(p.h.src_cid, 2);
    cr_assert_eq(p.h.dst_cid, CID);
    cr_assert_eq(p.h.src_port, g->host_port);
    cr_assert_eq(p.h.dst_port, g->port);
    cr_assert_eq(p.h.type, VIRTIO_VSOCK_TYPE_STREAM);
    return p;
}

static inline void guest_expect_nothing(void)
{
    struct packet p;

    cr_assert(!guest_hears(&p), "a packet of operation %u", p.h.op);
}

/* The host. */

static inline struct sockaddr_un address_of(const char *path)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };

    (void)snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
    return to;
}

static inline int host_dial(void)
{
    struct sockaddr_un to = address_of(uds);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0, "%s", strerror(errno));
    return fd;
}

static inline void port_path(char path[80], uint32_t port)
{
    (void)snprintf(path, 80, "%s_%u", uds, port);
}

static inline int host_listen(uint32_t port, int backlog)
{
    char path[80];
    struct sockaddr_un at;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    port_path(path, port);
    at = address_of(path);
    cr_assert_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    cr_assert_eq(listen(fd, backlog), 0);
    return fd;
}

static inline void host_unlisten(int fd, uint32_t port)
{
    char path[80];

    port_path(path, port);
    (void)close(fd);
    cr_assert_eq(unlink(path), 0);
}

static inline void host_write(int fd, const void *data, size_t len)
{
    cr_assert_eq(send(fd, data, len, MSG_NOSIGNAL), (ssize_t)len, "%s", strerror(errno));
}

struct wanted {
    int fd;
    uint8_t *to;
    size_t len;
    ssize_t n;
};

static bool has_read(void *arg)
{
    struct wanted *w = arg;

    w->n = recv(w->fd, w->to, w->len, MSG_DONTWAIT);
    if (w->n < 0 && errno == ECONNRESET)
        w->n = 0;
    cr_assert(w->n >= 0 || errno == EAGAIN, "%s", strerror(errno));
    return w->n >= 0;
}

/* Runs the loop until there is something to read, and returns how much. 0: the end, also if the
 * device left something unread. */
static inline size_t host_read(int fd, void *to, size_t len)
{
    struct wanted w = { .fd = fd, .to = to, .len = len };

    vd_run_until(&d, has_read, &w);
    return (size_t)w.n;
}

static inline void host_expect(int fd, const void *data, size_t len)
{
    uint8_t *is = malloc(len);
    size_t got = 0, n = 1;

    for (; got < len && n > 0; got += n)
        n = host_read(fd, is + got, len - got);
    cr_assert_eq(got, len);
    cr_assert_eq(memcmp(is, data, len), 0);
    free(is);
}

static inline void host_expect_end(int fd)
{
    uint8_t byte;

    cr_assert_eq(host_read(fd, &byte, 1), 0);
}

static inline void host_expect_nothing(int fd)
{
    uint8_t byte;

    vd_settle(&d);
    cr_assert_eq(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
    cr_assert_eq(errno, EAGAIN);
}

/* Connections. */

/* Connects a client on the host to the guest's port; returns its socket. */
static inline int client_connect(struct guest *g, uint32_t port)
{
    char text[32];
    struct packet p;
    int fd = host_dial();

    (void)snprintf(text, sizeof(text), "CONNECT %u\n", port);
    host_write(fd, text, strlen(text));
    p = guest_hear();
    cr_assert_eq(p.h.op, OP(REQUEST));
    *g = (struct guest){ .port = port, .host_port = p.h.src_port, .alloc = 1u << 20 };
    cr_assert_eq(p.h.dst_port, port);
    guest_say(g, OP(RESPONSE));
    (void)snprintf(text, sizeof(text), "OK %u\n", g->host_port);
    host_expect(fd, text, strlen(text));
    return fd;
}

/* Connects the guest to the server that listens at `server`; returns the socket on the host. */
static inline int guest_connect(struct guest *g, uint32_t port, uint32_t host_port, int server)
{
    int fd;

    *g = (struct guest){ .port = port, .host_port = host_port, .alloc = 1u << 20 };
    guest_say(g, OP(REQUEST));
    (void)guest_expect(g, OP(RESPONSE));
    fd = accept4(server, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    cr_assert_geq(fd, 0);
    return fd;
}

/* Byte `at` of stream `number`. */
static inline uint8_t stream_byte(unsigned number, size_t at)
{
    return (uint8_t)(at * 7 + at / 251 + at / 65521 + number * 13);
}

static inline void stream_fill(uint8_t *to, unsigned number, size_t at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        to[i] = stream_byte(number, at + i);
}

/* Compares len bytes with the stream's. Returns the first that differs, or len. */
static inline size_t stream_same(const uint8_t *is, unsigned number, size_t at, size_t len)
{
    size_t i = 0;

    while (i < len && is[i] == stream_byte(number, at + i))
        i++;
    return i;
}

#endif
