#ifndef VIRTIO_MMIO_VSOCK_VSOCK_CONN_H
#define VIRTIO_MMIO_VSOCK_VSOCK_CONN_H
/*
 * One vsock connection as the guest sees it: its state, its two half closes and the credit of both
 * sides (virtio 1.2, 5.10.6). Pure: packets and what became of the host's socket come in, headers
 * of packets go out.
 *
 * What the guest is to be told is no queue but a set: whatever happens while the guest offers no
 * buffers, the conversation needs no memory.
 */
#include <stdbool.h>
#include <stdint.h>

#include "virtio-mmio/vsock/vsock_packet.h"

/* Bytes that may be on their way from the guest to the host's socket: what is kept while the socket
 * has no room. Two of the longest packets that Linux sends. */
#define VSOCK_BUFFER (128u << 10)

/*
 *          vsock_conn_ask          guest: RESPONSE          vsock_conn_answer
 *   NEW ------------------> ASKING ----------------> OPEN <------------------ NEW
 *    |                        |                       |
 *    |                        | RST, by either        | RST, by either; or the guest's SHUTDOWN of
 *    |                        |                       | both directions
 *    `------------------------`---------> CLOSED <----'
 *
 * OPEN has four more bits, which are only ever set:
 *
 *   guest_shut   SEND: the guest sends no more       RCV: it takes no more
 *   host_shut    SEND: the host's peer sends no more RCV: it takes no more
 *
 * When nothing can flow in either direction any more, whoever closed which, host_shut becomes both:
 * the guest is told by SHUTDOWN and ends the connection by RST (5.10.6.5).
 */
enum vsock_state {
    VSOCK_NEW,    /* the guest knows nothing of it */
    VSOCK_ASKING, /* the host's peer wants a connection, and the guest has to take it */
    VSOCK_OPEN,
    VSOCK_CLOSED, /* for the guest it is over, but for a RST that it may yet have to be told */
};

struct vsock_conn {
    uint32_t guest_cid, guest_port, host_port;
    uint8_t state;      /* enum vsock_state */
    uint8_t say;        /* what the guest is to be told; vsock_conn.c */
    uint8_t guest_shut; /* VIRTIO_VSOCK_SHUTDOWN_* */
    uint8_t host_shut;
    bool starved; /* the guest was asked for credit, and has not given any since */

    /* Free-running counts of bytes (5.10.6.3). */
    uint32_t sent;            /* to the guest */
    uint32_t guest_alloc;     /* its buffer... */
    uint32_t guest_forwarded; /* ...and what has left it; both the guest's word */
    uint32_t received;        /* from the guest */
    uint32_t forwarded;       /* of those, what the host's socket has, or nobody will ever have */
    uint32_t told;            /* `forwarded` as the guest knows it */
};

/* What a packet brings. */
enum vsock_news {
    VSOCK_NOTHING,  /* else: credit at the most */
    VSOCK_ACCEPTED, /* the guest took the connection that the host's peer wants */
    VSOCK_DATA,     /* its payload is for the host's socket: vsock_conn_forwarded is to follow */
    VSOCK_SHUT,     /* guest_shut is not what it was; CLOSED where it is both */
    VSOCK_ENDED,    /* by the guest's RST */
    VSOCK_BROKEN,   /* against the rules: ended by ours */
};

/* From NEW. The host's peer asks for the guest's port; or the guest's REQUEST h was granted. */
void vsock_conn_ask(struct vsock_conn *c, uint32_t guest_port, uint32_t host_port);
void vsock_conn_answer(struct vsock_conn *c, const struct virtio_vsock_hdr *h);

/* A sound packet with this connection's ports. */
enum vsock_news vsock_conn_hear(struct vsock_conn *c, const struct virtio_vsock_hdr *h);

/* n bytes more are the host's socket's, or dropped. */
void vsock_conn_forwarded(struct vsock_conn *c, uint32_t n);

/* The host's peer sends or takes no more: VIRTIO_VSOCK_SHUTDOWN_*. */
void vsock_conn_host_shut(struct vsock_conn *c, unsigned flags);

/* Ends it, whatever it is; the guest is told where it knows of it. */
void vsock_conn_reset(struct vsock_conn *c);

/* ...and the guest is not told. */
void vsock_conn_forget(struct vsock_conn *c);

/* Bytes that the guest takes now. Where they are 0 and there are some for it, vsock_conn_starve has
 * it asked for more, once. */
uint32_t vsock_conn_credit(const struct vsock_conn *c);
void vsock_conn_starve(struct vsock_conn *c);

/* There is something to be told to the guest; speak makes the header of the packet that does. */
bool vsock_conn_speaks(const struct vsock_conn *c);
struct virtio_vsock_hdr vsock_conn_speak(struct vsock_conn *c);

/* The header in front of len bytes, at most the credit, that go to the guest now. */
struct virtio_vsock_hdr vsock_conn_send(struct vsock_conn *c, uint32_t len);

#endif
