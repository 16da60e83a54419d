/*
 * The state of one connection.
 *
 * A packet that breaks the rules ends its connection and not the device, because the guest's other
 * connections are sound. What the guest says about its own buffer is believed, because only the
 * guest suffers if that is wrong.
 */
#include "virtio-mmio/vsock/vsock_conn.h"

#include <assert.h>

/* The guest is sent a CREDIT_UPDATE when this many forwarded bytes are unknown to it: few enough
 * that the guest never waits for a socket that keeps up, and enough that updates are rare. */
#define UPDATE_AT (VSOCK_BUFFER / 4)

/* What the guest can be told, in the order in which it is told. */
enum say {
    SAY_RST,
    SAY_REQUEST,
    SAY_RESPONSE,
    SAY_SHUTDOWN,
    SAY_CREDIT_REQUEST,
    SAY_CREDIT_UPDATE,
    SAYS,
};

static const uint16_t say_ops[] = {
    [SAY_RST] = VIRTIO_VSOCK_OP_RST,
    [SAY_REQUEST] = VIRTIO_VSOCK_OP_REQUEST,
    [SAY_RESPONSE] = VIRTIO_VSOCK_OP_RESPONSE,
    [SAY_SHUTDOWN] = VIRTIO_VSOCK_OP_SHUTDOWN,
    [SAY_CREDIT_REQUEST] = VIRTIO_VSOCK_OP_CREDIT_REQUEST,
    [SAY_CREDIT_UPDATE] = VIRTIO_VSOCK_OP_CREDIT_UPDATE,
};
static_assert(sizeof(say_ops) / sizeof(say_ops[0]) == SAYS, "every saying has an operation");

static void conn_say(struct vsock_conn *c, enum say what)
{
    c->say |= (uint8_t)(1u << what);
}

static bool conn_has_to_say(const struct vsock_conn *c, enum say what)
{
    return c->say >> what & 1;
}

/* Once a connection is over, a RST is all that the guest may still be told of it. */
static void conn_finish(struct vsock_conn *c, bool tell)
{
    c->state = VSOCK_CLOSED;
    c->say = 0;
    if (tell)
        conn_say(c, SAY_RST);
}

void vsock_conn_ask(struct vsock_conn *c, uint32_t guest_port, uint32_t host_port)
{
    assert(c->state == VSOCK_NEW);
    c->state = VSOCK_ASKING;
    c->guest_port = guest_port;
    c->host_port = host_port;
    conn_say(c, SAY_REQUEST);
}

static void conn_take_credit(struct vsock_conn *c, const struct virtio_vsock_hdr *h)
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
    conn_take_credit(c, h);
    conn_say(c, SAY_RESPONSE);
}

void vsock_conn_reset(struct vsock_conn *c)
{
    if (c->state != VSOCK_CLOSED)
        conn_finish(c, c->state != VSOCK_NEW && !conn_has_to_say(c, SAY_REQUEST));
}

void vsock_conn_forget(struct vsock_conn *c)
{
    conn_finish(c, false);
}

