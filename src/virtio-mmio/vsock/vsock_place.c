/*
 * Taking a place for a unix socket.
 *
 * A socket's file outlives its process. Whether anybody has one open is asked by connecting a
 * socket of another type: that is refused in one way where there is nobody and in another where
 * there is somebody, who never hears of it.
 *
 * Between the question and the file's removal nobody else may put a living socket there, and bind
 * itself shows a file a moment before it answers. So all of it happens under a lock on the folder,
 * which no file is needed for and which goes with its process. Who gets no lock, because the folder
 * is not his to read or somebody sits on it, takes a free place all the same (bind lets one have
 * it) and removes nothing.
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

/* Whether some process has the socket open. One that cannot be asked is left in peace. */
static bool is_alive(const struct sockaddr_un *at)
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

static bool is_living_vsock(const struct sockaddr_un *at)
{
    return vsock_place_is_vsock(at->sun_path) && is_alive(at);
}

/* Names. */

/* "_5", and nothing that a port is never written as. */
static bool is_port(const char *text)
{
    char *end;

    if (text[0] != '_' || text[1] < '0' || text[1] > '9' || (text[1] == '0' && text[2] != '\0'))
        return false;
    errno = 0;
    return strtoull(text + 1, &end, 10) <= UINT32_MAX && errno == 0 && *end == '\0';
}

static int collides(const char *port, const char *of, struct err *e)
{
    return err_set(e, EADDRINUSE,
                   "the guest whose socket is '%s' would find '%s' as one of the host's ports", of,
                   port);
}

/* Is this path what some vsock's guest takes for a port? */
static int port_of_another(const struct sockaddr_un *at, struct err *e)
{
    const char *tail = strrchr(at->sun_path, '_');
    struct sockaddr_un base = *at;

    if (!tail || !is_port(tail))
        return 0;
    base.sun_path[tail - at->sun_path] = '\0';
    return is_living_vsock(&base) ? collides(at->sun_path, base.sun_path, e) : 0;
}

/* Is some vsock at what this one's guest takes for a port? */
static int ports_of_its_own(const struct sockaddr_un *at, int folder, struct err *e)
{
    const char *slash = strrchr(at->sun_path, '/'), *name = slash ? slash + 1 : at->sun_path;
    const size_t len = strlen(name);
    int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), ret = 0;
    DIR *entries = copy < 0 ? NULL : fdopendir(copy);
    const struct dirent *entry;

    if (!entries) {
        if (copy >= 0)
            (void)close(copy);
        return 0; /* one that dials finds out */
    }
    while (ret == 0 && (entry = readdir(entries))) {
        struct sockaddr_un port = *at;
        if (strncmp(entry->d_name, name, len) != 0 || !is_port(entry->d_name + len))
            continue;
        (void)strcat(port.sun_path, entry->d_name + len); /* VSOCK_PLACE_PORT at most */
        if (is_living_vsock(&port))
            ret = collides(port.sun_path, at->sun_path, e);
    }
    (void)closedir(entries);
    return ret;
}

/* The place itself. */

static int folder_open(const char *path)
{
    char folder[sizeof(((struct sockaddr_un *)0)->sun_path)];
    const char *slash = strrchr(path, '/');

    if (!slash)
        return open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    (void)snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path) + 1, path);
    return open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* A locked descriptor of the folder, or -1. Whoever else takes a place here is done at once. */
static int folder_lock(const char *path, unsigned *pauses)
{
    int fd = folder_open(path), ret;

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

static int bind_it(int fd, const struct sockaddr_un *at)
{
    return bind(fd, (const struct sockaddr *)at, sizeof(*at)) < 0 ? -errno : 0;
}

/* The path is taken: by what? */
static int replace(int fd, const struct sockaddr_un *at, int folder, struct err *e)
{
    struct stat st;
    int ret;

    if (lstat(at->sun_path, &st) == 0) {
        if (!S_ISSOCK(st.st_mode))
            return err_set(e, EEXIST, "the path '%s' is taken: something lies there already",
                           at->sun_path);
        if (is_alive(at))
            return err_set(e, EADDRINUSE, "the socket '%s' is in use by another process",
                           at->sun_path);
        if (folder < 0)
            return err_set(e, EACCES,
                           "the socket '%s' is nobody's any more, but its folder cannot be locked "
                           "to remove it",
                           at->sun_path);
        if (unlink(at->sun_path) < 0)
            return err_sys(e, "the socket '%s' is nobody's any more, but cannot be removed",
                           at->sun_path);
    }
    ret = bind_it(fd, at);
    return ret < 0 ? err_set(e, -ret, "cannot make the unix socket '%s': %s", at->sun_path,
                             strerror(-ret))
                   : 0;
}

static int take_once(int fd, const struct sockaddr_un *at, unsigned *pauses, struct err *e)
{
    int folder = folder_lock(at->sun_path, pauses);
    int ret = port_of_another(at, e);

    if (ret == 0 && folder >= 0)
        ret = ports_of_its_own(at, folder, e);
    if (ret == 0) {
        ret = bind_it(fd, at);
        if (ret == -EADDRINUSE)
            ret = replace(fd, at, folder, e);
        else if (ret < 0)
            (void)err_set(e, -ret, "cannot make the unix socket '%s': %s", at->sun_path,
                          strerror(-ret));
    }
    if (folder >= 0)
        (void)close(folder);
    return ret;
}

/* The file gets its mode, and so the mark, from the socket as it is when it is bound. */
int vsock_place_take(int fd, const struct sockaddr_un *address, bool patient, struct err *e)
{
    unsigned pauses = 0;
    int ret;

    (void)fchmod(fd, ACCESSPERMS | MARK);
    do
        ret = take_once(fd, address, &pauses, e);
    while (ret == -EADDRINUSE && patient && linger_wait(&pauses));
    return ret;
}
