#ifndef VIRTIO_MMIO_VSOCK_VSOCK_LINK_H
#define VIRTIO_MMIO_VSOCK_VSOCK_LINK_H
/*
 * A vsock connection with its socket on the host: bytes between the guest's buffers and the socket,
 * and the socket's half closes. Loop thread throughout.
 *
 * The socket is read and written by calls that do not sleep, straight into and from the guest's
 * memory; the loop reports when it is ready. Bytes for which the socket has no room are kept in a
 * buffer, which exists only while it holds some and is as long as the guest's credit.
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

/* The names are Firecracker's. rx is to the guest, tx from the guest. */
struct vsock_counters {
    uint64_t rx_queue_event_count;
    uint64_t tx_queue_event_count;
    uint64_t rx_packets_count;
    uint64_t rx_bytes_count; /* payload */
    uint64_t tx_packets_count;
    uint64_t tx_bytes_count;
    uint64_t conns_added;
    uint64_t conns_removed;
    uint64_t conns_killed;      /* refused, or reset: broke a rule, too late, or to make room */
    uint64_t rx_read_fails;     /* failed reads of a socket */
    uint64_t tx_write_fails;    /* failed writes to a socket, of bytes that just came */
    uint64_t tx_flush_fails;    /* failed writes to a socket, of bytes that were kept */
    uint64_t muxer_event_fails; /* clients on the host that could not be accepted */
};

/* What all links of a device share. */
struct vsock_hub {
    struct loop *loop;
    struct vsock_counters *counters;
    /* The loop calls it when one of the link's polls has ended. May free the link. */
    void (*stirred)(struct vsock_hub *hub, struct vsock_link *l);
};

struct vsock_link {
    struct vsock_conn conn;
    struct vsock_hub *hub;
    int fd; /* -1 once the socket is no longer needed */

    bool readable, writable;  /* a read or write of the socket may succeed */
    bool hung_up;             /* the socket is to be closed once no poll uses it */
    bool polls_in, polls_out; /* in and out are in flight */
    struct loop_op in, out;
    struct vsock_line line; /* while NEW */

    /* Bytes from the guest for the socket: a ring of VSOCK_BUFFER, or NULL while it is empty. */
    uint8_t *kept;
    uint32_t kept_at, kept_len;
    unsigned told; /* which bits of guest_shut the socket was shut down for */

    /* The mux's (vsock_mux.h). */
    bool is_known, is_ready, is_flushable, is_asking, is_lingering;
    LIST_ENTRY(vsock_link) known; /* in a bucket, by its ports */
    TAILQ_ENTRY(vsock_link) all, ready, flushable, asking, lingering;
    uint64_t deadline_ns; /* while NEW or ASKING */
};

/* Takes over the socket of a client on the host, or one that is connected to a server there. NULL:
 * no memory, and the socket is still the caller's. */
struct vsock_link *vsock_link_create(struct vsock_hub *hub, int fd, uint32_t guest_cid);

/* The link must be over (vsock_link_is_over). */
void vsock_link_destroy(struct vsock_link *l);

/* Ends the connection without telling guest or peer; vsock_link_follow then closes the socket. */
void vsock_link_abort(struct vsock_link *l);

/* Reads a client's line as far as it has come. VSOCK_LINE_BAD also if the client has left. */
enum vsock_line_status vsock_link_line(struct vsock_link *l, uint32_t *port);

/* The guest accepted the connection: tells the client, or resets if the client cannot be told. */
void vsock_link_accepted(struct vsock_link *l);

/* Reads from the socket as many bytes as it has and the vector holds. 0: it has none now, or its
 * input has ended or failed, and conn has been told. */
size_t vsock_link_read(struct vsock_link *l, const struct iovec *iov, unsigned count);

/* Writes the guest's len bytes, which conn has counted as received, to the socket, and keeps what
 * it does not take. The vector holds exactly these bytes. */
void vsock_link_forward(struct vsock_link *l, const struct iovec *iov, unsigned count, size_t len);

/* Writes what was kept, as far as the socket takes it. Returns how many bytes it took. */
size_t vsock_link_flush(struct vsock_link *l);

/* Whether there may be bytes for the guest, and it has credit for them. */
bool vsock_link_has_data(const struct vsock_link *l);

/* Closes, shuts down or polls the socket as conn and the flags ask. Call it after every change. */
void vsock_link_follow(struct vsock_link *l);

/* Whether nothing is left to be said, kept or waited for, so that it can be destroyed. */
bool vsock_link_is_over(const struct vsock_link *l);

#endif
