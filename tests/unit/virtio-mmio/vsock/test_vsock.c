/* The device as driver, operator and the host's programs see it: life, connecting, data. */
#include "virtio-mmio/vsock/vsock.h"

#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

#include "lib/sleeper.h"
#include "unit/virtio-mmio/vsock/vsock_rig.h"

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

/* Some megabytes to the guest, which gives credit as Linux does, but little of it. */
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

/* Half closes. */

ON_BOTH(vsock, the_client_shuts_its_direction)
{
    struct guest g;
    int fd;

    vsock_start(0, 16);
    fd = client_connect(&g, 1);
    host_write(fd, "all", 3);
    cr_assert_eq(shutdown(fd, SHUT_WR), 0);
    cr_assert_eq(guest_expect(&g, OP(RW)).h.len, 3);
    cr_assert_eq(guest_expect(&g, OP(SHUTDOWN)).h.flags, VIRTIO_VSOCK_SHUTDOWN_SEND);
    guest_write(&g, "answer", 6);
    host_expect(fd, "answer", 6);
    guest_shut(&g, 3);
    (void)guest_expect(&g, OP(RST));
    host_expect_end(fd);
    (void)close(fd);
    guest_expect_nothing();
}

ON_BOTH(vsock, the_guest_shuts_its_direction)
{
    struct guest g;
    int fd;

    vsock_start(0, 16);
    fd = client_connect(&g, 1);
    guest_write(&g, "all", 3);
    guest_shut(&g, VIRTIO_VSOCK_SHUTDOWN_SEND);
    host_expect(fd, "all", 3);
    host_expect_end(fd);
    host_write(fd, "answer", 6);
    cr_assert_eq(guest_expect(&g, OP(RW)).h.len, 6);
    (void)close(fd);
    cr_assert_eq(guest_expect(&g, OP(SHUTDOWN)).h.flags, 3);
    guest_say(&g, OP(RST));
    guest_expect_nothing();
    cr_assert_eq(counter("conns_removed"), 1);
}

ON_BOTH(vsock, the_guest_takes_no_more)
{
    struct guest g;
    int fd;

    vsock_start(0, 16);
    fd = client_connect(&g, 1);
    guest_shut(&g, VIRTIO_VSOCK_SHUTDOWN_RCV);
    vd_settle(&d);
    cr_assert_eq(send(fd, "x", 1, MSG_NOSIGNAL), -1);
    cr_assert_eq(errno, EPIPE);
    guest_write(&g, "but sends", 9);
    host_expect(fd, "but sends", 9);
    guest_shut(&g, VIRTIO_VSOCK_SHUTDOWN_SEND);
    (void)guest_expect(&g, OP(RST));
    host_expect_end(fd);
    (void)close(fd);
}

/* The driver comes and goes. */

ON_BOTH(vsock, clients_wait_for_a_driver)
{
    int fd[3];

    vsock_plug();
    for (unsigned i = 0; i < 3; i++) {
        fd[i] = host_dial();
        host_write(fd[i], "CONNECT 7\n", 10);
    }
    vd_settle(&d);
    host_expect_nothing(fd[0]);
    vd_start(&d, 0);
    vd_settle(&d);
    guest_offer(8, 4096);
    for (unsigned i = 0; i < 3; i++)
        cr_assert_eq(guest_hear().h.op, OP(REQUEST));
    for (unsigned i = 0; i < 3; i++)
        (void)close(fd[i]);
}

/* Connections that wait for everything they can wait for, and then the driver leaves. */
ON_BOTH(vsock, a_reset_closes_everything)
{
    static uint8_t much[128 << 10];
    int server = host_listen(52, 8);
    struct guest g;
    int fd[6];

    vsock_plug();
    for (unsigned round = 0; round < 3; round++) {
        vd_start(&d, 0);
        guest_offer(16, 4096);
        fd[0] = host_dial(); /* says nothing */
        fd[1] = host_dial(); /* is not answered */
        host_write(fd[1], "CONNECT 7\n", 10);
        cr_assert_eq(guest_hear().h.op, OP(REQUEST));
        fd[2] = client_connect(&g, 1); /* is idle */
        fd[3] = client_connect(&g, 2); /* does not read */
        guest_write(&g, much, sizeof(much));
        guest_write(&g, much, 1000);
        fd[4] = guest_connect(&g, 3, 52, server); /* is half closed */
        (void)shutdown(fd[4], SHUT_WR);
        (void)guest_expect(&g, OP(SHUTDOWN));
        fd[5] = guest_connect(&g, 4, 52, server); /* is not read */
        g.alloc = 10;
        guest_say(&g, OP(CREDIT_UPDATE));
        host_write(fd[5], much, 5000);
        if (round > 0)
            vd_settle(&d);
        if (round == 2)
            for (unsigned i = 0; i < 100; i++)
                guest_put(header_of(&(struct guest){ .port = 99 }, OP(RW)), NULL, 0);
        vd_reset(&d);
        for (unsigned i = 0; i < 6; i++) {
            while (host_read(fd[i], much, sizeof(much)) > 0)
                ;
            (void)close(fd[i]);
        }
    }
    host_unlisten(server, 52);
}

