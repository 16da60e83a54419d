#ifndef VIRTIO_MMIO_VSOCK_VSOCK_PLACE_H
#define VIRTIO_MMIO_VSOCK_VSOCK_PLACE_H
/*
 * The place of a vsock's own unix socket in the filesystem: its path. Of any number of processes
 * that want the same path at once, one gets it; a process that died no longer has it.
 *
 * Servers' sockets are named after that path, with "_<port>" appended. So that a vsock's own socket
 * is never taken for a server of another vsock, it has a mark that no other socket has: the sticky
 * bit. An operator who changes the socket's mode has to keep that bit, or such a clash goes unseen.
 */
#include <stdbool.h>
#include <sys/un.h>

struct err;

/* The longest text that is appended to a path. */
#define VSOCK_PLACE_PORT "_4294967295"

/* Any thread. Binds fd to the address. Before that it removes a socket there that no process has
 * open any more. If `patient`, it waits for a process that is just being killed (linger.h).
 *
 * -EADDRINUSE: a process has the socket there open, or a vsock that is alive has a clashing path:
 * one of the two paths is the other with "_<port>" appended. -EEXIST: the file there is not a
 * socket. -EACCES: a dead socket is there, but the folder cannot be locked to remove it. */
int vsock_place_take(int fd, const struct sockaddr_un *address, bool patient, struct err *e);

/* Whether the file at this path is a vsock's own socket. */
bool vsock_place_is_vsock(const char *path);

#endif
