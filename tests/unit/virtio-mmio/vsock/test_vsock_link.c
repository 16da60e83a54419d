/* A connection and its socket: bytes, slow peers, half closes, ends. */
#include "virtio-mmio/vsock/vsock_link.h"

#include "unit/virtio-mmio/vsock/vsock_link_rig.h"

#define SEND VIRTIO_VSOCK_SHUTDOWN_SEND
#define RCV  VIRTIO_VSOCK_SHUTDOWN_RCV
#define BOTH VSOCK_SHUT_BOTH

static uint8_t bytes[VSOCK_BUFFER];

static uint8_t byte_at(size_t at)
{
    return (uint8_t)(at * 7 + at / 253);
}

static void bytes_fill(size_t from)
{
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = byte_at(from + i);
}

/* Makes the socket take little at a time. */
static void narrow(struct vsock_link *l)
{
    int size = 1;

    cr_assert_eq(setsockopt(l->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
}

/* Sends until something is kept; returns how much was sent. */
static size_t choke(struct vsock_link *l)
{
    size_t sent = 0;

    narrow(l);
    for (; l->kept_len == 0; sent += 1000) {
        bytes_fill(sent);
        link_send(l, bytes, 1000);
    }
    return sent;
}

static void flush(struct vsock_link *l)
{
    vd_settle(&d);
    if (l->is_flushable) {
        (void)vsock_link_flush(l);
        vsock_mux_served(&mux, l);
    }
}

/* Flushes what is kept while the peer reads, until it reads no more. Returns where it stopped. */
static size_t drain(int peer, size_t from)
{
    size_t at = from;

    for (;;) {
        uint8_t some[3000];
        ssize_t n;
        vd_settle(&d);
        if (!TAILQ_EMPTY(&mux.flushable))
            flush(TAILQ_FIRST(&mux.flushable));
        n = recv(peer, some, sizeof(some), MSG_DONTWAIT);
        if (n <= 0)
            return at;
        for (ssize_t i = 0; i < n; i++)
            cr_assert_eq(some[i], byte_at(at++));
    }
}

ON_BOTH(vsock_link, a_slow_peer_gets_everything_in_order)
{
    struct vsock_link *l;
    size_t sent, got = 0;
    int peer;

    l = link_open(1, 2, &peer);
    sent = choke(l);
    for (unsigned i = 0; i < 40; i++) {
        uint32_t room = VSOCK_BUFFER - (l->conn.received - l->conn.forwarded);
        bytes_fill(sent);
        link_send(l, bytes, room);
        sent += room;
        cr_assert_eq(l->conn.state, VSOCK_OPEN);
        if (i % 4 == 3)
            got = drain(peer, got);
        else
            flush(l);
    }
    got = drain(peer, got);
    cr_assert_eq(got, sent);
    cr_assert_null(l->kept);
    cr_assert_eq(l->conn.forwarded, (uint32_t)sent);
    (void)close(peer);
}

ON_BOTH(vsock_link, a_half_close_comes_behind_the_last_byte)
{
    struct vsock_link *l;
    size_t sent;
    int peer;

    l = link_open(1, 2, &peer);
    sent = choke(l);
    link_hear(l, OP(SHUTDOWN), SEND, 0);
    vsock_mux_settle(&mux, l);
    cr_assert_eq(drain(peer, 0), sent);
    cr_assert_eq(recv(peer, bytes, 1, MSG_DONTWAIT), 0);
    cr_assert_eq(send(peer, "back", 4, MSG_NOSIGNAL), 4);
    vd_settle(&d);
    cr_assert(vsock_link_has_data(l));
    (void)close(peer);
}

/* The guest has closed and may forget the connection; the peer still gets the rest. */
ON_BOTH(vsock_link, what_was_kept_outlives_the_guests_close)
{
    struct vsock_link *l;
    size_t sent;
    int peer;

    l = link_open(1, 2, &peer);
    sent = choke(l);
    link_hear(l, OP(SHUTDOWN), BOTH, 0);
    vsock_mux_settle(&mux, l);
    cr_assert_eq(link_says(l), OP(RST));
    cr_assert_eq(mux.count, 1);
    cr_assert_null(vsock_mux_find(&mux, 1, 2)); /* the ports are free */
    cr_assert_eq(drain(peer, 0), sent);
    vd_settle(&d);
    cr_assert_eq(mux.count, 0);
    (void)close(peer);
}

ON_BOTH(vsock_link, a_peer_that_leaves_ends_that_too)
{
    struct vsock_link *l;
    int peer;

    l = link_open(1, 2, &peer);
    (void)choke(l);
    link_hear(l, OP(SHUTDOWN), BOTH, 0);
    vsock_mux_settle(&mux, l);
    cr_assert_eq(link_says(l), OP(RST));
    (void)close(peer);
    flush(l);
    vd_settle(&d);
    cr_assert_eq(mux.count, 0);
    cr_assert_eq(counters.tx_flush_fails, 1);
}

ON_BOTH(vsock_link, a_reset_throws_away_what_was_kept)
{
    struct vsock_link *l;
    size_t got, sent;
    int peer;

    l = link_open(1, 2, &peer);
    sent = choke(l);
    link_hear(l, OP(RST), 0, 0);
    vsock_mux_settle(&mux, l);
    vd_settle(&d);
    cr_assert_eq(mux.count, 0);
    got = drain(peer, 0);
    cr_assert_lt(got, sent);
    (void)close(peer);
}

ON_BOTH(vsock_link, the_guest_wants_no_more)
{
    struct vsock_link *l;
    int peer;

    l = link_open(1, 2, &peer);
    cr_assert_eq(write(peer, "x", 1), 1);
    link_hear(l, OP(SHUTDOWN), RCV, 0);
    vsock_mux_settle(&mux, l);
    vd_settle(&d);
    cr_assert(!l->is_ready);
    cr_assert_eq(send(peer, "x", 1, MSG_NOSIGNAL), -1);
    cr_assert_eq(errno, EPIPE);
    bytes_fill(0);
    link_send(l, bytes, 10);
    cr_assert_eq(drain(peer, 0), 10);
    (void)close(peer);
}

ON_BOTH(vsock_link, the_peer_shuts_what_it_sends)
{
    struct vsock_link *l;
    struct iovec iov = { .iov_base = bytes, .iov_len = 10 };
    int peer;

    l = link_open(1, 2, &peer);
    cr_assert_eq(write(peer, "last", 4), 4);
    cr_assert_eq(shutdown(peer, SHUT_WR), 0);
    vd_settle(&d);
    cr_assert_eq(vsock_link_read(l, &iov, 1), 4);
    (void)vsock_conn_send(&l->conn, 4);
    vsock_mux_settle(&mux, l);
    vd_settle(&d);
    cr_assert(l->is_ready);
    cr_assert_eq(vsock_link_read(l, &iov, 1), 0);
    vsock_mux_settle(&mux, l);
    cr_assert_eq(l->conn.host_shut, SEND);
    cr_assert_eq(link_says(l), OP(SHUTDOWN));
    bytes_fill(0);
    link_send(l, bytes, 10);
    cr_assert_eq(drain(peer, 0), 10);
    (void)close(peer);
    link_send(l, bytes, 10); /* now it shows that the peer has closed */
    cr_assert_eq(l->conn.host_shut, BOTH);
    cr_assert_eq(l->conn.forwarded, 20);
    cr_assert_eq(link_says(l), OP(SHUTDOWN));
    cr_assert(l->is_lingering);
    cr_assert_eq(counters.tx_write_fails, 1);
}

ON_BOTH(vsock_link, the_peer_takes_no_more)
{
    struct vsock_link *l;
    int peer;

    l = link_open(1, 2, &peer);
    cr_assert_eq(shutdown(peer, SHUT_RD), 0);
    link_send(l, bytes, 10);
    cr_assert_eq(l->conn.host_shut, RCV);
    cr_assert_eq(link_says(l), OP(SHUTDOWN));
    link_send(l, bytes, 10); /* was on its way */
    cr_assert_eq(l->conn.forwarded, 20);
    cr_assert_eq(write(peer, "still", 5), 5);
    vd_settle(&d);
    cr_assert(vsock_link_has_data(l));
    (void)close(peer);
}

/* A peer that closes over what it has not read resets the socket. */
ON_BOTH(vsock_link, the_peer_leaves_something_unread)
{
    struct vsock_link *l;
    struct iovec iov = { .iov_base = bytes, .iov_len = 10 };
    int peer;

    l = link_open(1, 2, &peer);
    link_send(l, bytes, 10);
    (void)close(peer);
    vd_settle(&d);
    cr_assert(l->is_ready);
    cr_assert_eq(vsock_link_read(l, &iov, 1), 0);
    vsock_mux_settle(&mux, l);
    cr_assert_eq(l->conn.host_shut, BOTH);
    cr_assert_eq(counters.rx_read_fails, 1);
    cr_assert_eq(link_says(l), OP(SHUTDOWN));
}

/* Without credit the socket is not read; with credit it is read again. */
ON_BOTH(vsock_link, nobody_reads_without_credit)
{
    struct virtio_vsock_hdr h;
    struct vsock_link *l;
    int peer;

    l = link_open(1, 2, &peer);
    (void)vsock_conn_send(&l->conn, 1000);
    cr_assert_eq(write(peer, "x", 1), 1);
    vd_settle(&d);
    cr_assert(l->readable && !l->polls_in);
    cr_assert_eq(link_says(l), OP(CREDIT_REQUEST));
    cr_assert(!l->is_ready);
    h = from_guest(1, 2, OP(CREDIT_UPDATE));
    h.fwd_cnt = 1;
    (void)vsock_conn_hear(&l->conn, &h);
    vsock_mux_settle(&mux, l);
    cr_assert(l->is_ready);
    (void)close(peer);
}

static enum vsock_line_status line_of(struct vsock_link *l, int peer, const char *text,
                                      uint32_t *port)
{
    cr_assert_eq(write(peer, text, strlen(text)), (ssize_t)strlen(text));
    return vsock_link_line(l, port);
}

ON_BOTH(vsock_link, a_line_leaves_what_follows_it)
{
    struct vsock_link *l;
    uint32_t port;
    int peer;

    l = link_new(&peer);
    cr_assert_eq(vsock_link_line(l, &port), VSOCK_LINE_MORE);
    cr_assert_eq(line_of(l, peer, "CONN", &port), VSOCK_LINE_MORE);
    cr_assert_eq(line_of(l, peer, "ECT 7\nfor the guest", &port), VSOCK_LINE_OK);
    cr_assert_eq(port, 7);
    cr_assert_eq(recv(l->fd, bytes, sizeof(bytes), MSG_DONTWAIT), 13);
    cr_assert_eq(memcmp(bytes, "for the guest", 13), 0);
    cr_assert_eq(shutdown(peer, SHUT_WR), 0);
    cr_assert_eq(vsock_link_line(l, &port), VSOCK_LINE_BAD);
    vsock_conn_reset(&l->conn);
    vsock_mux_settle(&mux, l);
    cr_assert_eq(mux.count, 0);
    (void)close(peer);
}

ON_BOTH(vsock_link, a_client_that_left_is_not_told)
{
    struct vsock_link *l;
    int peer;

    l = link_new(&peer);
    vsock_conn_ask(&l->conn, 5, 6);
    cr_assert_eq(link_says(l), OP(REQUEST));
    link_hear(l, OP(RESPONSE), 0, 0);
    (void)close(peer);
    vsock_link_accepted(l);
    vsock_mux_settle(&mux, l);
    cr_assert_eq(link_says(l), OP(RST));
}
