/* The sockets on the host: made, found, removed, and paths that cannot be one. */
#include "virtio-mmio/vsock/vsock_host.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/err.h"

static char folder[32], path[64];
static struct vsock_listener s;
static struct err e;

static void set_up(void)
{
    strcpy(folder, "/tmp/test_vsock.XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/v.sock", folder);
}

static void tear_down(void)
{
    cr_assert_eq(rmdir(folder), 0, "something is left in %s", folder);
}

TestSuite(vsock_host, .init = set_up, .fini = tear_down);

static int dial(const char *to_path)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    (void)snprintf(to.sun_path, sizeof(to.sun_path), "%s", to_path);
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
        return fd;
    (void)close(fd);
    return -errno;
}

static int serve(const char *at_path, int backlog)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    (void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", at_path);
    cr_assert_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    cr_assert_eq(listen(fd, backlog), 0);
    return fd;
}

static void expect_flags(int fd)
{
    cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    cr_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
}

Test(vsock_host, takes_clients_and_leaves_nothing)
{
    int client, fd;

    cr_assert_eq(vsock_listener_open(&s, path, 5, false, &e), 0);
    expect_flags(s.fd);
    cr_assert_eq(vsock_listener_accept(&s), -EAGAIN);
    client = dial(path);
    cr_assert_geq(client, 0);
    fd = vsock_listener_accept(&s);
    cr_assert_geq(fd, 0);
    expect_flags(fd);
    cr_assert_eq(vsock_listener_accept(&s), -EAGAIN);
    (void)close(client);
    (void)close(fd);
    vsock_listener_close(&s);
    cr_assert_neq(access(path, F_OK), 0);
    vsock_listener_close(&s);
}

static void expect_refusal(const char *at, int code, const char *text)
{
    cr_assert_eq(vsock_listener_open(&s, at, 5, false, &e), -code);
    cr_assert_str_eq(e.text, text);
    cr_assert_eq(s.fd, -1);
    vsock_listener_close(&s);
}

Test(vsock_host, what_is_taken_is_left_alone)
{
    int server = serve(path, 1);
    char text[256];
    int fd;

    (void)snprintf(text, sizeof(text), "the socket '%s' is in use by another process", path);
    expect_refusal(path, EADDRINUSE, text);
    fd = dial(path);
    cr_assert_geq(fd, 0);
    (void)close(fd);
    (void)close(server);
    cr_assert_eq(unlink(path), 0);
    (void)snprintf(text, sizeof(text), "the path '%s' is taken by a file that is not a socket",
                   path);
    fd = open(path, O_CREAT | O_WRONLY, 0600);
    expect_refusal(path, EEXIST, text);
    (void)close(fd);
    cr_assert_eq(unlink(path), 0);
}

/* The process is gone, and its file is not. */
Test(vsock_host, takes_the_place_of_a_dead_one)
{
    int client;

    (void)close(serve(path, 1));
    cr_assert_eq(vsock_listener_open(&s, path, 5, false, &e), 0, "%s", e.text);
    client = dial(path);
    cr_assert_geq(client, 0);
    (void)close(client);
    vsock_listener_close(&s);
    cr_assert_neq(access(path, F_OK), 0);
}

Test(vsock_host, what_is_no_path)
{
    char text[400], missing[80], name[200];

    expect_refusal("", EINVAL, "the path of a vsock's unix socket is empty");
    (void)snprintf(missing, sizeof(missing), "%s/none/v.sock", folder);
    (void)snprintf(text, sizeof(text),
                   "cannot make the unix socket '%s': No such file or directory", missing);
    expect_refusal(missing, ENOENT, text);
    memset(name, 'x', sizeof(name));
    memcpy(name, path, strlen(path));
    name[97] = '\0';
    (void)snprintf(text, sizeof(text),
                   "the path of a vsock's unix socket has at most 96 characters, because '_PORT' "
                   "is appended to it; this one has 97: %s",
                   name);
    expect_refusal(name, EINVAL, text);
}

Test(vsock_host, the_longest_path_has_room_for_any_port)
{
    char name[108], port_path[128];
    int server, fd;

    memset(name, 'x', sizeof(name));
    memcpy(name, path, strlen(path));
    name[96] = '\0';
    (void)snprintf(port_path, sizeof(port_path), "%s_4294967295", name);
    server = serve(port_path, 1);
    cr_assert_eq(vsock_listener_open(&s, name, 5, false, &e), 0, "%s", e.text);
    fd = vsock_listener_dial(&s, UINT32_MAX);
    cr_assert_geq(fd, 0);
    (void)close(fd);
    (void)close(server);
    vsock_listener_close(&s);
    cr_assert_neq(access(name, F_OK), 0);
    cr_assert_eq(unlink(port_path), 0);
}

/* Another file has taken the socket's place meanwhile. */
Test(vsock_host, removes_only_what_it_made)
{
    int fd;

    cr_assert_eq(vsock_listener_open(&s, path, 5, false, &e), 0);
    cr_assert_eq(unlink(path), 0);
    fd = serve(path, 1);
    vsock_listener_close(&s);
    cr_assert_eq(access(path, F_OK), 0);
    (void)close(fd);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(vsock_listener_open(&s, path, 5, false, &e), 0);
    cr_assert_eq(unlink(path), 0);
    vsock_listener_close(&s);
}

Test(vsock_host, dials_the_port)
{
    char port_path[80];
    int server, fd, peer;

    (void)snprintf(port_path, sizeof(port_path), "%s_4294967295", path);
    cr_assert_eq(vsock_listener_open(&s, path, 5, false, &e), 0);
    cr_assert_eq(vsock_listener_dial(&s, UINT32_MAX), -ENOENT);
    server = serve(port_path, 0);
    fd = vsock_listener_dial(&s, UINT32_MAX);
    cr_assert_geq(fd, 0);
    expect_flags(fd);
    cr_assert_eq(vsock_listener_dial(&s, UINT32_MAX), -EAGAIN); /* its backlog is full */
    peer = accept(server, NULL, NULL);
    cr_assert_eq(write(peer, "x", 1), 1);
    (void)close(peer);
    (void)close(fd);
    (void)close(server);
    cr_assert_eq(vsock_listener_dial(&s, UINT32_MAX), -ECONNREFUSED);
    cr_assert_eq(unlink(port_path), 0);
    vsock_listener_close(&s);
}

/* A vsock at a port's path that was not found when the listener was opened. */
Test(vsock_host, dials_no_vsock)
{
    struct vsock_listener other;
    char port_path[80];

    cr_assert_eq(vsock_listener_open(&s, path, 5, false, &e), 0);
    (void)snprintf(port_path, sizeof(port_path), "%s_hidden", path);
    cr_assert_eq(vsock_listener_open(&other, port_path, 5, false, &e), 0, "%s", e.text);
    (void)snprintf(port_path, sizeof(port_path), "%s_5", path);
    cr_assert_eq(link(other.address.sun_path, port_path), 0);
    cr_assert_eq(vsock_listener_dial(&s, 5), -EADDRINUSE);
    cr_assert_eq(vsock_listener_accept(&other), -EAGAIN);
    cr_assert_eq(unlink(port_path), 0);
    vsock_listener_close(&other);
    vsock_listener_close(&s);
}
