#ifndef VIRTIO_MMIO_VSOCK_VSOCK_PLACE_H
#define VIRTIO_MMIO_VSOCK_VSOCK_PLACE_H
/*
 * The place of a vsock's own unix socket in the filesystem: one process has it, of any number that
 * want it at once; one that died has it no more.
 *
 * The sockets of servers are called after it, with "_<port>" behind. So that a vsock's own is never
 * taken for one of another vsock's servers, it bears a mark that no other socket has: the sticky
 * bit. Who changes a socket's mode keeps that bit, or is not warned.
 */
#include <stdbool.h>
#include <sys/un.h>

struct err;

/* What comes behind a path at most. */
#define VSOCK_PLACE_PORT "_4294967295"

/* Binds a new socket there, and replaces one that nobody has open any more. Any thread.
 * -EADDRINUSE: somebody lives there, or at a path that would be a port of this one, or the other
 * way round; a patient caller waits for one that is just being killed (linger.h). -EEXIST: what
 * lies there is no socket. Nothing has changed then. */
int vsock_place_take(int fd, const struct sockaddr_un *address, bool patient, struct err *e);

/* Whether what lies at this path is a vsock's own socket. */
bool vsock_place_is_vsock(const char *path);

#endif
