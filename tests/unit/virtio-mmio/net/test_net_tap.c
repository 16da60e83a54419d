/* Real taps: opened by name, handed over, refused, and a device on one. */
#include "virtio-mmio/net/net_tap.h"

#include <linux/virtio_net.h>
#include <pthread.h>
#include <time.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "core/base/err.h"
#include "lib/forbid.h"
#include "lib/virtio/virtio_driver.h"
#include "unit/virtio-mmio/net/net_ns.h"
#include "virtio-mmio/net/net.h"

#define TAP       (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)
#define OFFLOADS  (TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN)
#define ETHERTYPE 0x88b5 /* for experiments: nobody else uses it */

static struct err e;

TestSuite(net_tap, .init = ns_enter);

static void expect_refusal(const char *name, int code, const char *text)
{
    struct net_tap tap = { .fd = -1 };

    cr_assert_eq(net_tap_open(&tap, name, &e), -code, "%s", e.text);
    cr_assert(strstr(e.text, text), "%s", e.text);
    cr_assert_eq(tap.fd, -1);
}

Test(net_tap, opens_one_that_is_there)
{
    struct net_tap tap;
    int header = 0;

    tun_make("tap0", TAP);
    cr_assert_eq(net_tap_open(&tap, "tap0", &e), 0, "%s", e.text);
    cr_assert_str_eq(tap.name, "tap0");
    cr_assert_eq(tap.offloads & OFFLOADS, OFFLOADS);
    cr_assert(fcntl(tap.fd, F_GETFL) & O_NONBLOCK);
    cr_assert(fcntl(tap.fd, F_GETFD) & FD_CLOEXEC);
    cr_assert_eq(ioctl(tap.fd, TUNGETVNETHDRSZ, &header), 0);
    cr_assert_eq(header, 12);
    net_tap_close(&tap);
    cr_assert_eq(tap.fd, -1);
    net_tap_close(&tap);
}

/* The flags with which it was made do not matter: those of whoever attaches count. */
Test(net_tap, opens_one_made_by_ip_tuntap)
{
    struct net_tap tap;

    tun_make("tap0", IFF_TAP | IFF_NO_PI);
    cr_assert_eq(net_tap_open(&tap, "tap0", &e), 0, "%s", e.text);
    net_tap_close(&tap);
}

Test(net_tap, opens_one_of_several_queues)
{
    struct net_tap tap, other;

    tun_make("tap0", TAP | IFF_MULTI_QUEUE);
    cr_assert_eq(net_tap_open(&tap, "tap0", &e), 0, "%s", e.text);
    cr_assert_eq(net_tap_open(&other, "tap0", &e), 0, "%s", e.text);
    net_tap_close(&tap);
    net_tap_close(&other);
}

Test(net_tap, refuses_what_is_not_there)
{
    expect_refusal("tap0", ENODEV, "there is no interface 'tap0'");
    cr_assert_eq(if_nametoindex("tap0"), 0);
    expect_refusal("", EINVAL, "'' is not an interface name");
    expect_refusal("a-name-of-16-chr", EINVAL, "is not an interface name");
    expect_refusal("tap%d", ENODEV, "there is no interface 'tap%d'");
}

Test(net_tap, refuses_what_is_busy)
{
    int fd = tun_attach("tap0", TAP);

    expect_refusal("tap0", EBUSY, "the tap 'tap0' is busy");
    (void)close(fd);
}

static void *close_later(void *fd)
{
    const struct timespec while_it_waits = { .tv_nsec = 20000000 };

    nanosleep(&while_it_waits, NULL);
    (void)close(*(int *)fd);
    return NULL;
}

Test(net_tap, waits_for_one_that_is_about_to_be_free)
{
    struct net_tap tap;
    pthread_t closer;
    int fd;

    tun_make("tap0", TAP);
    fd = tun_attach("tap0", TAP);
    cr_assert_eq(pthread_create(&closer, NULL, close_later, &fd), 0);
    cr_assert_eq(net_tap_open(&tap, "tap0", &e), 0, "%s", e.text);
    pthread_join(closer, NULL);
    net_tap_close(&tap);
}

Test(net_tap, refuses_what_is_no_tap)
{
    expect_refusal("lo", EINVAL, "the interface 'lo' is not a tap");
    tun_make("tun0", IFF_TUN | IFF_NO_PI);
    expect_refusal("tun0", EINVAL, "the interface 'tun0' is not a tap");
}

