/*
 * The conversation about one connection.
 *
 * A packet against the rules ends the connection, not the device: the guest's other connections
 * have no part in it. A guest's word about its own buffer is believed, as nobody but the guest
 * suffers when it is wrong.
 */
#include "virtio-mmio/vsock/vsock_conn.h"

#include <assert.h>

/* The guest is told of what was forwarded once it is this much: early enough that it never waits
 * for a socket that keeps up, and seldom beside the data. */
#define UPDATE_AT (VSOCK_BUFFER / 4)

/* What the guest is to be told, in the order in which it is. */
enum say {
    SAY_RST,
    SAY_REQUEST,
    SAY_RESPONSE,
    SAY_SHUTDOWN,
    SAY_CREDIT_REQUEST,
    SAY_CREDIT_UPDATE,
    SAYS,
};

static const uint16_t ops[] = {
    [SAY_RST] = VIRTIO_VSOCK_OP_RST,
    [SAY_REQUEST] = VIRTIO_VSOCK_OP_REQUEST,
    [SAY_RESPONSE] = VIRTIO_VSOCK_OP_RESPONSE,
    [SAY_SHUTDOWN] = VIRTIO_VSOCK_OP_SHUTDOWN,
    [SAY_CREDIT_REQUEST] = VIRTIO_VSOCK_OP_CREDIT_REQUEST,
    [SAY_CREDIT_UPDATE] = VIRTIO_VSOCK_OP_CREDIT_UPDATE,
};
static_assert(sizeof(ops) / sizeof(ops[0]) == SAYS, "everything to be said has a packet");

static void say(struct vsock_conn *c, enum say what)
{
    c->say |= (uint8_t)(1u << what);
}

static bool is_to_say(const struct vsock_conn *c, enum say what)
{
    return c->say >> what & 1;
}

/* No more is said of a connection that is over. */
static void finish(struct vsock_conn *c, bool tell)
{
    c->state = VSOCK_CLOSED;
    c->say = 0;
    if (tell)
        say(c, SAY_RST);
}

void vsock_conn_ask(struct vsock_conn *c, uint32_t guest_port, uint32_t host_port)
{
    assert(c->state == VSOCK_NEW);
    c->state = VSOCK_ASKING;
    c->guest_port = guest_port;
    c->host_port = host_port;
    say(c, SAY_REQUEST);
}

static void credit_hear(struct vsock_conn *c, const struct virtio_vsock_hdr *h)
{
    c->guest_alloc = h->buf_alloc;
    c->guest_forwarded = h->fwd_cnt;
    if (vsock_conn_credit(c) > 0)
        c->starved = false;
}

void vsock_conn_answer(struct vsock_conn *c, const struct virtio_vsock_hdr *h)
{
    assert(c->state == VSOCK_NEW);
    c->state = VSOCK_OPEN;
    c->guest_port = h->src_port;
    c->host_port = h->dst_port;
    credit_hear(c, h);
    say(c, SAY_RESPONSE);
}

void vsock_conn_reset(struct vsock_conn *c)
{
    if (c->state != VSOCK_CLOSED)
        finish(c, c->state != VSOCK_NEW && !is_to_say(c, SAY_REQUEST));
}

void vsock_conn_forget(struct vsock_conn *c)
{
    finish(c, false);
}

/* Nothing can flow any more: all there is left is to end it. */
static void judge_directions(struct vsock_conn *c)
{
    bool sends = !(c->guest_shut & VIRTIO_VSOCK_SHUTDOWN_SEND) || c->received != c->forwarded;
    bool to_host = sends && !(c->host_shut & VIRTIO_VSOCK_SHUTDOWN_RCV);
    bool to_guest = !(c->guest_shut & VIRTIO_VSOCK_SHUTDOWN_RCV) &&
                    !(c->host_shut & VIRTIO_VSOCK_SHUTDOWN_SEND);

    if (c->state == VSOCK_OPEN && !to_host && !to_guest && c->host_shut != VSOCK_SHUT_BOTH) {
        c->host_shut = VSOCK_SHUT_BOTH;
        say(c, SAY_SHUTDOWN);
    }
}

void vsock_conn_host_shut(struct vsock_conn *c, unsigned flags)
{
    unsigned shut = c->host_shut | flags;

    if (c->state == VSOCK_ASKING || c->state == VSOCK_NEW)
        vsock_conn_reset(c);
    if (c->state != VSOCK_OPEN || shut == c->host_shut)
        return;
    c->host_shut = (uint8_t)shut;
    say(c, SAY_SHUTDOWN);
    judge_directions(c);
}

void vsock_conn_forwarded(struct vsock_conn *c, uint32_t n)
{
    assert(n <= c->received - c->forwarded);
    c->forwarded += n;
    if (c->state == VSOCK_OPEN && c->forwarded - c->told >= UPDATE_AT)
        say(c, SAY_CREDIT_UPDATE);
    judge_directions(c);
}

static enum vsock_news broken(struct vsock_conn *c)
{
    vsock_conn_reset(c);
    return VSOCK_BROKEN;
}

