#ifndef VIRTIO_MMIO_VSOCK_VSOCK_HOST_H
#define VIRTIO_MMIO_VSOCK_VSOCK_HOST_H
/*
 * The unix sockets on the host: one at a path, to which clients connect; and those of servers, at
 * that path with "_<port>" appended, to which the guest's connections go.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/un.h>

struct err;

struct vsock_listener {
    int fd; /* non-blocking; -1: none */
    struct sockaddr_un address;
    dev_t dev; /* dev and ino identify the socket's file */
    ino_t ino;
};

/* Makes the socket, and replaces one there that no process has open any more. -EINVAL: the path is
 * empty or too long. Other errors, and `patient`, as vsock_place_take (vsock_place.h). */
int vsock_listener_open(struct vsock_listener *s, const char *path, int backlog, bool patient,
                        struct err *e);

/* Also removes the file, unless another file has taken its place. */
void vsock_listener_close(struct vsock_listener *s);

/* Accepts the next client. Returns its descriptor, or -errno: -EAGAIN if there is none. */
int vsock_listener_accept(const struct vsock_listener *s);

/* Connects to the server for `port`. Returns a descriptor, or -errno if there is no server, its
 * backlog is full, or another guest's vsock has that path. Never sleeps. */
int vsock_listener_dial(const struct vsock_listener *s, uint32_t port);

#endif