/* Who may attach depends on the mode of /dev/net/tun, on the tap's owner and on who runs the test:
 * a filter gives the kernel's answer instead. */
Test(net_tap, refuses_who_may_not_attach)
{
    tun_make("tap0", TAP);
    forbid_where(SYS_ioctl, 1, TUNSETIFF, EPERM);
    expect_refusal("tap0", EPERM, "the tap 'tap0' belongs to another user");
}

Test(net_tap, refuses_who_may_open_no_tap_at_all)
{
    tun_make("tap0", TAP);
    forbid_where(SYS_openat, 2, O_RDWR | O_CLOEXEC | O_NONBLOCK, EACCES);
    expect_refusal("tap0", EACCES, "cannot open /dev/net/tun: Permission denied");
}

Test(net_tap, refuses_on_a_host_without_taps)
{
    tun_make("tap0", TAP);
    forbid_where(SYS_openat, 2, O_RDWR | O_CLOEXEC | O_NONBLOCK, ENOENT);
    expect_refusal("tap0", ENOENT, "load the kernel module 'tun'");
}

Test(net_tap, takes_one_that_is_open)
{
    int fd = tun_attach("tap0", TAP);
    struct net_tap tap;
    int header = 0;

    cr_assert_eq(net_tap_adopt(&tap, fd, &e), 0, "%s", e.text);
    cr_assert_eq(tap.fd, fd);
    cr_assert_str_eq(tap.name, "tap0");
    cr_assert_not(fcntl(fd, F_GETFL) & O_NONBLOCK, "others who share it still block");
    cr_assert_not(net_tap_drop(fd), "but this does not: there is no frame");
    cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    cr_assert_eq(ioctl(fd, TUNGETVNETHDRSZ, &header), 0);
    cr_assert_eq(header, 12);
    net_tap_close(&tap);
}

static void expect_no_adoption(int fd, int code, const char *text)
{
    struct net_tap tap = { .fd = -1 };

    cr_assert_eq(net_tap_adopt(&tap, fd, &e), -code, "%s", e.text);
    cr_assert(strstr(e.text, text), "%s", e.text);
    cr_assert_eq(tap.fd, -1);
    (void)close(fd);
}

Test(net_tap, takes_nothing_else)
{
    expect_no_adoption(999, EBADF, "descriptor 999 is not open");
    expect_no_adoption(open("/dev/null", O_RDWR), ENOTTY, "is not a tap attached");
    expect_no_adoption(open("/dev/net/tun", O_RDWR), EBADFD, "is not a tap attached");
    expect_no_adoption(tun_attach("tun0", IFF_TUN | IFF_NO_PI | IFF_VNET_HDR), EINVAL,
                       "attached to 'tun0', a tun and not a tap");
    expect_no_adoption(tun_attach("tap1", IFF_TAP | IFF_NO_PI), EINVAL,
                       "attached to 'tap1' without IFF_VNET_HDR");
}

Test(net_tap, forgets_what_waits)
{
    uint8_t frame[60] = { 2, 2, 2, 2, 2, 2, 4, 4, 4, 4, 4, 4, 0x88, 0xb5 };
    struct net_tap tap;
    int host;

    tun_make("tap0", TAP);
    cr_assert_eq(net_tap_open(&tap, "tap0", &e), 0, "%s", e.text);
    if_up("tap0");
    host = if_open("tap0");
    for (unsigned i = 0; i < 10; i++)
        cr_assert_eq(write(host, frame, sizeof(frame)), sizeof(frame));
    for (unsigned i = 0; i < 10; i++)
        cr_assert(net_tap_drop(tap.fd), "%u", i);
    while (net_tap_drop(tap.fd)) /* frames that the kernel sent by itself */
        ;
    cr_assert_lt(read(tap.fd, frame, sizeof(frame)), 0);
    cr_assert_eq(errno, EAGAIN);
    (void)close(host);
    net_tap_close(&tap);
}

/* A device on a tap. */

static struct vd d;
static struct net *net;

