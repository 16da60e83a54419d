#ifndef VIRTIO_MMIO_VSOCK_VSOCK_MUX_H
#define VIRTIO_MMIO_VSOCK_VSOCK_MUX_H
/*
 * All connections of one vsock device: found by their ports, served in turn. All of it is the loop
 * thread's.
 *
 * Each connection that has something to do stands in a list: `ready` with something for the guest,
 * `flushable` with something that its socket takes. Who was served goes to the end, so that none
 * waits for more than one packet of each other.
 */
#include "virtio-mmio/vsock/vsock_link.h"

#define VSOCK_BUCKETS 1024u

/* Resets for packets that belong to no connection, kept until the guest has buffers. */
#define VSOCK_RESETS_MAX 64u

/* Ports that the host's clients get: from here to 2^31. */
#define VSOCK_CLIENT_PORTS (UINT32_C(1) << 30)

LIST_HEAD(vsock_bucket, vsock_link);
TAILQ_HEAD(vsock_links, vsock_link);

struct vsock_mux {
    unsigned count; /* of links */
    unsigned limit;
    uint64_t hash;      /* odd, and nobody's to know */
    uint32_t last_port; /* that a client got */
    struct vsock_links all, ready, flushable;
    struct vsock_links asking;    /* NEW or ASKING: the first has the earliest deadline */
    struct vsock_links lingering; /* without a socket; all that is missing is the guest's RST */
    struct vsock_bucket bucket[VSOCK_BUCKETS];
    struct virtio_vsock_hdr reset[VSOCK_RESETS_MAX];
    unsigned first_reset, reset_count;
};

void vsock_mux_init(struct vsock_mux *m, unsigned limit);

/* Whether one more can be added; where the table is full the longest lingering one is given up for
 * it. */
bool vsock_mux_has_room(struct vsock_mux *m);

/* From then on the link is the mux's, which destroys it. */
void vsock_mux_add(struct vsock_mux *m, struct vsock_link *l);

/* It has its ports: it can be found, until the guest was told or said that it is over. */
void vsock_mux_know(struct vsock_mux *m, struct vsock_link *l);
struct vsock_link *vsock_mux_find(const struct vsock_mux *m, uint32_t guest_port,
                                  uint32_t host_port);

/* A client has until then to say what it wants, or the guest to answer it: no earlier than any that
 * waits already. */
void vsock_mux_wait(struct vsock_mux *m, struct vsock_link *l, uint64_t deadline_ns);

/* A port for a client that wants the guest's guest_port; with it no other link has both. */
uint32_t vsock_mux_client_port(struct vsock_mux *m, uint32_t guest_port);

/* After whatever changed the link: makes its socket follow, and the lists. May destroy it. */
void vsock_mux_settle(struct vsock_mux *m, struct vsock_link *l);

/* The same for one that was served: it goes to the end of its lists. */
void vsock_mux_served(struct vsock_mux *m, struct vsock_link *l);

/* Ends all connections without a word to either side, and forgets the resets. A link whose socket
 * is still in the loop's hands counts until it is not. */
void vsock_mux_abort(struct vsock_mux *m);

/* Resets for the guest that are no link's. True: there is room for two, for a packet's own and for
 * one that is given up in its favour. */
bool vsock_mux_can_reset(const struct vsock_mux *m);
void vsock_mux_reset(struct vsock_mux *m, const struct virtio_vsock_hdr *h);
struct virtio_vsock_hdr vsock_mux_take_reset(struct vsock_mux *m);

/* There is something for the guest. */
bool vsock_mux_speaks(const struct vsock_mux *m);

#endif
