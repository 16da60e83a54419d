#ifndef VIRTIO_MMIO_VSOCK_VSOCK_H
#define VIRTIO_MMIO_VSOCK_VSOCK_H
/*
 * A vsock device (virtio 1.2, 5.10): streams between the guest and unix sockets on the host.
 *
 * This room is one kind of device: packets between three queues and unix sockets. It knows the
 * virtio transport, the event loop and unix sockets by path; it must not know who configures it,
 * the machine, or any other kind of device.
 *
 *   to the guest   A client connects to the socket at uds_path and writes "CONNECT <port>\n" within
 *                  five seconds. Once the guest has accepted, the client reads "OK <port>\n", with
 *                  its own port, and is connected. If the guest refuses or takes more than five
 *                  seconds, the client's socket is closed.
 *   to the host    The guest connects to CID 2 and a port. The device connects to the socket at
 *                  uds_path with "_<port>" appended. If nobody listens there, the guest is refused.
 *
 *   vsock_create        makes the socket; clients wait in its backlog until a driver is ready
 *   virtio_plug(vsock_device(s), ...)
 *   virtio_unplug, and once it is gone: vsock_destroy
 *
 * The device opens the sockets of servers while the guest runs, when it connects to them.
 */
#include <stdint.h>

struct err;
struct virtio_device;
struct vsock;

#define VSOCK_CONNS_DEFAULT 1023u

struct vsock_config {
    const char *id;       /* the counters are "vsock.ID" and "vsock.ID.io"; NULL: "vsock" */
    uint32_t cid;         /* the guest's: 3 to 0xfffffffe (5.10.4) */
    const char *uds_path; /* at most 96 characters; a dead socket there is replaced */
    /* Connections at a time. Each takes a descriptor and up to 128 KiB. 0: the default. */
    unsigned conns_max;
};

/* -EINVAL for an impossible CID or path, -ENOMEM, or as vsock_place_take (vsock_place.h). */
int vsock_create(struct vsock **out, const struct vsock_config *config, struct err *e);

/* The device was never plugged, or is gone. Removes the socket that it made. Accepts NULL. */
void vsock_destroy(struct vsock *s);

/* The virtio device to plug. */
struct virtio_device *vsock_device(struct vsock *s);

/* Loop thread, while plugged. Ends all connections without telling the guest of each. Sends it the
 * transport reset event (5.10.6.7) instead, which makes it forget them all, if it has offered an
 * event buffer. For a guest that goes on from a snapshot. */
void vsock_transport_reset(struct vsock *s);

#endif
