/* Unix sockets by path. */
#include "virtio-mmio/vsock_host.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/err.h"

static int address_set(struct sockaddr_un *address, const char *path, struct err *e)
{
    size_t len = strlen(path);

    *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
    if (len == 0)
        return err_set(e, EINVAL, "the path of a vsock's unix socket is empty");
    if (len >= sizeof(address->sun_path))
        return err_set(e, EINVAL,
                       "the path of a unix socket has at most %zu characters, this one %zu: %.120s",
                       sizeof(address->sun_path) - 1, len, path);
    memcpy(address->sun_path, path, len);
    return 0;
}

static int socket_open(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    return fd < 0 ? -errno : fd;
}

static int file_make(struct vsock_listener *s, struct err *e)
{
    const char *path = s->address.sun_path;
    struct stat st;

    if (bind(s->fd, (const struct sockaddr *)&s->address, sizeof(s->address)) < 0) {
        if (errno == EADDRINUSE)
            return err_set(e, EADDRINUSE, "the path '%s' is taken: something lies there already",
                           path);
        return err_sys(e, "cannot make the unix socket '%s'", path);
    }
    if (lstat(path, &st) < 0)
        return err_sys(e, "cannot find the unix socket '%s' again", path);
    s->dev = st.st_dev;
    s->ino = st.st_ino;
    return 0;
}

int vsock_listener_open(struct vsock_listener *s, const char *path, int backlog, struct err *e)
{
    int ret = address_set(&s->address, path, e);
    int fd;

    s->fd = -1;
    if (ret < 0)
        return ret;
    fd = socket_open();
    if (fd < 0)
        return err_set(e, -fd, "no unix socket can be had: %s", strerror(-fd));
    s->fd = fd;
    ret = file_make(s, e);
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
    fd = socket_open();
    if (fd < 0)
        return fd;
    if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0)
        return fd;
    ret = -errno;
    (void)close(fd);
    return ret;
}
