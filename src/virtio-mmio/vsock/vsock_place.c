/*
 * Taking a place for a unix socket.
 *
 * A socket's file outlives its process. To learn whether a process has the socket open, a datagram
 * socket connects to it: if no process has, that fails with ECONNREFUSED, otherwise with another
 * error or not at all. The process never notices.
 *
 * Between that question and the file's removal nobody else may put a living socket there; and bind
 * makes its file a moment before the socket can be connected to. So all of it happens under a lock
 * on the folder, which needs no file of its own and ends with its process. A process cannot get the
 * lock if it may not read the folder, or if another process holds on to the lock. It can then still
 * take a free place, which bind gives to one process only, but it removes nothing.
 */
#include "virtio-mmio/vsock/vsock_place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/err.h"
#include "virtio-mmio/linger.h"

#define MARK S_ISVTX

/* Whether a process has the socket open. True also if that cannot be found out. */
static bool place_is_alive(const struct sockaddr_un *at)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool alive = true;

    if (fd < 0)
        return true;
    if (connect(fd, (const struct sockaddr *)at, sizeof(*at)) < 0)
        alive = errno != ECONNREFUSED && errno != ENOENT;
    (void)close(fd);
    return alive;
}

bool vsock_place_is_vsock(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_mode & MARK;
}

static bool place_has_vsock(const struct sockaddr_un *at)
{
    return vsock_place_is_vsock(at->sun_path) && place_is_alive(at);
}

/* Names. */

/* Whether the text is "_" and a port, written as vsock_listener_dial writes it. */
static bool place_is_port(const char *text)
{
    char *end;

    if (text[0] != '_' || text[1] < '0' || text[1] > '9' || (text[1] == '0' && text[2] != '\0'))
        return false;
    errno = 0;
    return strtoull(text + 1, &end, 10) <= UINT32_MAX && errno == 0 && *end == '\0';
}

static int place_clash(const char *port, const char *of, struct err *e)
{
    return err_set(e, EADDRINUSE,
                   "the guest whose socket is '%s' would take '%s' for the socket of a server", of,
                   port);
}

/* Refuses a path that another vsock would take for the server of a port. */
static int place_check_base(const struct sockaddr_un *at, struct err *e)
{
    const char *tail = strrchr(at->sun_path, '_');
    struct sockaddr_un base = *at;

    if (!tail || !place_is_port(tail))
        return 0;
    base.sun_path[tail - at->sun_path] = '\0';
    return place_has_vsock(&base) ? place_clash(at->sun_path, base.sun_path, e) : 0;
}

/* Refuses a path whose vsock would take that of another for the server of a port. */
static int place_check_ports(const struct sockaddr_un *at, int folder, struct err *e)
{
    const char *slash = strrchr(at->sun_path, '/'), *name = slash ? slash + 1 : at->sun_path;
    const size_t len = strlen(name);
    int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), ret = 0;
    DIR *entries = copy < 0 ? NULL : fdopendir(copy);
    const struct dirent *entry;

    if (!entries) {
        if (copy >= 0)
            (void)close(copy);
        return 0; /* vsock_listener_dial checks again */
    }
    while (ret == 0 && (entry = readdir(entries))) {
        struct sockaddr_un port = *at;
        if (strncmp(entry->d_name, name, len) != 0 || !place_is_port(entry->d_name + len))
            continue;
        (void)strcat(port.sun_path, entry->d_name + len); /* VSOCK_PLACE_PORT at most */
        if (place_has_vsock(&port))
            ret = place_clash(port.sun_path, at->sun_path, e);
    }
    (void)closedir(entries);
    return ret;
}

/* The place itself. */

static int place_open_folder(const char *path)
{
    char folder[sizeof(((struct sockaddr_un *)0)->sun_path)];
    const char *slash = strrchr(path, '/');

    if (!slash)
        return open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    (void)snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path) + 1, path);
    return open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Returns a locked descriptor of the folder, or -1. Waits a little, because others that take a
 * place hold the lock only for a moment. */
static int place_lock_folder(const char *path, unsigned *pauses)
{
    int fd = place_open_folder(path), ret;

    if (fd < 0)
        return -1;
    do
        ret = flock(fd, LOCK_EX | LOCK_NB);
    while (ret < 0 && errno == EWOULDBLOCK && linger_wait(pauses));
    if (ret == 0)
        return fd;
    (void)close(fd);
    return -1;
}

static int place_bind(int fd, const struct sockaddr_un *at)
{
    return bind(fd, (const struct sockaddr *)at, sizeof(*at)) < 0 ? -errno : 0;
}

/* The path is taken: binds to it if the socket there is dead. folder: locked, or -1. */
static int place_replace(int fd, const struct sockaddr_un *at, int folder, struct err *e)
{
    struct stat st;
    int ret;

    if (lstat(at->sun_path, &st) == 0) {
        if (!S_ISSOCK(st.st_mode))
            return err_set(e, EEXIST, "the path '%s' is taken by a file that is not a socket",
                           at->sun_path);
        if (place_is_alive(at))
            return err_set(e, EADDRINUSE, "the socket '%s' is in use by another process",
                           at->sun_path);
        if (folder < 0)
            return err_set(
                e, EACCES,
                "no process has the socket '%s' open, but its folder cannot be locked to "
                "remove it",
                at->sun_path);
        if (unlink(at->sun_path) < 0)
            return err_sys(e, "no process has the socket '%s' open, but it cannot be removed",
                           at->sun_path);
    }
    ret = place_bind(fd, at);
    return ret < 0 ? err_set(e, -ret, "cannot make the unix socket '%s': %s", at->sun_path,
                             strerror(-ret))
                   : 0;
}

static int place_take_once(int fd, const struct sockaddr_un *at, unsigned *pauses, struct err *e)
{
    int folder = place_lock_folder(at->sun_path, pauses);
    int ret = place_check_base(at, e);

    if (ret == 0 && folder >= 0)
        ret = place_check_ports(at, folder, e);
    if (ret == 0) {
        ret = place_bind(fd, at);
        if (ret == -EADDRINUSE)
            ret = place_replace(fd, at, folder, e);
        else if (ret < 0)
            (void)err_set(e, -ret, "cannot make the unix socket '%s': %s", at->sun_path,
                          strerror(-ret));
    }
    if (folder >= 0)
        (void)close(folder);
    return ret;
}

/* bind gives the file the socket's mode, so the mark is set on the socket first. */
int vsock_place_take(int fd, const struct sockaddr_un *address, bool patient, struct err *e)
{
    unsigned pauses = 0;
    int ret;

    (void)fchmod(fd, ACCESSPERMS | MARK);
    do
        ret = place_take_once(fd, address, &pauses, e);
    while (ret == -EADDRINUSE && patient && linger_wait(&pauses));
    return ret;
}
