/* Unix sockets by path. */
#include "virtio-mmio/vsock/vsock_host.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/log/log.h"
#include "virtio-mmio/vsock/vsock_place.h"

/* The longest path: any port still fits behind it. */
#define PATH_LEN_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - sizeof(VSOCK_PLACE_PORT))

static int host_address_set(struct sockaddr_un *address, const char *path, struct err *e)
{
    size_t len = strlen(path);

    *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
    if (len == 0)
        return err_set(e, EINVAL, "the path of a vsock's unix socket is empty");
    if (len > PATH_LEN_MAX)
        return err_set(e, EINVAL,
                       "the path of a vsock's unix socket has at most %zu characters, because "
                       "'_PORT' is appended to it; this one has %zu: %.120s",
                       PATH_LEN_MAX, len, path);
    memcpy(address->sun_path, path, len);
    return 0;
}

static int host_socket_open(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    return fd < 0 ? -errno : fd;
}

static int host_socket_bind(struct vsock_listener *s, bool patient, struct err *e)
{
    const char *path = s->address.sun_path;
    struct stat st;
    int ret = vsock_place_take(s->fd, &s->address, patient, e);

    if (ret < 0)
        return ret;
    if (lstat(path, &st) < 0)
        return err_sys(e, "cannot find the unix socket '%s' that was just made", path);
    s->dev = st.st_dev;
    s->ino = st.st_ino;
    return 0;
}

int vsock_listener_open(struct vsock_listener *s, const char *path, int backlog, bool patient,
                        struct err *e)
{
    int ret = host_address_set(&s->address, path, e);
    int fd;

    s->fd = -1;
    if (ret < 0)
        return ret;
    fd = host_socket_open();
    if (fd < 0)
        return err_set(e, -fd, "cannot make a unix socket: %s", strerror(-fd));
    s->fd = fd;
    ret = host_socket_bind(s, patient, e);
    if (ret < 0) {
        (void)close(s->fd);
        s->fd = -1;
        return ret;
    }
    if (listen(s->fd, backlog) < 0) {
        ret = err_sys(e, "cannot listen at the unix socket '%s'", path);
        vsock_listener_close(s);
    }
    return ret;
}

void vsock_listener_close(struct vsock_listener *s)
{
    struct stat st;

    if (s->fd < 0)
        return;
    if (lstat(s->address.sun_path, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino)
        (void)unlink(s->address.sun_path);
    (void)close(s->fd);
    s->fd = -1;
}

int vsock_listener_accept(const struct vsock_listener *s)
{
    int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    return fd < 0 ? -errno : fd;
}

int vsock_listener_dial(const struct vsock_listener *s, uint32_t port)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    int len = snprintf(to.sun_path, sizeof(to.sun_path), "%s_%u", s->address.sun_path, port);
    int fd, ret;

    if (len >= (int)sizeof(to.sun_path))
        return -ENAMETOOLONG;
    if (vsock_place_is_vsock(to.sun_path)) {
        LOG_LIMITED(LOG_WARN, "%s is another guest's vsock and not a server for port %u: refused",
                    to.sun_path, port);
        return -EADDRINUSE;
    }
    fd = host_socket_open();
    if (fd < 0)
        return fd;
    if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0)
        return fd;
    ret = -errno;
    (void)close(fd);
    return ret;
}
