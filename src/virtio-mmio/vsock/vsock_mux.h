#ifndef VIRTIO_MMIO_VSOCK_VSOCK_MUX_H
#define VIRTIO_MMIO_VSOCK_VSOCK_MUX_H
/*
 * All connections of one vsock device: found by their ports, served in turn. Loop thread
 * throughout.
 *
 * A connection that has something to do is in a list: in `ready` if it has something for the guest,
 * in `flushable` if it has something that its socket may take. A connection that was served goes to
 * the end of its list, behind all that wait there.
 */
#include "virtio-mmio/vsock/vsock_link.h"

#define VSOCK_BUCKETS 1024u

/* Resets that belong to no connection, kept until the guest has buffers for them. */
#define VSOCK_RESETS_MAX 64u

/* Clients on the host get ports from here to 2^31 - 1. */
#define VSOCK_CLIENT_PORTS (UINT32_C(1) << 30)

LIST_HEAD(vsock_bucket, vsock_link);
TAILQ_HEAD(vsock_links, vsock_link);

struct vsock_mux {
    unsigned count; /* of links */
    unsigned limit;
    uint64_t hash;      /* odd and random: the guest must not know it */
    uint32_t last_port; /* the last one that a client got */
    struct vsock_links all, ready, flushable;
    struct vsock_links asking;    /* NEW or ASKING, the earliest deadline first */
    struct vsock_links lingering; /* OPEN without a socket: only the guest's RST is missing */
    struct vsock_bucket bucket[VSOCK_BUCKETS];
    struct virtio_vsock_hdr reset[VSOCK_RESETS_MAX];
    unsigned first_reset, reset_count;
};

void vsock_mux_init(struct vsock_mux *m, unsigned limit);

/* Whether one more link can be added. If the mux is full, makes room by giving up the link that has
 * lingered longest, provided that the mux can keep its reset. */
bool vsock_mux_has_room(struct vsock_mux *m);

/* Takes over the link; vsock_mux_settle destroys it when it is over. */
void vsock_mux_add(struct vsock_mux *m, struct vsock_link *l);

/* Call once the link has its ports. It can then be found by them, until it is CLOSED and has
 * nothing more to tell the guest. */
void vsock_mux_know(struct vsock_mux *m, struct vsock_link *l);
struct vsock_link *vsock_mux_find(const struct vsock_mux *m, uint32_t guest_port,
                                  uint32_t host_port);

/* Sets the deadline for the client's line (NEW) or for the guest's answer (ASKING). It may not be
 * earlier than that of any link that waits already. */
void vsock_mux_wait(struct vsock_mux *m, struct vsock_link *l, uint64_t deadline_ns);

/* A host port for a client that wants guest_port: no other link has this pair of ports. */
uint32_t vsock_mux_client_port(struct vsock_mux *m, uint32_t guest_port);

/* Call it after every change of a link: updates its socket and its lists. May destroy the link. */
void vsock_mux_settle(struct vsock_mux *m, struct vsock_link *l);

/* The same for a link that was served: it goes to the end of its lists. */
void vsock_mux_served(struct vsock_mux *m, struct vsock_link *l);

/* Ends all connections without telling guest or peers, and forgets the resets. A link whose polls
 * are still in flight stays in `count` until they have ended. */
void vsock_mux_abort(struct vsock_mux *m);

/* Resets that belong to no link. can_reset: whether there is room for two more. A packet from the
 * guest may need two: the one that answers it, and one for a link that is given up to make room. */
bool vsock_mux_can_reset(const struct vsock_mux *m);
void vsock_mux_reset(struct vsock_mux *m, const struct virtio_vsock_hdr *h);
struct virtio_vsock_hdr vsock_mux_take_reset(struct vsock_mux *m);

/* Whether there is something for the guest. */
bool vsock_mux_speaks(const struct vsock_mux *m);

#endif
