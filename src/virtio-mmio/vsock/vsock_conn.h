#ifndef VIRTIO_MMIO_VSOCK_VSOCK_CONN_H
#define VIRTIO_MMIO_VSOCK_VSOCK_CONN_H
/*
 * One vsock connection as the guest sees it: its state, its two half closes and the credit of both
 * sides (virtio 1.2, 5.10.6). Pure: packets and the fate of the host's socket come in, headers of
 * packets go out. The program at the other end of that socket is called the peer.
 *
 * What the guest is still to be told is a set of operations, not a queue of packets. So a
 * connection needs no memory, whatever happens while the guest offers no buffers.
 */
#include <stdbool.h>
#include <stdint.h>

#include "virtio-mmio/vsock/vsock_packet.h"

/* The credit that the guest gets, in bytes: the most that is kept while the host's socket has no
 * room. Two of the longest packets that Linux sends. */
#define VSOCK_BUFFER (128u << 10)

/*
 *    .------------- vsock_conn_answer -------------.
 *    |                                             v
 *   NEW --- vsock_conn_ask ---> ASKING --------> OPEN
 *    |                            |   RESPONSE     |
 *    |                            | RST            | RST, or the guest's SHUTDOWN
 *    |                            v                | of both directions
 *    '---- vsock_conn_reset --> CLOSED <-----------'
 *
 * The guest sends the RESPONSE; either side may send the RST. An OPEN connection has four more
 * bits, none of which is ever cleared:
 *
 *   guest_shut   SEND: the guest sends no more      RCV: the guest takes no more
 *   host_shut    SEND: the peer sends no more       RCV: the peer takes no more
 *
 * Once nothing more can flow in either direction, no matter who shut which, both bits of host_shut
 * are set: the guest is told by SHUTDOWN, and ends the connection by RST (5.10.6.5).
 */
enum vsock_state {
    VSOCK_NEW,    /* the guest knows nothing of it */
    VSOCK_ASKING, /* the peer wants a connection, and the guest has not accepted yet */
    VSOCK_OPEN,
    VSOCK_CLOSED, /* over for the guest, except that a RST may still have to be sent to it */
};

struct vsock_conn {
    uint32_t guest_cid, guest_port, host_port;
    uint8_t state;      /* enum vsock_state */
    uint8_t say;        /* what the guest is to be told: bits of enum say in vsock_conn.c */
    uint8_t guest_shut; /* VIRTIO_VSOCK_SHUTDOWN_* */
    uint8_t host_shut;
    bool starved; /* the guest was asked for credit and has not given any since */

    /* Free-running counts of bytes (5.10.6.3). */
    uint32_t sent;            /* to the guest */
    uint32_t guest_alloc;     /* the guest's buf_alloc: the size of its buffer */
    uint32_t guest_forwarded; /* the guest's fwd_cnt: what has left that buffer */
    uint32_t received;        /* from the guest */
    uint32_t forwarded;       /* of those: taken by the host's socket, or dropped */
    uint32_t told;            /* `forwarded` as the guest was last told */
};

/* What a packet from the guest means. */
enum vsock_news {
    VSOCK_NOTHING,  /* nothing but perhaps credit */
    VSOCK_ACCEPTED, /* the guest accepts the connection that the peer wants */
    VSOCK_DATA,     /* its payload is for the host's socket; then call vsock_conn_forwarded */
    VSOCK_SHUT,     /* guest_shut has changed; if both bits are set, the state is CLOSED */
    VSOCK_ENDED,    /* the guest's RST ended the connection */
    VSOCK_BROKEN,   /* it breaks the rules, and the connection was reset */
};

/* From NEW. vsock_conn_ask: the peer wants a connection to the guest's port. vsock_conn_answer: the
 * guest's REQUEST h is granted. */
void vsock_conn_ask(struct vsock_conn *c, uint32_t guest_port, uint32_t host_port);
void vsock_conn_answer(struct vsock_conn *c, const struct virtio_vsock_hdr *h);

/* Takes in a packet with this connection's ports that vsock_packet_judge found sound. */
enum vsock_news vsock_conn_hear(struct vsock_conn *c, const struct virtio_vsock_hdr *h);

/* The host's socket took n more bytes, or they were dropped. */
void vsock_conn_forwarded(struct vsock_conn *c, uint32_t n);

/* The peer sends or takes no more: VIRTIO_VSOCK_SHUTDOWN_*. */
void vsock_conn_host_shut(struct vsock_conn *c, unsigned flags);

/* Ends the connection in any state. A guest that knows of it is to be told by RST. */
void vsock_conn_reset(struct vsock_conn *c);

/* Ends it without telling the guest. */
void vsock_conn_forget(struct vsock_conn *c);

/* How many bytes the guest takes now. Call vsock_conn_starve if that is 0 while bytes wait for the
 * guest: it will be asked for credit, once. */
uint32_t vsock_conn_credit(const struct vsock_conn *c);
void vsock_conn_starve(struct vsock_conn *c);

/* Whether there is something to tell the guest. speak returns the header of the packet for it. */
bool vsock_conn_speaks(const struct vsock_conn *c);
struct virtio_vsock_hdr vsock_conn_speak(struct vsock_conn *c);

/* Returns the header for len bytes, at most the credit, that go to the guest now. */
struct virtio_vsock_hdr vsock_conn_send(struct vsock_conn *c, uint32_t len);

#endif