ON_BOTH(vsock, it_is_unplugged_at_work)
{
    struct guest g;
    int fd[2];

    vsock_start(0, 16);
    fd[0] = client_connect(&g, 1);
    fd[1] = host_dial();
    host_write(fd[0], "unheard", 7);
    guest_put(header_of(&g, OP(CREDIT_REQUEST)), NULL, 0);
    (void)close(fd[0]);
    (void)close(fd[1]);
}

ON_BOTH(vsock, a_failed_device_waits_for_its_reset)
{
    struct guest g;
    int fd[2];

    vsock_start(0, 16);
    fd[0] = client_connect(&g, 1);
    (void)vd_chain(&d, TX, &(struct vd_buf){ TX_AT, 1, 0 }, 1);
    (void)vd_kick(&d, TX);
    vd_settle(&d);
    cr_assert(vd_failed(&d));
    host_write(fd[0], "unheard", 7);
    fd[1] = host_dial();
    host_write(fd[1], "CONNECT 7\n", 10);
    vd_settle(&d);
    vd_reset(&d);
    host_expect_end(fd[1]);
    vd_start(&d, 0);
    guest_offer(16, 4096);
    (void)close(fd[1]);
    fd[1] = client_connect(&g, 1);
    for (unsigned i = 0; i < 2; i++)
        (void)close(fd[i]);
}

ON_BOTH(vsock, the_guest_is_told_of_a_new_transport)
{
    struct virtio_vsock_event event = { .id = 9 };
    gpa_t at = vd_alloc(&d, 8);
    struct guest g;
    int fd;

    vsock_start(0, 16);
    fd = client_connect(&g, 1);
    (void)vd_chain(&d, EVENT, &(struct vd_buf){ at, 4, VD_WRITE }, 1);
    (void)vd_kick(&d, EVENT);
    memcpy(vd_at(&d, at, 4), &event, 4);
    vsock_transport_reset(vsock);
    cr_assert_eq(vd_await(&d, EVENT).len, 4);
    memcpy(&event, vd_at(&d, at, 4), 4);
    cr_assert_eq(event.id, VIRTIO_VSOCK_EVENT_TRANSPORT_RESET);
    host_expect_end(fd);
    (void)close(fd);
    vsock_transport_reset(vsock); /* there is no buffer */
    guest_expect_nothing();
    cr_assert(!vd_failed(&d));
    (void)vd_chain(&d, EVENT, &(struct vd_buf){ at, 3, VD_WRITE }, 1);
    vsock_transport_reset(vsock);
    cr_assert(vd_failed(&d));
}

/* Idle. */

ON_BOTH(vsock, nobody_is_woken_for_nothing)
{
    struct guest g;
    int fd;

    vsock_start(0, 16);
    fd = client_connect(&g, 1);
    guest_expect_nothing();
    (void)vd_interrupts(&d, NULL);
    for (unsigned i = 0; i < 4; i++) {
        cr_assert_eq(vd_interrupts(&d, NULL), 0);
        guest_offer(1, 4096);
        vd_settle(&d);
    }
    cr_assert_leq(counter("rx_queue_event_count"), 3);
    (void)close(fd);
}

/* Creating. */

static void expect_refusal(struct vsock_config config, int code, const char *text)
{
    struct vsock *none = NULL;
    struct err e;

    cr_assert_eq(vsock_create(&none, &config, &e), -code);
    cr_assert_null(none);
    cr_assert_str_eq(e.text, text);
}

ON_BOTH(vsock, refuses_what_it_cannot_be)
{
    static const uint32_t cids[] = { 0, 1, 2, UINT32_MAX };
    char text[300], path[200];

    for (unsigned i = 0; i < 4; i++) {
        (void)snprintf(text, sizeof(text), "a guest's vsock CID is 3 to 4294967294, not %u",
                       cids[i]);
        expect_refusal((struct vsock_config){ .cid = cids[i], .uds_path = uds }, EINVAL, text);
    }
    memset(path, 'x', 150);
    path[150] = '\0';
    (void)snprintf(text, sizeof(text),
                   "vsock: the path of a vsock's unix socket has at most 96 characters, because "
                   "'_PORT' is appended to it; this one has 150: %.120s",
                   path);
    expect_refusal((struct vsock_config){ .cid = 3, .uds_path = path }, EINVAL, text);
    vsock_plug();
    (void)snprintf(text, sizeof(text), "vsock: the socket '%s' is in use by another process", uds);
    expect_refusal(setup, EADDRINUSE, text);
}

ON_BOTH(vsock, has_the_name_it_is_given)
{
    setup.id = "agent";
    setup.cid = 0xfffffffe;
    vsock_plug();
    cr_assert_str_eq(vsock_device(vsock)->setup.name, "vsock.agent");
    cr_assert_str_eq(d.metrics.first->name, "vsock.agent");
}

Test(vsock, destroys_nothing)
{
    vsock_destroy(NULL);
}

/* A client that writes without end to a guest without buffers: it waits, and so does the loop. */
ON_BOTH(vsock, a_flood_without_buffers_wakes_nobody)
{
    static const uint8_t much[4096];
    int fd;

    vsock_start(0, 0);
    fd = host_dial();
    host_write(fd, "CONNECT 1234\n", 13);
    vd_settle(&d);
    while (send(fd, much, sizeof(much), MSG_NOSIGNAL) > 0)
        vd_settle(&d);
    cr_assert(loop_sleeps(d.loop));
    (void)close(fd);
}
