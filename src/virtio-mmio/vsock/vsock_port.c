/*
 * Packets between queues and connections.
 *
 * The guest's packets are taken even while it offers no receive buffers (5.10.6.1). This works
 * because a connection needs no memory for what it has to tell the guest. Only resets for packets
 * that belong to no connection need some. While too many of these wait, no more packets are taken.
 */
#include "virtio-mmio/vsock/vsock_port.h"

#include <string.h>
#include <unistd.h>

#include "core/log/log.h"
#include "virtio-mmio/queue/iov.h"

/* The bytes of each part of a turn, and what each packet costs in addition to its payload. */
#define TURN_BYTES  (256u << 10)
#define PACKET_COST 2048u

static struct virtq *port_ring(struct vsock_port *p, enum vsock_queue queue)
{
    return &p->device->queue[queue].ring;
}

/* From the guest. */

static void port_refuse(struct vsock_port *p, const struct virtio_vsock_hdr *h)
{
    const struct virtio_vsock_hdr reset = vsock_packet_reset(h, p->cid);

    if (h->op == VIRTIO_VSOCK_OP_RST)
        return;
    metric_add(&p->counters.conns_killed, 1);
    vsock_mux_reset(&p->mux, &reset);
}

/* The guest's REQUEST: it wants a connection to the host. */
static void port_request(struct vsock_port *p, const struct virtio_vsock_hdr *h)
{
    struct vsock_link *l = NULL;
    int fd = vsock_mux_has_room(&p->mux) ? vsock_listener_dial(&p->listener, h->dst_port) : -1;

    if (fd >= 0)
        l = vsock_link_create(&p->hub, fd, p->cid);
    if (!l) {
        if (fd >= 0)
            (void)close(fd);
        port_refuse(p, h);
        return;
    }
    vsock_conn_answer(&l->conn, h);
    vsock_mux_add(&p->mux, l);
    vsock_mux_know(&p->mux, l);
    vsock_mux_settle(&p->mux, l);
}

/* A sound packet of a connection. */
static void port_hear_link(struct vsock_port *p, struct vsock_link *l,
                           const struct virtio_vsock_hdr *h, struct virtq_chain *c)
{
    switch (vsock_conn_hear(&l->conn, h)) {
    case VSOCK_ACCEPTED:
        vsock_link_accepted(l);
        break;
    case VSOCK_DATA: {
        unsigned count = c->readable;
        struct iovec *data;
        memcpy(p->data, c->iov, count * sizeof(p->data[0]));
        data = iov_skip(p->data, &count, VSOCK_HEADER_SIZE);
        count = iov_cut(data, count, h->len);
        metric_add(&p->counters.tx_bytes_count, h->len);
        vsock_link_forward(l, data, count, h->len);
        break;
    }
    case VSOCK_BROKEN:
        metric_add(&p->counters.conns_killed, 1);
        break;
    case VSOCK_NOTHING:
    case VSOCK_SHUT:
    case VSOCK_ENDED:
        break;
    }
    vsock_mux_settle(&p->mux, l);
}

static void port_hear_fault(struct vsock_port *p, struct vsock_link *l,
                            const struct virtio_vsock_hdr *h, enum vsock_fault fault)
{
    bool elsewhere = fault == VSOCK_BAD_SOURCE || fault == VSOCK_BAD_DESTINATION;

    LOG_LIMITED(LOG_WARN, "%s: a packet was refused: %s", p->device->setup.name,
                vsock_fault_text(fault));
    if (!l || elsewhere || h->op == VIRTIO_VSOCK_OP_RST) {
        port_refuse(p, h);
        return;
    }
    metric_add(&p->counters.conns_killed, 1);
    vsock_conn_reset(&l->conn);
    vsock_mux_settle(&p->mux, l);
}

/* Takes one packet. Returns its cost, or 0 if there is none. */
static uint64_t port_hear_packet(struct vsock_port *p)
{
    struct virtq_chain c = { .iov = p->iov, .iov_max = VIRTQ_SIZE_MAX };
    struct virtio_vsock_hdr h;
    struct vsock_link *l;
    enum vsock_fault fault;

    if (!virtio_pop(p->device, VSOCK_QUEUE_TX, &c))
        return 0;
    if (!vsock_packet_read(&h, &c)) {
        virtio_fail(p->device, "a transmitted packet has no header or is not read-only");
        return 0;
    }
    fault = vsock_packet_judge(&h, c.readable_len - VSOCK_HEADER_SIZE, p->cid);
    l = vsock_mux_find(&p->mux, h.src_port, h.dst_port);
    if (fault != VSOCK_SOUND)
        port_hear_fault(p, l, &h, fault);
    else if (l)
        port_hear_link(p, l, &h, &c);
    else if (h.op == VIRTIO_VSOCK_OP_REQUEST)
        port_request(p, &h);
    else
        port_refuse(p, &h);
    metric_add(&p->counters.tx_packets_count, 1);
    virtio_push(p->device, VSOCK_QUEUE_TX, &c, 0);
    return PACKET_COST + (h.op == VIRTIO_VSOCK_OP_RW ? h.len : 0);
}