/* A guest cannot answer what it was not asked. */
static enum vsock_news hear_asking(struct vsock_conn *c, const struct virtio_vsock_hdr *h)
{
    if (h->op != VIRTIO_VSOCK_OP_RESPONSE || is_to_say(c, SAY_REQUEST))
        return broken(c);
    credit_hear(c, h);
    c->state = VSOCK_OPEN;
    return VSOCK_ACCEPTED;
}

static enum vsock_news hear_data(struct vsock_conn *c, uint32_t len)
{
    if (c->guest_shut & VIRTIO_VSOCK_SHUTDOWN_SEND ||
        len > VSOCK_BUFFER - (c->received - c->forwarded))
        return broken(c);
    c->received += len;
    return VSOCK_DATA;
}

static enum vsock_news hear_shutdown(struct vsock_conn *c, uint32_t flags)
{
    unsigned shut = c->guest_shut | (flags & VSOCK_SHUT_BOTH);

    if (shut == c->guest_shut)
        return VSOCK_NOTHING;
    c->guest_shut = (uint8_t)shut;
    if (shut == VSOCK_SHUT_BOTH)
        finish(c, true);
    judge_directions(c);
    return VSOCK_SHUT;
}

static enum vsock_news hear_open(struct vsock_conn *c, const struct virtio_vsock_hdr *h)
{
    credit_hear(c, h);
    switch (h->op) {
    case VIRTIO_VSOCK_OP_RW:
        return hear_data(c, h->len);
    case VIRTIO_VSOCK_OP_SHUTDOWN:
        return hear_shutdown(c, h->flags);
    case VIRTIO_VSOCK_OP_CREDIT_UPDATE:
        return VSOCK_NOTHING;
    case VIRTIO_VSOCK_OP_CREDIT_REQUEST:
        say(c, SAY_CREDIT_UPDATE);
        return VSOCK_NOTHING;
    default: /* REQUEST, RESPONSE: there is a connection */
        return broken(c);
    }
}

enum vsock_news vsock_conn_hear(struct vsock_conn *c, const struct virtio_vsock_hdr *h)
{
    assert(c->state != VSOCK_NEW);
    if (h->op == VIRTIO_VSOCK_OP_RST) {
        bool was_open = c->state != VSOCK_CLOSED;
        finish(c, false);
        return was_open ? VSOCK_ENDED : VSOCK_NOTHING;
    }
    if (c->state == VSOCK_ASKING)
        return hear_asking(c, h);
    return c->state == VSOCK_OPEN ? hear_open(c, h) : VSOCK_NOTHING;
}

uint32_t vsock_conn_credit(const struct vsock_conn *c)
{
    uint32_t on_the_way = c->sent - c->guest_forwarded;

    if (c->state != VSOCK_OPEN || c->guest_shut & VIRTIO_VSOCK_SHUTDOWN_RCV)
        return 0;
    return on_the_way < c->guest_alloc ? c->guest_alloc - on_the_way : 0;
}

/* Once: a guest that answers without giving any would be asked for ever. */
void vsock_conn_starve(struct vsock_conn *c)
{
    bool takes = c->state == VSOCK_OPEN && !(c->guest_shut & VIRTIO_VSOCK_SHUTDOWN_RCV);

    if (!takes || c->starved || vsock_conn_credit(c) > 0)
        return;
    c->starved = true;
    say(c, SAY_CREDIT_REQUEST);
}

bool vsock_conn_speaks(const struct vsock_conn *c)
{
    return c->say != 0;
}

/* Every packet tells the guest of its credit (5.10.6.3). */
static struct virtio_vsock_hdr header(struct vsock_conn *c, uint16_t op)
{
    c->told = c->forwarded;
    c->say &= (uint8_t) ~(1u << SAY_CREDIT_UPDATE);
    return (struct virtio_vsock_hdr){
        .src_cid = VSOCK_HOST_CID,
        .dst_cid = c->guest_cid,
        .src_port = c->host_port,
        .dst_port = c->guest_port,
        .type = VIRTIO_VSOCK_TYPE_STREAM,
        .op = op,
        .buf_alloc = VSOCK_BUFFER,
        .fwd_cnt = c->forwarded,
    };
}

struct virtio_vsock_hdr vsock_conn_speak(struct vsock_conn *c)
{
    struct virtio_vsock_hdr h;
    enum say what = 0;

    assert(c->say != 0);
    while (!is_to_say(c, what))
        what++;
    h = header(c, ops[what]);
    c->say &= (uint8_t) ~(1u << what);
    if (what == SAY_SHUTDOWN)
        h.flags = c->host_shut;
    return h;
}

struct virtio_vsock_hdr vsock_conn_send(struct vsock_conn *c, uint32_t len)
{
    struct virtio_vsock_hdr h = header(c, VIRTIO_VSOCK_OP_RW);

    assert(len <= vsock_conn_credit(c));
    h.len = len;
    c->sent += len;
    return h;
}