static int rig_start(enum loop_backend backend, uint64_t without)
{
    struct net_setup setup = { .id = "eth0" };

    tun_make("tap0", TAP);
    cr_assert_eq(net_tap_open(&setup.tap, "tap0", &e), 0, "%s", e.text);
    if_up("tap0");
    cr_assert_eq(net_create(&net, &setup, &e), 0, "%s", e.text);
    vd_init(&d, backend);
    vd_plug(&d, net_device(net));
    vd_start(&d, without);
    return if_open("tap0");
}

static void rig_finish(int host)
{
    vd_finish(&d);
    net_destroy(net);
    (void)close(host);
}

struct ours {
    int host;
    uint8_t frame[2048];
    ssize_t len;
};

/* Others send too: the kernel asks for routers on an interface that comes up. */
static bool ours_came(void *arg)
{
    struct ours *o = arg;

    o->len = read(o->host, o->frame, sizeof(o->frame));
    return o->len >= ETH_HLEN && o->frame[12] == ETHERTYPE >> 8 &&
           o->frame[13] == (uint8_t)ETHERTYPE;
}

static void both_ways(enum loop_backend backend)
{
    struct ours o = { .host = rig_start(backend, 0) };
    const uint32_t len = 12 + 1000;
    gpa_t at = vd_alloc(&d, len);
    uint8_t *frame = (uint8_t *)vd_at(&d, at, len) + 12;

    memset(frame, 0x5a, 1000);
    memcpy(frame, (uint8_t[]){ 2, 2, 2, 2, 2, 2, 4, 4, 4, 4, 4, 4, 0x88, 0xb5 }, ETH_HLEN);
    (void)vd_chain(&d, 1, &(struct vd_buf){ at, len, 0 }, 1);
    vd_kick(&d, 1);
    vd_run_until(&d, ours_came, &o);
    cr_assert_eq(o.len, 1000);
    cr_assert_arr_eq(o.frame, frame, 1000);

    for (unsigned i = 0; i < 100; i++) {
        struct vd_used used;
        at = d.free;
        (void)vd_chain(&d, 0, &(struct vd_buf){ vd_alloc(&d, 2000), 2000, VD_WRITE }, 1);
        d.free = at;
        vd_kick(&d, 0);
        if (i % 2 == 0)
            cr_assert_eq(write(o.host, o.frame, 500), 500);
        used = vd_await(&d, 0);
        frame = (uint8_t *)vd_at(&d, at, used.len) + 12;
        if (used.len == 512 && frame[12] == 0x88) {
            cr_assert_arr_eq(frame, o.frame, 500);
            rig_finish(o.host);
            return;
        }
    }
    cr_assert_fail("the host's frame never came");
}

Test(net_tap, a_device_works_both_ways_on_io_uring)
{
    both_ways(LOOP_URING);
}

Test(net_tap, a_device_works_both_ways_on_epoll)
{
    both_ways(LOOP_EPOLL);
}

/* A TCP segment that the host's stack has not cut yet: 8000 bytes, to be sent 1460 at a time. */
#define SEGMENT (14u + 20u + 20u + 8000u)

static void host_send_segment(int host)
{
    static uint8_t bytes[10 + SEGMENT];
    const struct virtio_net_hdr header = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                                           .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
                                           .hdr_len = 54,
                                           .gso_size = 1460,
                                           .csum_start = 34,
                                           .csum_offset = 16 };
    const uint8_t ethernet[] = { 2, 2, 2, 2, 2, 2, 4, 4, 4, 4, 4, 4, 0x08, 0x00 };
    const uint8_t ip[] = { 0x45,
                           0,
                           (SEGMENT - 14) >> 8,
                           (SEGMENT - 14) & 0xff,
                           0,
                           1,
                           0x40,
                           0,
                           64,
                           6,
                           0,
                           0,
                           10,
                           0,
                           0,
                           1,
                           10,
                           0,
                           0,
                           2 };
    const uint8_t tcp[] = { 0, 80, 0, 81, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 1, 0, 0, 0, 0, 0 };
    int one = 1;

    memcpy(bytes, &header, sizeof(header));
    memcpy(bytes + 10, ethernet, sizeof(ethernet));
    memcpy(bytes + 24, ip, sizeof(ip));
    memcpy(bytes + 44, tcp, sizeof(tcp));
    cr_assert_eq(setsockopt(host, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)), 0);
    cr_assert_eq(write(host, bytes, sizeof(bytes)), (ssize_t)sizeof(bytes), "%s", strerror(errno));
}

