/*
 * Between a connection and its socket.
 *
 * A socket is polled only for what would change something: for input while a client's line is
 * awaited or the guest takes data, for output while bytes are kept. When the input has ended, one
 * poll(2) tells whether the peer has closed the socket or only shut down its sending direction. In
 * the latter case a later close shows, as with TCP, only when something is sent to the peer.
 */
#include "virtio-mmio/vsock/vsock_link.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/container.h"
#include "core/base/metrics.h"
#include "virtio-mmio/queue/iov.h"

/* Life. */

static void link_in_done(struct loop_op *op, int res)
{
    struct vsock_link *l = container_of(op, struct vsock_link, in);

    l->polls_in = false;
    if (res != -ECANCELED)
        l->readable = true;
    l->hub->stirred(l->hub, l);
}

static void link_out_done(struct loop_op *op, int res)
{
    struct vsock_link *l = container_of(op, struct vsock_link, out);

    l->polls_out = false;
    if (res != -ECANCELED)
        l->writable = true;
    l->hub->stirred(l->hub, l);
}

struct vsock_link *vsock_link_create(struct vsock_hub *hub, int fd, uint32_t guest_cid)
{
    struct vsock_link *l = calloc(1, sizeof(*l));

    if (!l)
        return NULL;
    l->hub = hub;
    l->fd = fd;
    l->conn.guest_cid = guest_cid;
    l->in.done = link_in_done;
    l->out.done = link_out_done;
    return l;
}

void vsock_link_destroy(struct vsock_link *l)
{
    assert(vsock_link_is_over(l));
    free(l);
}

bool vsock_link_is_over(const struct vsock_link *l)
{
    return l->conn.state == VSOCK_CLOSED && !vsock_conn_speaks(&l->conn) && l->fd < 0;
}

static void link_kept_free(struct vsock_link *l)
{
    free(l->kept);
    l->kept = NULL;
    l->kept_at = l->kept_len = 0;
}

void vsock_link_abort(struct vsock_link *l)
{
    vsock_conn_forget(&l->conn);
    link_kept_free(l);
}

/* The client. */

enum vsock_line_status vsock_link_line(struct vsock_link *l, uint32_t *port)
{
    enum vsock_line_status status;
    char bytes[VSOCK_LINE_MAX];
    size_t taken;
    ssize_t n = recv(l->fd, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_PEEK);

    l->readable = false;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return VSOCK_LINE_MORE;
    if (n <= 0)
        return VSOCK_LINE_BAD;
    status = vsock_line_feed(&l->line, bytes, (size_t)n, &taken, port);
    if (recv(l->fd, bytes, taken, MSG_DONTWAIT) != (ssize_t)taken)
        return VSOCK_LINE_BAD; /* another process reads from this socket too */
    return status;
}

/* The socket has room, because nothing was written to it before. */
void vsock_link_accepted(struct vsock_link *l)
{
    char text[24];
    int len = snprintf(text, sizeof(text), "OK %u\n", l->conn.host_port);

    if (send(l->fd, text, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL) != len)
        vsock_conn_reset(&l->conn);
}

/* To the guest. */

bool vsock_link_has_data(const struct vsock_link *l)
{
    return l->readable && l->fd >= 0 && !l->hung_up && vsock_conn_credit(&l->conn) > 0;
}

/* The socket's input has ended. */
static void link_input_ended(struct vsock_link *l)
{
    struct pollfd end = { .fd = l->fd };
    bool closed = poll(&end, 1, 0) > 0 && end.revents & POLLHUP;

    vsock_conn_host_shut(&l->conn, closed ? VSOCK_SHUT_BOTH : VIRTIO_VSOCK_SHUTDOWN_SEND);
}

size_t vsock_link_read(struct vsock_link *l, const struct iovec *iov, unsigned count)
{
    struct msghdr message = { .msg_iov = (struct iovec *)iov, .msg_iovlen = count };
    size_t room = 0;
    ssize_t n = recvmsg(l->fd, &message, MSG_DONTWAIT);

    for (unsigned i = 0; i < count; i++)
        room += iov[i].iov_len;
    l->readable = n == (ssize_t)room;
    if (n > 0)
        return (size_t)n;
    if (n == 0) {
        link_input_ended(l);
    } else if (errno != EAGAIN && errno != EINTR) {
        metric_add(&l->hub->counters->rx_read_fails, 1);
        vsock_conn_host_shut(&l->conn, VSOCK_SHUT_BOTH);
    }
    return 0;
}

/* To the host. */

/* The socket takes nothing any more, so nothing needs to be kept for it. */
static void link_deafen(struct vsock_link *l)
{
    vsock_conn_host_shut(&l->conn, VIRTIO_VSOCK_SHUTDOWN_RCV);
    vsock_conn_forwarded(&l->conn, l->kept_len);
    link_kept_free(l);
}

static bool link_is_deaf(const struct vsock_link *l)
{
    return l->fd < 0 || l->hung_up || l->conn.host_shut & VIRTIO_VSOCK_SHUTDOWN_RCV;
}

/* Writes to the socket and returns how much it took. If it fails for good, counts one in *fails and
 * drops what was kept. */
