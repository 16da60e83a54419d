/* One path and those that want it: dead sockets, living ones, several at once, and vsocks of which
 * it would be a port. */
#include "virtio-mmio/vsock/vsock_place.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/base/err.h"
#include "virtio-mmio/linger.h"

#define TRIES 200

static char folder[32];
static struct err e;

static void set_up(void)
{
    strcpy(folder, "/tmp/test_vsock.XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
}

static void tear_down(void)
{
    cr_assert_eq(rmdir(folder), 0, "something is left in %s", folder);
}

TestSuite(vsock_place, .init = set_up, .fini = tear_down);

static struct sockaddr_un at(const char *name)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", folder, name);
    return address;
}

static int a_socket(int type)
{
    int fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    cr_assert_geq(fd, 0);
    return fd;
}

static int others(const char *name, int type)
{
    const struct sockaddr_un address = at(name);
    int fd = a_socket(type);

    cr_assert_eq(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* The descriptor, or -errno with a sentence. */
static int take(const char *name)
{
    const struct sockaddr_un address = at(name);
    int fd = a_socket(SOCK_STREAM);
    int ret = vsock_place_take(fd, &address, false, &e);

    if (ret == 0)
        return fd;
    (void)close(fd);
    return ret;
}

static void drop(int fd, const char *name)
{
    const struct sockaddr_un address = at(name);

    cr_assert_geq(fd, 0, "%s", e.text);
    (void)close(fd);
    cr_assert_eq(unlink(address.sun_path), 0);
}

static void expect_refusal(const char *name, int code, const char *text)
{
    cr_assert_eq(take(name), -code, "%s", e.text);
    cr_assert(strstr(e.text, text), "%s", e.text);
    cr_assert(strstr(e.text, at(name).sun_path), "%s", e.text);
}

Test(vsock_place, a_free_one_is_taken)
{
    const struct sockaddr_un address = at("v");
    const mode_t masks[] = { 0, 022, 077, 0777 };
    struct stat st;

    for (unsigned i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
        int fd;
        (void)umask(masks[i]);
        fd = take("v");
        cr_assert_eq(stat(address.sun_path, &st), 0);
        cr_assert_eq(st.st_mode, S_IFSOCK | S_ISVTX | (0777 & ~masks[i]), "%o", st.st_mode);
        cr_assert(vsock_place_is_vsock(address.sun_path));
        drop(fd, "v");
    }
    cr_assert_not(vsock_place_is_vsock(address.sun_path));
    cr_assert_not(vsock_place_is_vsock("/tmp"), "a folder may have that bit");
}

Test(vsock_place, the_place_of_a_dead_socket_is_taken)
{
    (void)close(others("v", SOCK_STREAM));
    drop(take("v"), "v");
    (void)close(others("v", SOCK_DGRAM));
    drop(take("v"), "v");
    (void)close(take("v"));
    drop(take("v"), "v");
}

/* Nor do they notice. */
Test(vsock_place, living_ones_are_left_alone)
{
    static const int types[] = { SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM };
    char byte;

    for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        int fd = others("v", types[i]);
        expect_refusal("v", EADDRINUSE, "in use by another process");
        if (types[i] != SOCK_DGRAM) {
            cr_assert_eq(listen(fd, 0), 0);
            expect_refusal("v", EADDRINUSE, "in use by another process");
            cr_assert_eq(accept(fd, NULL, NULL), -1);
        } else {
            cr_assert_eq(recv(fd, &byte, 1, 0), -1);
        }
        cr_assert_eq(errno, EAGAIN);
        drop(fd, "v");
    }
}

Test(vsock_place, what_is_no_socket_is_left_alone)
{
    const struct sockaddr_un address = at("v");

    cr_assert_eq(mkdir(address.sun_path, 0700), 0);
    expect_refusal("v", EEXIST, "is taken by a file that is not a socket");
    cr_assert_eq(rmdir(address.sun_path), 0);
    cr_assert_eq(symlink("nowhere", address.sun_path), 0);
    expect_refusal("v", EEXIST, "is taken by a file that is not a socket");
    drop(open("/dev/null", O_RDONLY | O_CLOEXEC), "v");
    expect_refusal("none/v", ENOENT, "cannot make the unix socket");
}

/* A path without a slash is in the current folder. */
Test(vsock_place, a_path_need_not_name_its_folder)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "v" };
    int fd = a_socket(SOCK_STREAM);

    cr_assert_eq(chdir(folder), 0);
    (void)close(others("v", SOCK_STREAM));
    cr_assert_eq(vsock_place_take(fd, &address, false, &e), 0, "%s", e.text);
    drop(fd, "v");
}

/* Several at once. */

struct contender {
    pthread_t thread;
    pthread_barrier_t *gate;
    int fd; /* or -errno */
};

static void *contend(void *arg)
{
    struct contender *c = arg;
    const struct sockaddr_un address = at("v");
    int fd = a_socket(SOCK_STREAM), ret;

    (void)pthread_barrier_wait(c->gate);
    ret = vsock_place_take(fd, &address, false, NULL);
    if (ret < 0)
        (void)close(fd);
    c->fd = ret < 0 ? ret : fd;
    return NULL;
}

/* Expects that a client at the path reaches this socket. */
static void expect_at(int fd, const char *name)
{
    const struct sockaddr_un address = at(name);
    int client = a_socket(SOCK_STREAM);

    cr_assert_eq(listen(fd, 1), 0);
    cr_assert_eq(connect(client, (const struct sockaddr *)&address, sizeof(address)), 0);
    (void)close(client);
    client = accept(fd, NULL, NULL);
    cr_assert_geq(client, 0);
    (void)close(client);
}

