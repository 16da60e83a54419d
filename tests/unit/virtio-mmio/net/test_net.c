/* The device as the driver and the operator see it: features, configuration, names, life. */
#include "virtio-mmio/net/net.h"

#include <linux/if_tun.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

#include "unit/virtio-mmio/net/net_rig.h"

#define BIT(n) (UINT64_C(1) << (n))

/* What the transport offers for every device. */
#define TRANSPORT \
    (BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VIRTIO_RING_F_EVENT_IDX))
#define ALWAYS \
    (TRANSPORT | BIT(VIRTIO_NET_F_MAC) | BIT(VIRTIO_NET_F_STATUS) | BIT(VIRTIO_NET_F_MRG_RXBUF))

static struct virtio_net_config config_of(void)
{
    struct virtio_net_config config = { .mtu = 0xffff };

    vd_config_read(&d, 0, &config, 12);
    return config;
}

static uint64_t features(void)
{
    cr_assert(vd_negotiate(&d, 0));
    return d.features;
}

ON_BOTH(net, tells_what_it_is)
{
    struct virtio_net_config config;
    uint8_t behind;

    setup.mtu = 1400;
    net_plug();
    cr_assert_eq(vd_read(&d, VIRTIO_MMIO_DEVICE_ID), VIRTIO_ID_NET);
    cr_assert_eq(features(), ALWAYS | BIT(VIRTIO_NET_F_MTU));
    config = config_of();
    cr_assert_arr_eq(config.mac, mac, sizeof(mac));
    cr_assert_eq(config.status, VIRTIO_NET_S_LINK_UP);
    cr_assert_eq(config.mtu, 1400);
    vd_config_read(&d, 12, &behind, 1);
    cr_assert_eq(behind, 0);
}

ON_BOTH(net, without_an_mtu_it_tells_none)
{
    net_plug();
    cr_assert_eq(features(), ALWAYS);
    cr_assert_eq(config_of().mtu, 0);
}

ON_BOTH(net, offers_what_the_tap_can_do)
{
    setup.tap.offloads = TUN_F_CSUM | TUN_F_TSO4;
    net_plug();
    cr_assert_eq(features(), ALWAYS | BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_GUEST_CSUM) |
                                 BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO4));
}

ON_BOTH(net, its_configuration_is_read_only)
{
    const uint32_t value = 0xffffffff;

    net_plug();
    cr_assert(bus_write(&d.bus, VD_WINDOW + VIRTIO_MMIO_CONFIG, &value, sizeof(value)));
    cr_assert(bus_write(&d.bus, VD_WINDOW + VIRTIO_MMIO_CONFIG + 10, &value, sizeof(value)));
    cr_assert_arr_eq(config_of().mac, mac, sizeof(mac));
}

static struct virtio_net_config config_made(const char *id, const char *interface)
{
    struct virtio_net_config config;

    setup.has_mac = false;
    setup.id = id;
    (void)strcpy(setup.tap.name, interface);
    setup.tap.fd = -1;
    cr_assert_eq(net_create(&net, &setup, NULL), 0);
    memcpy(&config, net_device(net)->setup.config, 12);
    net_destroy(net);
    return config;
}

Test(net, makes_an_address_of_its_names)
{
    struct virtio_net_config a = config_made("eth0", "tap0");
    struct virtio_net_config b = config_made("eth1", "tap0");
    struct virtio_net_config c = config_made("eth0", "tap1");
    struct virtio_net_config again = config_made("eth0", "tap0");

    cr_assert_eq(a.mac[0] & 3, 2); /* locally administered, of one interface */
    cr_assert_arr_eq(a.mac, again.mac, 6);
    cr_assert_arr_neq(a.mac, b.mac, 6);
    cr_assert_arr_neq(a.mac, c.mac, 6);
    cr_assert_arr_neq(b.mac, c.mac, 6);
}

static void expect_refusal(const struct net_setup *bad, const char *text)
{
    struct net *none = NULL;
    struct err e;

    cr_assert_eq(net_create(&none, bad, &e), -EINVAL);
    cr_assert_null(none);
    cr_assert_str_eq(e.text, text);
}

Test(net, refuses_what_no_interface_can_have)
{
    struct net_setup s = { .id = "eth0", .tap = { .fd = -1 }, .has_mac = true, .mac = { 1 } };

    expect_refusal(&s, "01:00:00:00:00:00 is not an address that an interface can have");
    s.mac[0] = 0;
    expect_refusal(&s, "00:00:00:00:00:00 is not an address that an interface can have");
    s.has_mac = false;
    s.mtu = 67;
    expect_refusal(&s, "an MTU of 67 is too small: at least 68");
}

Test(net, destroys_nothing)
{
    net_destroy(NULL);
}

ON_BOTH(net, counts_while_the_driver_is_there)
{
    net_plug();
    cr_assert_eq(counter("net.eth0", "kicks"), 0);
    vd_start(&d, 0);
    cr_assert_eq(counter("net.eth0.rx", "packets"), 0);
    cr_assert_eq(counter("net.eth0.tx", "packets"), 0);
    vd_reset(&d);
    for (const struct metrics_group *g = d.metrics.first; g; g = g->next)
        cr_assert_str_eq(g->name, "net.eth0");
}

/* Frames that were queued for one driver do not reach the next. */
ON_BOTH(net, a_reset_forgets_old_frames)
{
    uint8_t frame[100] = { 0 };
    struct vd_used used;

    net_start(0);
    cr_assert_eq(write(host, frame, 90), 90);
    cr_assert_eq(write(host, frame, 91), 91);
    vd_start(&d, 0);
    cr_assert_eq(write(host, frame, 92), 92);
    (void)vd_chain(&d, RX, &(struct vd_buf){ vd_alloc(&d, 100), 100, VD_WRITE }, 1);
    vd_kick(&d, RX);
    used = vd_await(&d, RX);
    cr_assert_eq(used.len, 92);
}

/* Kicks by register, no events, both directions at once. */
ON_BOTH(net, works_for_a_plain_driver)
{
    uint8_t frame[100] = { 0 };
    gpa_t at;

    d.by_register = true;
    net_start(BIT(VIRTIO_RING_F_EVENT_IDX) | BIT(VIRTIO_NET_F_MRG_RXBUF));
    for (unsigned i = 0; i < 600; i++) {
        at = d.free;
        (void)vd_chain(&d, RX, &(struct vd_buf){ vd_alloc(&d, 100), 100, VD_WRITE }, 1);
        (void)vd_chain(&d, TX, &(struct vd_buf){ vd_alloc(&d, 100), 100, 0 }, 1);
        d.free = at;
        (void)vd_kick(&d, RX);
        (void)vd_kick(&d, TX);
        cr_assert_eq(write(host, frame, 50), 50);
        cr_assert_eq(vd_await(&d, RX).len, 50);
        (void)vd_await(&d, TX);
        cr_assert_eq(read(host, frame, sizeof(frame)), 100);
    }
    cr_assert_eq(counter("net.eth0.rx", "packets"), 600);
    cr_assert_eq(counter("net.eth0.tx", "packets"), 600);
}