bool vsock_port_hear(struct vsock_port *p)
{
    uint64_t done = 0, cost;

    while (done < TURN_BYTES) {
        p->held = !vsock_mux_can_reset(&p->mux);
        if (p->held)
            return false;
        cost = port_hear_packet(p);
        if (cost == 0) {
            virtio_await(p->device, VSOCK_QUEUE_TX);
            return false;
        }
        done += cost;
    }
    return true;
}

/* To the guest. */

/* Makes the header of the connection's next packet and reads its payload into data. False: it has
 * nothing for the guest after all. */
static bool port_speak_link(struct vsock_link *l, struct iovec *data, unsigned count,
                            struct virtio_vsock_hdr *h)
{
    size_t len = vsock_conn_credit(&l->conn);

    if (!vsock_conn_speaks(&l->conn) && vsock_link_has_data(l)) {
        count = iov_cut(data, count, len < VSOCK_PACKET_MAX ? len : VSOCK_PACKET_MAX);
        len = vsock_link_read(l, data, count);
        if (len > 0) {
            *h = vsock_conn_send(&l->conn, (uint32_t)len);
            return true;
        }
    }
    if (!vsock_conn_speaks(&l->conn))
        return false;
    *h = vsock_conn_speak(&l->conn);
    return true;
}

/* Makes the next packet for the guest: a reset that waits, or else the packet of the connection
 * whose turn it is. The payload goes into the chain, after room for the header. False: there is no
 * packet after all. */
static bool port_speak_any(struct vsock_port *p, const struct virtq_chain *c,
                           struct virtio_vsock_hdr *h)
{
    struct vsock_link *l;

    if (p->mux.reset_count > 0) {
        *h = vsock_mux_take_reset(&p->mux);
        return true;
    }
    while ((l = TAILQ_FIRST(&p->mux.ready))) {
        unsigned count = c->writable;
        struct iovec *data;
        bool spoke;
        memcpy(p->data, c->iov, count * sizeof(p->data[0]));
        data = iov_skip(p->data, &count, VSOCK_HEADER_SIZE);
        spoke = port_speak_link(l, data, count, h);
        vsock_mux_served(&p->mux, l);
        if (spoke)
            return true;
    }
    return false;
}

/* Sends one packet. Returns its cost, or 0 if the guest has no buffer for it. */
static uint64_t port_speak_packet(struct vsock_port *p)
{
    struct virtq_chain c = { .iov = p->iov, .iov_max = VIRTQ_SIZE_MAX };
    struct virtio_vsock_hdr h;

    if (!virtio_pop(p->device, VSOCK_QUEUE_RX, &c))
        return 0;
    if (c.readable > 0 || c.writable_len <= VSOCK_HEADER_SIZE) {
        virtio_fail(p->device, "a receive buffer is read-only or has no room for a payload");
        return 0;
    }
    if (!port_speak_any(p, &c, &h)) {
        virtq_unpop(port_ring(p, VSOCK_QUEUE_RX), 1);
        return PACKET_COST;
    }
    (void)iov_write(c.iov, c.writable, 0, &h, sizeof(h));
    metric_add(&p->counters.rx_packets_count, 1);
    metric_add(&p->counters.rx_bytes_count, h.len);
    virtio_push(p->device, VSOCK_QUEUE_RX, &c, (uint32_t)sizeof(h) + h.len);
    return PACKET_COST + h.len;
}

bool vsock_port_speak(struct vsock_port *p)
{
    uint64_t done = 0, cost = 1;

    while (vsock_mux_speaks(&p->mux) && done < TURN_BYTES && cost > 0) {
        cost = port_speak_packet(p);
        done += cost;
    }
    if (cost == 0)
        virtio_await(p->device, VSOCK_QUEUE_RX);
    return (vsock_mux_speaks(&p->mux) && cost > 0) || (p->held && vsock_mux_can_reset(&p->mux));
}

/* To the host. */

bool vsock_port_flush(struct vsock_port *p)
{
    struct vsock_link *l;
    uint64_t done = 0;

    while ((l = TAILQ_FIRST(&p->mux.flushable)) && done < TURN_BYTES) {
        done += PACKET_COST + vsock_link_flush(l);
        vsock_mux_served(&p->mux, l);
    }
    return l != NULL;
}
