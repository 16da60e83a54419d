#ifndef VIRTIO_MMIO_VSOCK_VSOCK_HOST_H
#define VIRTIO_MMIO_VSOCK_VSOCK_HOST_H
/*
 * The unix sockets that stand for the host: one at a path, where clients come; and those of servers
 * at that path with "_<port>" behind it, where the guest's connections go.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/un.h>

struct err;

struct vsock_listener {
    int fd; /* non-blocking; -1: none */
    struct sockaddr_un address;
    dev_t dev; /* the file that was made */
    ino_t ino;
};

/* Makes the socket, in the place of one that is nobody's any more. -EINVAL: no path can be this.
 * Otherwise as vsock_place_take (vsock_place.h), which waits where `patient`. */
int vsock_listener_open(struct vsock_listener *s, const char *path, int backlog, bool patient,
                        struct err *e);

/* Removes the file too, unless it is no longer the one that was made. */
void vsock_listener_close(struct vsock_listener *s);

/* The next client's descriptor, or -errno: -EAGAIN where there is none. */
int vsock_listener_accept(const struct vsock_listener *s);

/* Connects to the server for `port`. Returns a descriptor or -errno: there is none, its backlog is
 * full, what is there is another guest's vsock. Never sleeps. */
int vsock_listener_dial(const struct vsock_listener *s, uint32_t port);

#endif