/* The first of the guest's frames that is TCP. */
static struct virtio_net_hdr_v1 tcp_await(uint32_t *len)
{
    gpa_t at = vd_alloc(&d, 65536 + 64);

    for (unsigned i = 0; i < 100; i++) {
        struct vd_used used;
        struct virtio_net_hdr_v1 header;
        const uint8_t *ip;
        (void)vd_chain(&d, 0, &(struct vd_buf){ at, 65536 + 64, VD_WRITE }, 1);
        vd_kick(&d, 0);
        used = vd_await(&d, 0);
        ip = (uint8_t *)vd_at(&d, at, used.len) + 12 + 14;
        memcpy(&header, ip - 26, sizeof(header));
        *len = used.len;
        if (used.len > 12 + 54 && ip[-2] == 0x08 && ip[-1] == 0 && ip[9] == 6)
            return header;
    }
    cr_assert_fail("the host's segment never came");
    return (struct virtio_net_hdr_v1){ 0 };
}

Test(net_tap, the_host_leaves_segments_to_a_guest_that_takes_them)
{
    int host = rig_start(LOOP_AUTO, 0);
    struct virtio_net_hdr_v1 header;
    uint32_t len;

    host_send_segment(host);
    header = tcp_await(&len);
    cr_assert_eq(len, 12 + SEGMENT);
    cr_assert_eq(header.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
    cr_assert_eq(header.gso_size, 1460);
    cr_assert_eq(header.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
    cr_assert_eq(header.num_buffers, 1);
    rig_finish(host);
}

Test(net_tap, the_host_cuts_segments_for_a_guest_that_does_not)
{
    int host = rig_start(LOOP_AUTO, UINT64_C(1) << VIRTIO_NET_F_GUEST_TSO4);
    struct virtio_net_hdr_v1 header;
    uint32_t len;

    host_send_segment(host);
    header = tcp_await(&len);
    cr_assert_eq(len, 12 + 54 + 1460);
    cr_assert_eq(header.gso_type, VIRTIO_NET_HDR_GSO_NONE);
    cr_assert_eq(header.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
    rig_finish(host);
}

Test(net_tap, the_host_finishes_checksums_for_a_guest_that_does_not)
{
    int host = rig_start(LOOP_AUTO, UINT64_C(1) << VIRTIO_NET_F_GUEST_CSUM);
    struct virtio_net_hdr_v1 header;
    uint32_t len;

    host_send_segment(host);
    header = tcp_await(&len);
    cr_assert_eq(len, 12 + 54 + 1460);
    cr_assert_eq(header.flags, 0);
    rig_finish(host);
}

/* As `ip link del` does. */
static void interface_delete(const char *name)
{
    struct {
        struct nlmsghdr header;
        struct ifinfomsg info;
    } request = { .header = { .nlmsg_len = sizeof(request),
                              .nlmsg_type = RTM_DELLINK,
                              .nlmsg_flags = NLM_F_REQUEST },
                  .info = { .ifi_index = (int)if_nametoindex(name) } };
    int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

    cr_assert_eq(write(s, &request, sizeof(request)), sizeof(request));
    (void)close(s);
}

static bool link_is_down(void *arg)
{
    struct virtio_net_config config;

    (void)arg;
    vd_config_read(&d, 0, &config, 12);
    return config.status == 0;
}

Test(net_tap, an_interface_that_goes_takes_the_link_down)
{
    int host = rig_start(LOOP_AUTO, 0);

    /* Enough buffers for what the kernel sends by itself too: the device polls the tap only while
     * it has one. */
    for (unsigned i = 0; i < 32; i++)
        (void)vd_chain(&d, 0, &(struct vd_buf){ vd_alloc(&d, 2000), 2000, VD_WRITE }, 1);
    (void)vd_chain(&d, 1, &(struct vd_buf){ vd_alloc(&d, 2000), 2000, 0 }, 1);
    vd_kick(&d, 0);
    vd_settle(&d);
    interface_delete("tap0");
    vd_run_until(&d, link_is_down, NULL);
    vd_kick(&d, 1); /* what is still sent is dropped */
    (void)vd_await(&d, 1);
    rig_finish(host);
}
