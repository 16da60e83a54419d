#ifndef TESTS_NET_WIRE_H
#define TESTS_NET_WIRE_H
/*
 * The host's end of a fuzzed network device: a socket that stands for the tap and hands on whatever
 * it is given, or a real tap, where the kernel checks every header.
 *
 * The real tap is in a network namespace of the process's own and lives as long as the process.
 * Where the host does not permit that, the socket takes its place.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "virtio-mmio/net/net_tap.h"

#define WIRE_NAME "fuzz0"

struct wire {
    struct net_tap tap; /* the device's, once it is created */
    int fd;             /* the host's end of it; -1: closed */
    bool is_real;
};

static struct net_tap real_tap = { .fd = -1 };
static int real_socket = -1;

static bool interface_up(void)
{
    struct ifreq request = { .ifr_flags = IFF_UP };
    int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool is_up;

    (void)strcpy(request.ifr_name, WIRE_NAME);
    is_up = s >= 0 && ioctl(s, SIOCSIFFLAGS, &request) == 0;
    if (s >= 0)
        (void)close(s);
    return is_up;
}

/* A socket that gives and takes the interface's frames, each after a struct virtio_net_hdr. */
static int interface_open(void)
{
    struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
    int s = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETH_P_ALL));
    int yes = 1;

    at.sll_ifindex = (int)if_nametoindex(WIRE_NAME);
    if (s >= 0 && (setsockopt(s, SOL_PACKET, PACKET_VNET_HDR, &yes, sizeof(yes)) < 0 ||
                   bind(s, (struct sockaddr *)&at, sizeof(at)) < 0)) {
        (void)close(s);
        return -1;
    }
    return s;
}

/* Call it once. If anything fails there is no real tap. */
static void wire_prepare(void)
{
    struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
    int fd;

    if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
        return;
    fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return;
    (void)strcpy(request.ifr_name, WIRE_NAME);
    if (ioctl(fd, TUNSETIFF, &request) == 0 && interface_up())
        real_socket = interface_open();
    if (real_socket < 0 || net_tap_adopt(&real_tap, fd, NULL) < 0)
        (void)close(fd);
}

/* `offloads`: what a socket claims to support, and refuses when the device sets it. */
static bool wire_open(struct wire *w, bool real, unsigned offloads)
{
    int pair[2];

    w->is_real = real && real_tap.fd >= 0;
    if (w->is_real) {
        w->tap = real_tap;
        w->tap.fd = dup(real_tap.fd);
        w->fd = dup(real_socket);
        return w->tap.fd >= 0 && w->fd >= 0;
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
        return false;
    w->tap = (struct net_tap){ .fd = pair[0], .offloads = offloads, .name = WIRE_NAME };
    w->fd = pair[1];
    return true;
}

/* One frame to the device. */
static void wire_send(const struct wire *w, const struct virtio_net_hdr_v1 *header,
                      const uint8_t *frame, size_t len)
{
    size_t header_len = w->is_real ? sizeof(struct virtio_net_hdr) : sizeof(*header);
    struct iovec iov[2] = { { (void *)(uintptr_t)header, header_len },
                            { (void *)(uintptr_t)frame, len } };
    struct msghdr message = { .msg_iov = iov, .msg_iovlen = 2 };

    (void)sendmsg(w->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Sends an empty message, which no tap does and which means the end. */
static void wire_end(const struct wire *w)
{
    if (!w->is_real)
        (void)send(w->fd, "", 0, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* One frame from the device, without its header; -1: there is none. */
static ssize_t wire_receive(const struct wire *w, uint8_t *frame, size_t size)
{
    struct virtio_net_hdr_v1 header;
    size_t header_len = w->is_real ? sizeof(struct virtio_net_hdr) : sizeof(header);
    struct iovec iov[2] = { { &header, header_len }, { frame, size } };
    ssize_t n = readv(w->fd, iov, 2);

    return n < (ssize_t)header_len ? -1 : n - (ssize_t)header_len;
}

static void wire_drain(const struct wire *w)
{
    uint8_t start[64];

    while (wire_receive(w, start, sizeof(start)) >= 0)
        ;
}

static void wire_close(struct wire *w)
{
    if (w->fd >= 0)
        (void)close(w->fd);
    w->fd = -1;
}

#endif