/* If nothing can flow in either direction any more, begins to end the connection. */
static void conn_judge_directions(struct vsock_conn *c)
{
    bool sends = !(c->guest_shut & VIRTIO_VSOCK_SHUTDOWN_SEND) || c->received != c->forwarded;
    bool to_host = sends && !(c->host_shut & VIRTIO_VSOCK_SHUTDOWN_RCV);
    bool to_guest = !(c->guest_shut & VIRTIO_VSOCK_SHUTDOWN_RCV) &&
                    !(c->host_shut & VIRTIO_VSOCK_SHUTDOWN_SEND);

    if (c->state == VSOCK_OPEN && !to_host && !to_guest && c->host_shut != VSOCK_SHUT_BOTH) {
        c->host_shut = VSOCK_SHUT_BOTH;
        conn_say(c, SAY_SHUTDOWN);
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
    conn_say(c, SAY_SHUTDOWN);
    conn_judge_directions(c);
}

void vsock_conn_forwarded(struct vsock_conn *c, uint32_t n)
{
    assert(n <= c->received - c->forwarded);
    c->forwarded += n;
    if (c->state == VSOCK_OPEN && c->forwarded - c->told >= UPDATE_AT)
        conn_say(c, SAY_CREDIT_UPDATE);
    conn_judge_directions(c);
}

static enum vsock_news conn_break(struct vsock_conn *c)
{
    vsock_conn_reset(c);
    return VSOCK_BROKEN;
}

/* A RESPONSE before the REQUEST was sent breaks the rules too. */
static enum vsock_news conn_hear_asking(struct vsock_conn *c, const struct virtio_vsock_hdr *h)
{
    if (h->op != VIRTIO_VSOCK_OP_RESPONSE || conn_has_to_say(c, SAY_REQUEST))
        return conn_break(c);
    conn_take_credit(c, h);
    c->state = VSOCK_OPEN;
    return VSOCK_ACCEPTED;
}

static enum vsock_news conn_hear_data(struct vsock_conn *c, uint32_t len)
{
    if (c->guest_shut & VIRTIO_VSOCK_SHUTDOWN_SEND ||
        len > VSOCK_BUFFER - (c->received - c->forwarded))
        return conn_break(c);
    c->received += len;
    return VSOCK_DATA;
}

static enum vsock_news conn_hear_shutdown(struct vsock_conn *c, uint32_t flags)
{
    unsigned shut = c->guest_shut | (flags & VSOCK_SHUT_BOTH);

    if (shut == c->guest_shut)
        return VSOCK_NOTHING;
    c->guest_shut = (uint8_t)shut;
    if (shut == VSOCK_SHUT_BOTH)
        conn_finish(c, true);
    conn_judge_directions(c);
    return VSOCK_SHUT;
}

static enum vsock_news conn_hear_open(struct vsock_conn *c, const struct virtio_vsock_hdr *h)
{
    conn_take_credit(c, h);
    switch (h->op) {
    case VIRTIO_VSOCK_OP_RW:
        return conn_hear_data(c, h->len);
    case VIRTIO_VSOCK_OP_SHUTDOWN:
        return conn_hear_shutdown(c, h->flags);
    case VIRTIO_VSOCK_OP_CREDIT_UPDATE:
        return VSOCK_NOTHING;
    case VIRTIO_VSOCK_OP_CREDIT_REQUEST:
        conn_say(c, SAY_CREDIT_UPDATE);
        return VSOCK_NOTHING;
    default: /* REQUEST, RESPONSE: the connection is open already */
        return conn_break(c);
    }
}

enum vsock_news vsock_conn_hear(struct vsock_conn *c, const struct virtio_vsock_hdr *h)
{
    assert(c->state != VSOCK_NEW);
    if (h->op == VIRTIO_VSOCK_OP_RST) {
        bool was_open = c->state != VSOCK_CLOSED;
        conn_finish(c, false);
        return was_open ? VSOCK_ENDED : VSOCK_NOTHING;
    }
    if (c->state == VSOCK_ASKING)
        return conn_hear_asking(c, h);
    return c->state == VSOCK_OPEN ? conn_hear_open(c, h) : VSOCK_NOTHING;
}

uint32_t vsock_conn_credit(const struct vsock_conn *c)
{
    uint32_t on_the_way = c->sent - c->guest_forwarded;

    if (c->state != VSOCK_OPEN || c->guest_shut & VIRTIO_VSOCK_SHUTDOWN_RCV)
        return 0;
    return on_the_way < c->guest_alloc ? c->guest_alloc - on_the_way : 0;
}

/* Asks only once. A guest that answers without giving credit would otherwise be asked for ever. */
void vsock_conn_starve(struct vsock_conn *c)
{
    bool takes = c->state == VSOCK_OPEN && !(c->guest_shut & VIRTIO_VSOCK_SHUTDOWN_RCV);

    if (!takes || c->starved || vsock_conn_credit(c) > 0)
        return;
    c->starved = true;
    conn_say(c, SAY_CREDIT_REQUEST);
}

bool vsock_conn_speaks(const struct vsock_conn *c)
{
    return c->say != 0;
}

/* Every packet to the guest tells it its credit (5.10.6.3). */
static struct virtio_vsock_hdr conn_header(struct vsock_conn *c, uint16_t op)
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
    while (!conn_has_to_say(c, what))
        what++;
    h = conn_header(c, say_ops[what]);
    c->say &= (uint8_t) ~(1u << what);
    if (what == SAY_SHUTDOWN)
        h.flags = c->host_shut;
    return h;
}

struct virtio_vsock_hdr vsock_conn_send(struct vsock_conn *c, uint32_t len)
{
    struct virtio_vsock_hdr h = conn_header(c, VIRTIO_VSOCK_OP_RW);

    assert(len <= vsock_conn_credit(c));
    h.len = len;
    c->sent += len;
    return h;
}
