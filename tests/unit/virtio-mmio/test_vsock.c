/* The device as driver, operator and the host's programs see it: life, connecting, data. */
#include "virtio-mmio/vsock.h"

#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

#include "unit/virtio-mmio/vsock_rig.h"

#define BIT(n) (UINT64_C(1) << (n))

static const struct {
    const char *what;
    uint64_t without;
} kinds[] = {
    { "all", 0 },
    { "no events", BIT(VIRTIO_RING_F_EVENT_IDX) },
};

ON_BOTH(vsock, tells_what_it_is)
{
    struct virtio_vsock_config config;

    vsock_plug();
    cr_assert_eq(vd_read(&d, VIRTIO_MMIO_DEVICE_ID), VIRTIO_ID_VSOCK);
    vd_config_read(&d, 0, &config, sizeof(config));
    cr_assert_eq(config.guest_cid, CID);
    cr_assert(vd_negotiate(&d, 0));
    cr_assert_eq(d.features, BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_RING_F_INDIRECT_DESC) |
                                 BIT(VIRTIO_RING_F_EVENT_IDX));
}

ON_BOTH(vsock, a_client_connects)
{
    struct guest g;
    int fd;

    vsock_start(0, 16);
    fd = client_connect(&g, 1024);
    cr_assert_eq(g.host_port, 1u << 30);
    host_write(fd, "hello", 5);
    cr_assert_eq(memcmp(guest_expect(&g, OP(RW)).data, "hello", 5), 0);
    guest_write(&g, "world!", 6);
    host_expect(fd, "world!", 6);
    (void)close(fd);
    cr_assert_eq(guest_expect(&g, OP(SHUTDOWN)).h.flags, 3);
    guest_say(&g, OP(RST));
    cr_assert_eq(counter("conns_added"), 1);
    cr_assert_eq(counter("conns_removed"), 1);
    cr_assert_eq(counter("rx_bytes_count"), 5);
    cr_assert_eq(counter("tx_bytes_count"), 6);
}

ON_BOTH(vsock, the_guest_connects)
{
    int server = host_listen(52, 1);
    struct guest g;
    int fd;

    vsock_start(0, 16);
    fd = guest_connect(&g, 777, 52, server);
    guest_write(&g, "question", 8);
    host_expect(fd, "question", 8);
    host_write(fd, "answer", 6);
    cr_assert_eq(memcmp(guest_expect(&g, OP(RW)).data, "answer", 6), 0);
    guest_shut(&g, 3);
    (void)guest_expect(&g, OP(RST));
    host_expect_end(fd);
    (void)close(fd);
    host_unlisten(server, 52);
}

ON_BOTH(vsock, nobody_listens_on_the_host)
{
    struct guest g = { .port = 5, .host_port = 6 };

    vsock_start(0, 16);
    guest_say(&g, OP(REQUEST));
    (void)guest_expect(&g, OP(RST));
    cr_assert_eq(counter("conns_killed"), 1);
    cr_assert_eq(counter("conns_added"), 0);
}

ON_BOTH(vsock, the_guest_refuses)
{
    struct guest g = { .port = 9 };
    int fd;

    vsock_start(0, 16);
    fd = host_dial();
    host_write(fd, "CONNECT 9\n", 10);
    g.host_port = guest_hear().h.src_port;
    guest_say(&g, OP(RST));
    host_expect_end(fd);
    (void)close(fd);
}

/* Some megabytes to the guest, which gives credit as Linux does, and none to spare. */
static void run_to_guest(void)
{
    static uint8_t bytes[5u << 20];
    uint64_t before = counter("rx_bytes_count");
    size_t put = 0, got = 0;
    struct guest g;
    int fd;

    stream_fill(bytes, 1, 0, sizeof(bytes));
    fd = client_connect(&g, 1);
    g.alloc = 100000;
    guest_say(&g, OP(CREDIT_UPDATE));
    while (got < sizeof(bytes)) {
        struct packet p;
        ssize_t n = send(fd, bytes + put, sizeof(bytes) - put, MSG_NOSIGNAL);
        put += n > 0 ? (size_t)n : 0;
        while (guest_hears(&p)) {
            guest_offer(1, 4096 + HEADER);
            if (p.h.op == OP(CREDIT_REQUEST))
                continue;
            cr_assert_eq(p.h.op, OP(RW));
            cr_assert_eq(stream_same(p.data, 1, got, p.h.len), p.h.len);
            got += p.h.len;
            cr_assert_leq((uint32_t)got - g.forwarded, g.alloc);
        }
        g.forwarded = (uint32_t)got;
        guest_say(&g, OP(CREDIT_UPDATE));
    }
    cr_assert_eq(counter("rx_bytes_count") - before, sizeof(bytes));
    (void)close(fd);
}

ON_BOTH(vsock, carries_megabytes_to_the_guest)
{
    for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (i == 0)
            vsock_plug();
        d.by_register = i == 1;
        vd_start(&d, kinds[i].without);
        guest_offer(64, 4096 + HEADER);
        run_to_guest();
        vd_reset(&d);
    }
}

/* Some megabytes to the host, in packets of all lengths that the credit allows. */
ON_BOTH(vsock, carries_megabytes_to_the_host)
{
    static uint8_t bytes[5u << 20];
    uint32_t sent = 0, forwarded = 0, got = 0;
    int server = host_listen(1, 1);
    struct guest g;
    int fd;

    stream_fill(bytes, 2, 0, sizeof(bytes));
    vsock_start(0, 64);
    fd = guest_connect(&g, 1, 1, server);
    while (got < sizeof(bytes)) {
        uint32_t room = (128u << 10) - (sent - forwarded);
        uint32_t len = 1 + sent % 70000;
        struct packet p;
        uint8_t *is = malloc(200000);
        ssize_t n;
        len = len < room ? len : room;
        len = len < sizeof(bytes) - sent ? len : (uint32_t)sizeof(bytes) - sent;
        if (len > 0)
            guest_write(&g, bytes + sent, len);
        sent += len;
        n = recv(fd, is, sent % 200000, MSG_DONTWAIT);
        if (n > 0) {
            cr_assert_eq(stream_same(is, 2, got, (size_t)n), (size_t)n);
            got += (uint32_t)n;
        }
        free(is);
        while (guest_hears(&p)) {
            guest_offer(1, 4096 + HEADER);
            cr_assert_eq(p.h.op, OP(CREDIT_UPDATE));
            cr_assert_eq(p.h.buf_alloc, 128u << 10);
            forwarded = p.h.fwd_cnt;
            cr_assert_leq(forwarded, sent);
        }
    }
    cr_assert_eq(counter("tx_bytes_count"), sizeof(bytes));
    (void)close(fd);
    host_unlisten(server, 1);
}