static size_t link_put(struct vsock_link *l, const struct iovec *iov, unsigned count,
                       uint64_t *fails)
{
    struct msghdr message = { .msg_iov = (struct iovec *)iov, .msg_iovlen = count };
    ssize_t n = sendmsg(l->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (n >= 0)
        return (size_t)n;
    if (errno != EAGAIN && errno != EINTR) {
        metric_add(fails, 1);
        link_deafen(l);
    }
    return 0;
}

/* Points iov at the ring's len bytes from `at` on, which are one piece or two. Returns how many. */
static unsigned link_ring(const struct vsock_link *l, struct iovec iov[2], uint32_t at,
                          uint32_t len)
{
    uint32_t to_end = VSOCK_BUFFER - at;
    uint32_t first = len < to_end ? len : to_end;

    iov[0] = (struct iovec){ .iov_base = l->kept + at, .iov_len = first };
    iov[1] = (struct iovec){ .iov_base = l->kept, .iov_len = len - first };
    return len > first ? 2 : 1;
}

/* Keeps the vector's len bytes from `offset` on. The guest's credit ensures that there is room. */
static void link_keep(struct vsock_link *l, const struct iovec *iov, unsigned count, size_t offset,
                      uint32_t len)
{
    struct iovec to[2];
    size_t done = 0;
    unsigned pieces;

    if (!l->kept)
        l->kept = malloc(VSOCK_BUFFER);
    if (!l->kept) {
        vsock_conn_reset(&l->conn);
        return;
    }
    assert(len <= VSOCK_BUFFER - l->kept_len);
    if (l->kept_len == 0) /* the write before this call took less than all */
        l->writable = false;
    pieces = link_ring(l, to, (l->kept_at + l->kept_len) % VSOCK_BUFFER, len);
    for (unsigned i = 0; i < pieces; i++)
        done += iov_read(iov, count, offset + done, to[i].iov_base, to[i].iov_len);
    assert(done == len);
    l->kept_len += len;
}

void vsock_link_forward(struct vsock_link *l, const struct iovec *iov, unsigned count, size_t len)
{
    size_t done = 0;

    if (l->kept_len == 0 && !link_is_deaf(l) && len > 0)
        done = link_put(l, iov, count, &l->hub->counters->tx_write_fails);
    if (link_is_deaf(l))
        done = len;
    if (done < len)
        link_keep(l, iov, count, done, (uint32_t)(len - done));
    vsock_conn_forwarded(&l->conn, (uint32_t)done);
}

size_t vsock_link_flush(struct vsock_link *l)
{
    struct iovec iov[2];
    unsigned count = link_ring(l, iov, l->kept_at, l->kept_len);
    size_t done = link_put(l, iov, count, &l->hub->counters->tx_flush_fails);

    l->writable = false;
    if (l->kept_len == 0) /* the write failed, and what was kept is dropped */
        return 0;
    l->kept_at = (uint32_t)((l->kept_at + done) % VSOCK_BUFFER);
    l->kept_len -= (uint32_t)done;
    if (l->kept_len == 0)
        link_kept_free(l);
    vsock_conn_forwarded(&l->conn, (uint32_t)done);
    return done;
}

/* Closing, shutting down, polling. */

/* Whether the socket is to be closed: after a reset at once, after an orderly close by the guest
 * only when the peer has taken what was kept. */
static bool link_is_done_with(const struct vsock_link *l)
{
    bool drains = l->conn.guest_shut == VSOCK_SHUT_BOTH && l->kept_len > 0;

    return l->conn.state == VSOCK_CLOSED ? !drains : l->conn.host_shut == VSOCK_SHUT_BOTH;
}

static void link_hang_up(struct vsock_link *l)
{
    if (!l->hung_up && l->kept_len > 0)
        link_deafen(l);
    l->hung_up = true;
    if (l->polls_in)
        loop_cancel(l->hub->loop, &l->in);
    if (l->polls_out)
        loop_cancel(l->hub->loop, &l->out);
    if (l->polls_in || l->polls_out)
        return;
    (void)close(l->fd);
    l->fd = -1;
}

/* Shuts the socket down in the directions that the guest has shut; for sending, after the last byte
 * that was kept. */
static void link_shut_down(struct vsock_link *l)
{
    unsigned news = l->conn.guest_shut & ~l->told;

    if (l->kept_len > 0)
        news &= ~(unsigned)VIRTIO_VSOCK_SHUTDOWN_SEND;
    if (news & VIRTIO_VSOCK_SHUTDOWN_SEND)
        (void)shutdown(l->fd, SHUT_WR);
    if (news & VIRTIO_VSOCK_SHUTDOWN_RCV)
        (void)shutdown(l->fd, SHUT_RD);
    l->told |= news;
}

/* Whether a client's line, or data that the guest takes, may still come. */
static bool link_listens(const struct vsock_link *l)
{
    return l->conn.state == VSOCK_NEW ||
           (l->conn.state == VSOCK_OPEN && !(l->conn.host_shut & VIRTIO_VSOCK_SHUTDOWN_SEND) &&
            !(l->conn.guest_shut & VIRTIO_VSOCK_SHUTDOWN_RCV));
}

static void link_poll_in(struct vsock_link *l)
{
    if (l->polls_in || l->readable || !link_listens(l))
        return;
    l->polls_in = true;
    loop_poll(l->hub->loop, &l->in, l->fd, POLLIN);
}

static void link_poll_out(struct vsock_link *l)
{
    if (l->polls_out || l->kept_len == 0 || l->writable)
        return;
    l->polls_out = true;
    loop_poll(l->hub->loop, &l->out, l->fd, POLLOUT);
}

void vsock_link_follow(struct vsock_link *l)
{
    if (l->fd < 0)
        return;
    if (link_is_done_with(l)) {
        link_hang_up(l);
        return;
    }
    link_shut_down(l);
    link_poll_in(l);
    link_poll_out(l);
    if (l->readable)
        vsock_conn_starve(&l->conn);
}
