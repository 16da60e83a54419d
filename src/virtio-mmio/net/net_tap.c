/*
 * Opening and adopting taps.
 *
 * TUNSETIFF on a name that does not exist makes an interface, if the caller has the right to. That
 * interface would have no address, be down, and go away with the process. Nobody wants that, so the
 * name has to exist.
 */
#include "virtio-mmio/net/net_tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/nowait.h"
#include "virtio-mmio/linger.h"

#define TAP_FLAGS (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)

static int tap_device_open(struct err *e)
{
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

    if (fd >= 0)
        return fd;
    if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
        return err_set(e, errno, "this host has no /dev/net/tun: load the kernel module 'tun'");
    return err_sys(e, "cannot open /dev/net/tun");
}

static int tap_refusal(int code, const char *name, struct err *e)
{
    switch (code) {
    case EBUSY:
        return err_set(e, code, "the tap '%s' is busy: another process is attached to it", name);
    case EPERM:
    case EACCES:
        return err_set(e, code, "the tap '%s' belongs to another user: 'ip tuntap' sets its owner",
                       name);
    case EINVAL:
        return err_set(e, code, "the interface '%s' is not a tap", name);
    default:
        return err_set(e, code, "cannot attach to the tap '%s': %s", name, strerror(code));
    }
}

/* Tries both flags: a tap made for several queues wants IFF_MULTI_QUEUE, any other refuses it with
 * EINVAL. Returns an errno or 0. */
static int tap_attach_once(int fd, const char *name)
{
    static const short flags[] = { TAP_FLAGS, TAP_FLAGS | IFF_MULTI_QUEUE };
    int code = EINVAL;

    for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]) && code == EINVAL; i++) {
        struct ifreq request = { .ifr_flags = flags[i] };
        (void)strncpy(request.ifr_name, name, IFNAMSIZ - 1);
        code = ioctl(fd, TUNSETIFF, &request) < 0 ? errno : 0;
    }
    return code;
}

static int tap_attach(int fd, const char *name, struct err *e)
{
    unsigned pauses = 0;
    int code;

    if (if_nametoindex(name) == 0)
        return err_set(e, ENODEV,
                       "there is no interface '%s': 'ip tuntap add %s mode tap' makes one", name,
                       name);
    do
        code = tap_attach_once(fd, name);
    while (code == EBUSY && linger_wait(&pauses));
    return code == 0 ? 0 : tap_refusal(code, name, e);
}

/* The offloads that the tap has. Longest set first: a kernel that does not know one flag of a set,
 * such as TUN_F_UFO, refuses the whole set. */
static unsigned tap_offloads_probe(int fd)
{
    static const unsigned sets[] = {
        TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN | TUN_F_UFO,
        TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN,
        TUN_F_CSUM,
    };
    unsigned found = 0;

    for (unsigned i = 0; i < sizeof(sets) / sizeof(sets[0]) && !found; i++)
        if (net_tap_offload(fd, sets[i]) == 0)
            found = sets[i];
    (void)net_tap_offload(fd, 0);
    return found;
}

/* Sets the header's size and byte order on an attached tap. */
static int tap_set_up(struct net_tap *tap, int fd, const char *name, struct err *e)
{
    int header = sizeof(struct virtio_net_hdr_v1);
    int little_endian = 1;

    if (ioctl(fd, TUNSETVNETHDRSZ, &header) < 0)
        return err_sys(e, "the tap '%s' refuses a header of %d bytes", name, header);
    if (ioctl(fd, TUNSETVNETLE, &little_endian) < 0)
        return err_sys(e, "the tap '%s' refuses a little-endian header", name);
    *tap = (struct net_tap){ .fd = fd, .offloads = tap_offloads_probe(fd) };
    (void)strncpy(tap->name, name, IFNAMSIZ - 1);
    return 0;
}

int net_tap_open(struct net_tap *tap, const char *name, struct err *e)
{
    int fd, ret;

    if (name[0] == '\0' || strlen(name) >= IFNAMSIZ)
        return err_set(e, EINVAL, "'%.40s' is not an interface name: those have 1 to %d characters",
                       name, IFNAMSIZ - 1);
    fd = tap_device_open(e);
    if (fd < 0)
        return fd;
    ret = tap_attach(fd, name, e);
    if (ret == 0)
        ret = tap_set_up(tap, fd, name, e);
    if (ret < 0)
        (void)close(fd);
    return ret;
}

/* IFF_NO_PI cannot be checked: in TUNGETIFF's answer its bit is IFF_NOFILTER. */
static int tap_flags_check(const struct ifreq *is, int fd, struct err *e)
{
    if (!(is->ifr_flags & IFF_TAP))
        return err_set(e, EINVAL, "descriptor %d is attached to '%s', a tun and not a tap", fd,
                       is->ifr_name);
    if (!(is->ifr_flags & IFF_VNET_HDR))
        return err_set(e, EINVAL, "descriptor %d is attached to '%s' without IFF_VNET_HDR", fd,
                       is->ifr_name);
    return 0;
}

int net_tap_adopt(struct net_tap *tap, int fd, struct err *e)
{
    struct ifreq is = { .ifr_flags = 0 };
    int ret;

    if (fcntl(fd, F_GETFD) < 0)
        return err_set(e, errno, "descriptor %d is not open", fd);
    if (ioctl(fd, TUNGETIFF, &is) < 0)
        return err_set(e, errno, "descriptor %d is not a tap attached to an interface", fd);
    ret = tap_flags_check(&is, fd, e);
    if (ret < 0)
        return ret;
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return err_sys(e, "cannot set close-on-exec on descriptor %d", fd);
    return tap_set_up(tap, fd, is.ifr_name, e);
}

int net_tap_offload(int fd, unsigned offloads)
{
    return ioctl(fd, TUNSETOFFLOAD, (unsigned long)offloads) < 0 ? -errno : 0;
}

/* A read drops the whole frame, however little of it fits. */
bool net_tap_drop(int fd)
{
    struct virtio_net_hdr_v1 header;
    const struct iovec iov = { .iov_base = &header, .iov_len = sizeof(header) };

    return nowait_readv(fd, &iov, 1) > 0;
}

bool net_tap_has_frame(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };

    return poll(&p, 1, 0) > 0 && p.revents & POLLIN;
}

void net_tap_close(struct net_tap *tap)
{
    if (tap->fd >= 0)
        (void)close(tap->fd);
    tap->fd = -1;
}