static void one_of(unsigned count)
{
    struct contender c[4];
    pthread_barrier_t gate;
    int winner = -1;

    cr_assert_eq(pthread_barrier_init(&gate, NULL, count), 0);
    for (unsigned i = 0; i < count; i++) {
        c[i].gate = &gate;
        cr_assert_eq(pthread_create(&c[i].thread, NULL, contend, &c[i]), 0);
    }
    for (unsigned i = 0; i < count; i++) {
        cr_assert_eq(pthread_join(c[i].thread, NULL), 0);
        /* -EACCES: the host was too busy for the lock to be had in time. */
        cr_assert(c[i].fd >= 0 || c[i].fd == -EADDRINUSE || c[i].fd == -EACCES, "%d", c[i].fd);
        cr_assert(c[i].fd < 0 || winner < 0, "two have it");
        winner = c[i].fd >= 0 ? c[i].fd : winner;
    }
    cr_assert_geq(winner, 0, "nobody has it");
    expect_at(winner, "v");
    drop(winner, "v");
    (void)pthread_barrier_destroy(&gate);
}

Test(vsock_place, of_two_at_once_one_takes_a_dead_ones)
{
    for (unsigned i = 0; i < TRIES; i++) {
        (void)close(others("v", SOCK_STREAM));
        one_of(2);
    }
}

Test(vsock_place, of_two_at_once_one_takes_a_free_one)
{
    for (unsigned i = 0; i < TRIES; i++)
        one_of(2);
}

Test(vsock_place, of_four_at_once_one_takes_a_dead_ones)
{
    for (unsigned i = 0; i < TRIES; i++) {
        (void)close(others("v", SOCK_STREAM));
        one_of(4);
    }
}

/* Patience, without really waiting. */

static unsigned pauses;
static int dying = -1; /* a socket that the third pause closes */

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *time, struct timespec *left)
{
    if (dying < 0)
        return (int)syscall(SYS_clock_nanosleep, clock, flags, time, left);
    if (++pauses == 3)
        (void)close(dying);
    return 0;
}

Test(vsock_place, one_that_is_being_killed_is_waited_for)
{
    const struct sockaddr_un address = at("v");
    int fd = a_socket(SOCK_STREAM);

    dying = others("v", SOCK_STREAM);
    cr_assert_eq(vsock_place_take(fd, &address, true, &e), 0, "%s", e.text);
    cr_assert_eq(pauses, 3);
    drop(fd, "v");
}

Test(vsock_place, one_that_lives_is_not_waited_for_long)
{
    const struct sockaddr_un address = at("v");
    int fd = a_socket(SOCK_STREAM), alive = others("v", SOCK_STREAM);

    dying = a_socket(SOCK_STREAM); /* another */
    cr_assert_eq(vsock_place_take(fd, &address, true, &e), -EADDRINUSE);
    cr_assert_eq(pauses, LINGER_PAUSES);
    (void)close(fd);
    drop(alive, "v");
}

/* Another process holds the folder's lock, as anybody who may read the folder can. */
Test(vsock_place, without_the_lock_nothing_is_removed)
{
    int holder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    cr_assert_eq(flock(holder, LOCK_EX), 0);
    drop(take("v"), "v");
    (void)close(others("v", SOCK_STREAM));
    expect_refusal("v", EACCES, "its folder cannot be locked");
    (void)close(holder);
    drop(take("v"), "v");
}

/* Paths that are ports of others. */

Test(vsock_place, is_no_port_of_a_living_vsock)
{
    static const char *const ports[] = { "v_5", "v_0", "v_4294967295", "v_1_2" };
    static const char *const names[] = {
        "v_05", "v_4294967296", "v_x", "v_",   "v_5x",
        "v_-1", "v5",           "w_5", "v_+5", "v_99999999999999999999"
    };
    int fd = take("v"), below = take("v_1");

    cr_assert_eq(below, -EADDRINUSE);
    for (unsigned i = 0; i + 1 < sizeof(ports) / sizeof(ports[0]); i++)
        expect_refusal(ports[i], EADDRINUSE, "for the socket of a server");
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        drop(take(names[i]), names[i]);
    drop(take(ports[3]), ports[3]); /* of v_1, and there is none */
    drop(fd, "v");
}

Test(vsock_place, has_no_living_vsock_for_a_port)
{
    int fd = take("v_5");

    expect_refusal("v", EADDRINUSE, "for the socket of a server");
    drop(take("v_"), "v_");
    drop(take("v_5_"), "v_5_");
    drop(fd, "v_5");
}

/* A server may be there before the vsock, and a dead vsock does not count. */
Test(vsock_place, other_neighbours_are_welcome)
{
    int server = others("v_5", SOCK_STREAM), fd;

    (void)close(take("v_6"));
    fd = take("v");
    drop(fd, "v");
    cr_assert_eq(unlink(at("v_6").sun_path), 0);
    drop(server, "v_5");
    (void)close(take("v"));
    drop(take("v_5"), "v_5");
    (void)close(others("w", SOCK_STREAM));
    server = others("x", SOCK_STREAM);
    drop(take("x_5"), "x_5");
    drop(server, "x");
    cr_assert_eq(unlink(at("v").sun_path), 0);
    cr_assert_eq(unlink(at("w").sun_path), 0);
}
