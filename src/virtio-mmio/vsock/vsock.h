#ifndef VIRTIO_MMIO_VSOCK_VSOCK_H
#define VIRTIO_MMIO_VSOCK_VSOCK_H
/*
 * A vsock device (virtio 1.2, 5.10): streams between the guest and unix sockets on the host.
 *
 *   to the guest   a client connects to the socket at uds_path and writes "CONNECT <port>\n" within
 *                  five seconds; once the guest has accepted it reads "OK <its own port>\n" and is
 *                  connected. Where the guest refuses, or takes five seconds, its socket is closed.
 *   to the host    the guest connects to CID 2 and a port: to the socket at uds_path with "_<port>"
 *                  behind it. Where nobody listens there it is refused.
 *
 *   vsock_create        makes the socket; clients wait there until a driver is ready
 *   virtio_plug(vsock_device(s), ...)
 *   virtio_unplug, and once it is gone: vsock_destroy
 *
 * The sockets of servers are opened while the guest runs, when it connects to them.
 */
#include <stdint.h>

struct err;
struct virtio_device;
struct vsock;

#define VSOCK_CONNS_DEFAULT 1023u

struct vsock_config {
    const char *id;       /* the counters are "vsock.ID" and "vsock.ID.io"; NULL: "vsock" */
    uint32_t cid;         /* the guest's: 3 to 0xfffffffe (5.10.4) */
    const char *uds_path; /* of at most 107 characters, where nothing lies yet */
    unsigned conns_max;   /* at a time, each a descriptor and up to 128 KiB; 0: the default */
};

/* -EINVAL, -EADDRINUSE or what else making the socket failed with. */
int vsock_create(struct vsock **out, const struct vsock_config *config, struct err *e);

/* It is not plugged, or gone. Removes the socket that it made. Accepts NULL. */
void vsock_destroy(struct vsock *s);

/* What to plug. */
struct virtio_device *vsock_device(struct vsock *s);

/* Loop thread, plugged: ends all connections without a word to the guest, which learns of it by the
 * event (5.10.6.7) and forgets its own. For a guest that went on from a snapshot. */
void vsock_transport_reset(struct vsock *s);

#endif
