#ifndef UNIT_VIRTIO_MMIO_NET_NET_NS_H
#define UNIT_VIRTIO_MMIO_NET_NET_NS_H
/*
 * Taps in a network namespace of the test's own, so that nothing of the host is touched or has to
 * be there.
 *
 * The process needs /dev/net/tun, and either CAP_NET_ADMIN and CAP_SYS_ADMIN or a host that gives
 * them in user namespaces. Without these the tests fail, because they could say nothing about taps.
 *
 * Only a process of one thread can enter a user namespace, and a test has several by the time its
 * function is called. So a constructor enters the namespace when the process starts.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int ns_lacks; /* the errno that kept this process out of its namespace, or 0 */

static inline void ns_write(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        ns_lacks = errno;
    (void)close(fd);
}

/* Maps the user to root there, so that the tests that this process starts have all rights too. */
static inline void ns_map(uid_t user, gid_t group)
{
    char map[32];

    ns_write("/proc/self/setgroups", "deny");
    (void)snprintf(map, sizeof(map), "0 %u 1", user);
    ns_write("/proc/self/uid_map", map);
    (void)snprintf(map, sizeof(map), "0 %u 1", group);
    ns_write("/proc/self/gid_map", map);
}

__attribute__((constructor)) static void ns_make(void)
{
    const uid_t user = geteuid();
    const gid_t group = getegid();

    if (unshare(CLONE_NEWNET) == 0)
        return;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0)
        ns_map(user, group);
    else
        ns_lacks = errno;
}

static inline void ns_enter(void)
{
    cr_assert_eq(ns_lacks, 0, "this host lets this user make no network namespace: %s",
                 strerror(ns_lacks));
}

/* Attaches to an interface, and makes it if it does not exist. */
static inline int tun_attach(const char *name, int flags)
{
    struct ifreq request = { .ifr_flags = (short)flags };
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

    cr_assert_geq(fd, 0, "/dev/net/tun: %s", strerror(errno));
    (void)strcpy(request.ifr_name, name);
    cr_assert_eq(ioctl(fd, TUNSETIFF, &request), 0, "TUNSETIFF: %s", strerror(errno));
    return fd;
}

/* An interface that stays without anybody attached to it. */
static inline void tun_make(const char *name, int flags)
{
    int fd = tun_attach(name, flags);

    cr_assert_eq(ioctl(fd, TUNSETPERSIST, 1), 0);
    (void)close(fd);
}

static inline void if_up(const char *name)
{
    struct ifreq request = { .ifr_flags = 0 };
    int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    (void)strcpy(request.ifr_name, name);
    cr_assert_eq(ioctl(s, SIOCGIFFLAGS, &request), 0);
    request.ifr_flags |= IFF_UP;
    cr_assert_eq(ioctl(s, SIOCSIFFLAGS, &request), 0);
    (void)close(s);
}

/* The host's side of an interface: a socket that gives and takes its frames, without headers. */
static inline int if_open(const char *name)
{
    struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
    int s = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETH_P_ALL));

    cr_assert_geq(s, 0);
    at.sll_ifindex = (int)if_nametoindex(name);
    cr_assert_eq(bind(s, (struct sockaddr *)&at, sizeof(at)), 0);
    return s;
}

#endif
