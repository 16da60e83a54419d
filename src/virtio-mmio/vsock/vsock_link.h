#ifndef VIRTIO_MMIO_VSOCK_VSOCK_LINK_H
#define VIRTIO_MMIO_VSOCK_VSOCK_LINK_H
/*
 * A vsock connection with its socket on the host: bytes between the guest's buffers and the socket,
 * and the socket's half closes. All of it is the loop thread's.
 *
 * The socket is read and written by calls that do not sleep, straight from and into the guest's
 * memory; the loop says when it is ready. What it has no room for is kept in a buffer that exists
 * only meanwhile and never exceeds the guest's credit.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/uio.h>

#include "core/loop/loop.h"
#include "virtio-mmio/vsock/vsock_conn.h"
#include "virtio-mmio/vsock/vsock_line.h"

struct vsock_link;

/* By the names that Firecracker gave them; rx is to the guest, tx from it. */
struct vsock_counters {
    uint64_t rx_queue_event_count;
    uint64_t tx_queue_event_count;
    uint64_t rx_packets_count;
    uint64_t rx_bytes_count; /* payload */
    uint64_t tx_packets_count;
    uint64_t tx_bytes_count;
    uint64_t conns_added;
    uint64_t conns_removed;
    uint64_t conns_killed;      /* by a RST of ours: refused, against the rules, given up */
    uint64_t rx_read_fails;     /* of a socket */
    uint64_t tx_write_fails;    /* of a socket, when the guest sent */
    uint64_t tx_flush_fails;    /* ... of what was kept */
    uint64_t muxer_event_fails; /* clients of the host that could not be taken */
};

/* What links have in common. */
struct vsock_hub {
    struct loop *loop;
    struct vsock_counters *counters;
    /* The loop calls: the link's flags changed. May free it. */
    void (*stirred)(struct vsock_hub *hub, struct vsock_link *l);
};

struct vsock_link {
    struct vsock_conn conn;
    struct vsock_hub *hub;
    int fd; /* -1 once the socket is no longer needed */

    /* What the loop found, or has to look for. */
    bool readable, writable;
    bool hung_up; /* the socket is to be closed once no operation uses it */
    bool polls_in, polls_out;
    struct loop_op in, out;
    struct vsock_line line; /* while NEW */

    /* From the guest, for the socket: a ring, or NULL where it is empty. */
    uint8_t *kept;
    uint32_t kept_at, kept_len;
    unsigned told; /* half closes that the socket knows of: VIRTIO_VSOCK_SHUTDOWN_* of the guest */

    /* The mux's (vsock_mux.h). */
    bool is_known, is_ready, is_flushable, is_asking, is_lingering;
    LIST_ENTRY(vsock_link) known; /* by its ports */
    TAILQ_ENTRY(vsock_link) all, ready, flushable, asking, lingering;
    uint64_t deadline_ns; /* while NEW or ASKING */
};

/* Takes the socket, of a client on the host or to a server there, and everything else zero.
 * NULL: no memory, the socket is still the caller's. */
struct vsock_link *vsock_link_create(struct vsock_hub *hub, int fd, uint32_t guest_cid);

/* It is over. */
void vsock_link_destroy(struct vsock_link *l);

/* Ends it without a word to either side; vsock_link_follow closes the socket. */
void vsock_link_abort(struct vsock_link *l);

/* A client's line, as far as it came; VSOCK_LINE_BAD also where the client left. */
enum vsock_line_status vsock_link_line(struct vsock_link *l, uint32_t *port);

/* The guest took the connection: tells the client, or resets where that cannot be. */
void vsock_link_accepted(struct vsock_link *l);

/* Up to the vector's bytes from the socket; 0: it has none now, or no more, which conn then knows.
 */
size_t vsock_link_read(struct vsock_link *l, const struct iovec *iov, unsigned count);

/* len bytes of the guest's for the socket, which conn counts as received. The vector holds no
 * more. */
void vsock_link_forward(struct vsock_link *l, const struct iovec *iov, unsigned count, size_t len);

/* Writes what was kept, as far as the socket takes it. Returns how much that was. */
size_t vsock_link_flush(struct vsock_link *l);

/* There are bytes for the guest as far as anybody knows, and it takes them. */
bool vsock_link_has_data(const struct vsock_link *l);

/* Makes socket and polls what conn and the flags ask for. After every change. */
void vsock_link_follow(struct vsock_link *l);

/* Nothing is left to be said, kept or waited for: it can be destroyed. */
bool vsock_link_is_over(const struct vsock_link *l);

#endif
