/* The data path: what the guest may send, what it gets, in which order, and how much at a time. */
#include "virtio-mmio/vsock/vsock_port.h"

#include <linux/virtio_mmio.h>
#include <sys/resource.h>

#include "unit/virtio-mmio/vsock/vsock_rig.h"

/* Chains. */

static void expect_failure(unsigned queue, const struct vd_buf *bufs, unsigned count)
{
    struct guest g;
    struct vd_used used;
    int fd;

    vd_start(&d, 0);
    if (queue == TX)
        guest_offer(4, 4096);
    (void)vd_chain(&d, queue, bufs, count);
    (void)vd_kick(&d, queue);
    if (queue == RX) { /* its chains are looked at once there is a packet for the guest */
        g = (struct guest){ .port = 5 };
        guest_put(header_of(&g, OP(RW)), NULL, 0);
    }
    vd_settle(&d);
    cr_assert(vd_failed(&d));
    fd = host_dial();
    vd_kick_hard(&d, RX);
    vd_kick_hard(&d, TX);
    vd_settle(&d);
    cr_assert(!vd_reap(&d, RX, &used));
    (void)close(fd);
}

ON_BOTH(vsock_port, what_is_no_packet_fails_the_device)
{
    vsock_plug();
    expect_failure(TX, &(struct vd_buf){ TX_AT, HEADER - 1, 0 }, 1);
    expect_failure(TX, &(struct vd_buf){ TX_AT, 0, 0 }, 1);
    expect_failure(TX, &(struct vd_buf){ TX_AT, HEADER, VD_WRITE }, 1);
    expect_failure(TX, (struct vd_buf[]){ { TX_AT, HEADER, 0 }, { TX_AT, 8, VD_WRITE } }, 2);
    expect_failure(TX, &(struct vd_buf){ VD_LOW_END - 8, HEADER, 0 }, 1);
    expect_failure(TX, &(struct vd_buf){ UINT64_MAX - 8, HEADER, 0 }, 1);
    expect_failure(TX, (struct vd_buf[]){ { TX_AT, HEADER, 0 }, { VD_HIGH_END - 1, 2, 0 } }, 2);
}

ON_BOTH(vsock_port, what_is_no_room_fails_the_device)
{
    vsock_plug();
    expect_failure(RX, &(struct vd_buf){ RX_AT, 4096, 0 }, 1);
    expect_failure(RX, &(struct vd_buf){ RX_AT, HEADER, VD_WRITE }, 1);
    expect_failure(RX, &(struct vd_buf){ RX_AT, 0, VD_WRITE }, 1);
    expect_failure(RX, (struct vd_buf[]){ { RX_AT, 64, 0 }, { RX_AT, 4096, VD_WRITE } }, 2);
    expect_failure(RX, &(struct vd_buf){ VD_LOW_END - 8, 4096, VD_WRITE }, 1);
}

/* Headers and payloads may be cut anywhere, in both directions. */
ON_BOTH(vsock_port, buffers_are_cut_anywhere)
{
    const struct vd_buf to[] = { { RX_AT, 7, VD_WRITE },
                                 { RX_AT + 7, 36, VD_WRITE },
                                 { RX_AT + 43, 3, VD_WRITE },
                                 { RX_AT + 46, 0, VD_WRITE },
                                 { RX_AT + 46, 100, VD_WRITE } };
    const struct vd_buf from[] = { { TX_AT, 1, 0 }, { TX_AT + 1, 50, 0 }, { TX_AT + 51, 3, 0 } };
    struct virtio_vsock_hdr h;
    struct packet p;
    struct guest g;
    int fd;

    vsock_start(0, 1); /* for the REQUEST */
    fd = client_connect(&g, 3);
    (void)vd_chain(&d, TX, from, 3);
    h = header_of(&g, OP(RW));
    h.len = 9;
    memcpy(vd_at(&d, TX_AT, HEADER), &h, HEADER);
    memcpy(vd_at(&d, TX_AT + HEADER, 10), "123456789x", 10);
    (void)vd_kick(&d, TX);
    (void)vd_await(&d, TX);
    host_expect(fd, "123456789", 9);
    host_expect_nothing(fd); /* the header does not count the last byte */
    host_write(fd, "a", 1);
    cr_assert_eq(guest_hear().h.len, 1);
    host_write(fd, "b", 1); /* into the buffer that took its place */
    (void)vd_await(&d, RX);
    (void)vd_indirect(&d, RX, to, 5);
    (void)vd_kick(&d, RX);
    host_write(fd, "123456789", 9);
    cr_assert_eq(vd_await(&d, RX).len, HEADER + 9);
    p = packet_of((struct vd_used){ .head = 0, .len = HEADER + 9 });
    cr_assert_eq(p.h.op, OP(RW));
    cr_assert_eq(memcmp(p.data, "123456789", 9), 0);
    (void)close(fd);
}

/* Headers. */

ON_BOTH(vsock_port, a_wrong_address_is_reset_from_there)
{
    struct virtio_vsock_hdr h;
    struct packet p;
    struct guest g;
    int fd;

    vsock_start(0, 16);
    fd = client_connect(&g, 3);
    h = header_of(&g, OP(RW));
    h.dst_cid = UINT64_C(0x100000002);
    guest_send(h, NULL, 0);
    p = guest_hear();
    cr_assert_eq(p.h.op, OP(RST));
    cr_assert_eq(p.h.src_cid, UINT64_C(0x100000002));
    h = header_of(&g, OP(REQUEST));
    h.src_cid = CID + 1;
    guest_send(h, NULL, 0);
    p = guest_hear();
    cr_assert_eq(p.h.op, OP(RST));
    cr_assert_eq(p.h.dst_cid, CID);
    guest_write(&g, "as ever", 7);
    host_expect(fd, "as ever", 7);
    (void)close(fd);
}

static void expect_break(struct guest *g, struct virtio_vsock_hdr h, const void *data, uint32_t len)
{
    int fd = client_connect(g, 3);

    h.dst_port = g->host_port;
    guest_send(h, data, len);
    cr_assert_eq(guest_hear().h.op, OP(RST));
    host_expect_end(fd);
    (void)close(fd);
    guest_expect_nothing();
}

ON_BOTH(vsock_port, what_is_malformed_breaks_its_connection)
{
    struct guest g = { .port = 3 };
    struct virtio_vsock_hdr h;

    vsock_start(0, 16);
    for (uint16_t type = 0; type < 4; type++) {
        h = header_of(&g, OP(RW));
        h.type = type;
        if (type != VIRTIO_VSOCK_TYPE_STREAM)
            expect_break(&g, h, NULL, 0);
    }
    expect_break(&g, header_of(&g, OP(INVALID)), NULL, 0);
    expect_break(&g, header_of(&g, 8), NULL, 0);
    expect_break(&g, header_of(&g, UINT16_MAX), NULL, 0);
    expect_break(&g, header_of(&g, OP(REQUEST)), NULL, 0);
    expect_break(&g, header_of(&g, OP(RESPONSE)), NULL, 0);
    h = header_of(&g, OP(RW));
    h.len = 11;
    expect_break(&g, h, "0123456789", 10);
    h.len = UINT32_MAX;
    expect_break(&g, h, "0123456789", 10);
    h.len = 1;
    expect_break(&g, h, NULL, 0);
    cr_assert(!vd_failed(&d));
    cr_assert_eq(counter("conns_killed"), counter("conns_added"));
}

ON_BOTH(vsock_port, what_belongs_to_no_connection_is_reset)
{
    struct guest g = { .port = 1234, .host_port = 4321 };

    vsock_start(0, 16);
    for (uint16_t op = 0; op < 10; op++) {
        guest_say(&g, op);
        if (op != OP(RST))
            (void)guest_expect(&g, OP(RST));
        guest_expect_nothing();
    }
}

/* A reset is never answered, however wrong it is. */
ON_BOTH(vsock_port, a_reset_is_not_answered)
{
    struct guest g = { .port = 1234, .host_port = 4321 };
    struct virtio_vsock_hdr h = header_of(&g, OP(RST));

    vsock_start(0, 16);
    guest_send(h, NULL, 0);
    h.type = 7;
    guest_send(h, NULL, 0);
    h.dst_cid = 7;
    guest_send(h, NULL, 0);
    h.src_cid = 7;
    guest_send(h, NULL, 0);
    guest_expect_nothing();
}

/* Credit. */

ON_BOTH(vsock_port, the_guest_cannot_overrun_a_peer_that_does_not_read)
{
    static uint8_t bytes[VSOCK_BUFFER];
    struct guest g;
    uint32_t sent = 0, forwarded = 0, room;
    struct packet p;
    size_t got = 0, n = 1;
    int fd;

    stream_fill(bytes, 0, 0, sizeof(bytes));
    vsock_start(0, 16);
    fd = client_connect(&g, 1);
    do { /* until all that is credited is on the way, and nothing of it moves */
        guest_say(&g, OP(CREDIT_REQUEST));
        while (guest_hears(&p)) {
            guest_offer(1, 4096);
            cr_assert_eq(p.h.op, OP(CREDIT_UPDATE));
            forwarded = p.h.fwd_cnt;
        }
        room = VSOCK_BUFFER - (sent - forwarded);
        stream_fill(bytes, 0, sent, room);
        guest_write(&g, bytes, room);
        sent += room;
    } while (room > 0);
    cr_assert_geq(sent, VSOCK_BUFFER);
    guest_write(&g, bytes, 1);
    (void)guest_expect(&g, OP(RST));
    for (; n > 0; got += n) {
        n = host_read(fd, bytes, sizeof(bytes));
        cr_assert_eq(stream_same(bytes, 0, got, n), n);
    }
    cr_assert_lt(got, sent);
    (void)close(fd);
}

ON_BOTH(vsock_port, no_more_goes_to_the_guest_than_it_takes)
{
    static uint8_t bytes[50000];
    struct guest g;
    struct packet p;
    int fd;

    vsock_start(0, 16);
    fd = client_connect(&g, 1);
    g.alloc = 5000;
    guest_say(&g, OP(CREDIT_UPDATE));
    stream_fill(bytes, 0, 0, sizeof(bytes));
    host_write(fd, bytes, sizeof(bytes));
    cr_assert_eq(guest_expect(&g, OP(RW)).h.len, 4096);
    cr_assert_eq(guest_expect(&g, OP(RW)).h.len, 5000 - 4096);
    (void)guest_expect(&g, OP(CREDIT_REQUEST));
    guest_say(&g, OP(CREDIT_UPDATE)); /* nothing yet */
    guest_expect_nothing();
    g.forwarded = 1;
    guest_say(&g, OP(CREDIT_UPDATE));
    p = guest_expect(&g, OP(RW));
    cr_assert_eq(p.h.len, 1);
    cr_assert_eq(p.data[0], stream_byte(0, 5000));
    (void)guest_expect(&g, OP(CREDIT_REQUEST));
    g.alloc = 0; /* and takes its word back */
    g.forwarded = 2;
    guest_say(&g, OP(CREDIT_UPDATE));
    guest_expect_nothing();
    (void)close(fd);
}

/* The socket is full, then the buffer is full, and then the peer reads after all. */
ON_BOTH(vsock_port, a_slow_peer_gets_everything)
{
    static uint8_t bytes[VSOCK_BUFFER];
    uint32_t sent = 0, forwarded = 0, got = 0;
    struct guest g;
    int fd;

    vsock_start(0, 16);
    fd = client_connect(&g, 1);
    while (got < 3u << 20) {
        uint32_t room = VSOCK_BUFFER - (sent - forwarded);
        struct packet p;
        ssize_t n;
        stream_fill(bytes, 4, sent, room);
        guest_write(&g, bytes, room);
        sent += room;
        guest_say(&g, OP(CREDIT_REQUEST));
        while (guest_hears(&p)) {
            guest_offer(1, 4096);
            forwarded = p.h.fwd_cnt;
        }
        if (forwarded < sent && room > 0) /* not until it is full */
            continue;
        n = recv(fd, bytes, 50000, MSG_DONTWAIT);
        if (n > 0) {
            cr_assert_eq(stream_same(bytes, 4, got, (size_t)n), (size_t)n);
            got += (uint32_t)n;
        }
    }
    cr_assert_eq(counter("tx_flush_fails"), 0);
    (void)close(fd);
}

/* Exactly a buffer's worth: only the next buffer shows that there is no more, and is given back. */
ON_BOTH(vsock_port, a_full_buffer_takes_no_second_one)
{
    static uint8_t bytes[4096];
    struct guest g;
    int fd;

    vsock_start(0, 2);
    fd = client_connect(&g, 1);
    for (unsigned i = 0; i < 10; i++) {
        stream_fill(bytes, i, 0, sizeof(bytes));
        host_write(fd, bytes, sizeof(bytes));
        struct packet p = guest_expect(&g, OP(RW));
        cr_assert_eq(p.h.len, sizeof(bytes));
        cr_assert_eq(stream_same(p.data, i, 0, sizeof(bytes)), sizeof(bytes));
        guest_expect_nothing();
        cr_assert(!vd_failed(&d));
    }
    cr_assert_eq(counter("rx_packets_count"), 11);
    (void)close(fd);
}

/* Turns. */

/* One peer reads nothing, and the other connections do not notice. */
ON_BOTH(vsock_port, a_slow_peer_holds_nobody_up)
{
    static uint8_t bytes[64 << 10];
    struct guest slow, quick;
    int fd[2];

    vsock_start(0, 16);
    fd[0] = client_connect(&slow, 1);
    fd[1] = client_connect(&quick, 2);
    for (unsigned i = 0; i < 4; i++) {
        struct packet p;
        guest_write(&slow, bytes, sizeof(bytes) / 2);
        while (guest_hears(&p))
            guest_offer(1, 4096);
        guest_write(&quick, "through", 7);
        host_expect(fd[1], "through", 7);
        host_write(fd[1], "and back", 8);
        (void)guest_expect(&quick, OP(RW));
    }
    for (unsigned i = 0; i < 2; i++)
        (void)close(fd[i]);
}

ON_BOTH(vsock_port, connections_take_turns)
{
    static uint8_t bytes[80000];
    unsigned from[3] = { 0 };
    struct guest g[3];
    int fd[3];

    vsock_start(0, 8);
    for (unsigned i = 0; i < 3; i++)
        fd[i] = client_connect(&g[i], i);
    for (unsigned i = 0; i < 8; i++) /* none is left to hear with */
        (void)guest_put(header_of(&(struct guest){ .port = 99 }, OP(RW)), NULL, 0);
    for (unsigned i = 0; i < 8; i++)
        (void)vd_await(&d, RX);
    for (unsigned i = 0; i < 3; i++)
        host_write(fd[i], bytes, sizeof(bytes));
    vd_settle(&d);
    guest_offer(30, 1000 + HEADER);
    for (unsigned i = 0; i < 30; i++) {
        struct packet p = packet_of(vd_await(&d, RX));
        cr_assert_eq(p.h.op, OP(RW));
        from[p.h.dst_port]++;
        if (i % 3 == 2)
            cr_assert(from[0] == from[1] && from[1] == from[2], "after %u packets", i + 1);
    }
    for (unsigned i = 0; i < 3; i++)
        (void)close(fd[i]);
}

/* Much more than one turn's worth each way; nothing is left behind at its end. */
ON_BOTH(vsock_port, a_turn_that_ends_goes_on)
{
    static uint8_t bytes[200000];
    struct packet p;
    struct guest g;
    unsigned heard = 0;
    int fd;

    vsock_start(UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX, 250); /* each turn's end is heard of */
    fd = client_connect(&g, 1);
    for (unsigned i = 0; i < 250; i++) {
        struct virtio_vsock_hdr h = header_of(&g, OP(RW));
        h.len = 1;
        memcpy(vd_at(&d, TX_AT + i * 64, HEADER), &h, HEADER);
        (void)vd_chain(&d, TX, &(struct vd_buf){ TX_AT + i * 64, HEADER + 1, 0 }, 1);
    }
    (void)vd_interrupts(&d, NULL);
    (void)vd_kick(&d, TX);
    for (unsigned i = 0; i < 250; i++)
        (void)vd_await(&d, TX);
    cr_assert_geq(vd_interrupts(&d, NULL), 2);
    for (unsigned i = 0; i < 200; i++) {
        char byte;
        (void)host_read(fd, &byte, 1);
        host_write(fd, &byte, 1);
        if (i % 10 == 9)
            vd_settle(&d);
    }
    while (guest_hears(&p)) {
        guest_offer(1, 4096 + HEADER);
        heard += p.h.len;
    }
    cr_assert_eq(heard, 200);
    host_write(fd, bytes, sizeof(bytes)); /* all buffers are there, and it takes 50 of them */
    (void)vd_interrupts(&d, NULL);
    while (guest_hears(&p))
        heard += p.h.len;
    cr_assert_eq(heard, 200 + sizeof(bytes));
    cr_assert_geq(vd_interrupts(&d, NULL), 2);
    (void)close(fd);
}

/* The guest sends but offers no buffers: what it sends gets through, and what it is told waits. */
ON_BOTH(vsock_port, a_guest_without_buffers_is_heard)
{
    int server = host_listen(52, 8);
    struct guest g = { .port = 7, .host_port = 52, .alloc = 100 };
    int fd;

    vsock_start(0, 0);
    guest_say(&g, OP(REQUEST));
    fd = accept4(server, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    cr_assert_geq(fd, 0);
    guest_write(&g, "early", 5);
    host_expect(fd, "early", 5);
    (void)close(fd);
    guest_say(&g, OP(CREDIT_REQUEST));
    guest_offer(4, 4096);
    (void)guest_expect(&g, OP(RESPONSE));
    host_unlisten(server, 52);
}

/* Resets need memory, so the guest has to take some before more of its packets are. */
ON_BOTH(vsock_port, resets_hold_a_deaf_guest_up)
{
    unsigned used = 0, resets = 0;
    struct vd_used one;
    struct packet p;

    vsock_start(0, 0);
    for (unsigned i = 0; i < 200; i++) {
        struct virtio_vsock_hdr h = header_of(&(struct guest){ .port = i }, OP(RW));
        memcpy(vd_at(&d, TX_AT + i * 64, HEADER), &h, HEADER);
        (void)vd_chain(&d, TX, &(struct vd_buf){ TX_AT + i * 64, HEADER, 0 }, 1);
    }
    (void)vd_kick(&d, TX);
    vd_settle(&d);
    while (vd_reap(&d, TX, &one))
        used++;
    cr_assert_gt(used, 50);
    cr_assert_leq(used, VSOCK_RESETS_MAX);
    guest_offer(1, 4096);
    while (guest_hears(&p)) {
        cr_assert_eq(p.h.op, OP(RST));
        cr_assert_eq(p.h.dst_port, resets);
        resets++;
        guest_offer(1, 4096);
    }
    while (vd_reap(&d, TX, &one))
        used++;
    cr_assert_eq(used, 200);
    cr_assert_eq(resets, 200);
}

/* A thousand at a time. */

#define MANY 1000u

static void descriptors_allow(unsigned count)
{
    struct rlimit limit;

    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur < count)
        limit.rlim_cur = count;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0, "this host allows too few descriptors");
}

ON_BOTH(vsock_port, a_thousand_connections_from_the_host)
{
    static struct guest g[MANY];
    static int fd[MANY];

    descriptors_allow(2 * MANY + 100);
    vsock_start(0, 64);
    for (unsigned i = 0; i < MANY; i++)
        fd[i] = client_connect(&g[i], i % 7);
    for (unsigned i = 0; i < MANY; i++)
        host_write(fd[i], &i, sizeof(i));
    for (unsigned i = 0; i < MANY; i++) {
        struct packet p = guest_hear();
        unsigned number = p.h.src_port - g[0].host_port;
        cr_assert_eq(p.h.op, OP(RW));
        cr_assert_eq(memcmp(p.data, &number, sizeof(number)), 0);
        guest_write(&g[number], p.data, p.h.len);
        host_expect(fd[number], &number, sizeof(number));
    }
    for (unsigned i = 0; i < MANY; i += 2)
        (void)close(fd[i]);
    for (unsigned i = 0; i < MANY; i += 2) {
        struct packet p = guest_hear();
        cr_assert_eq(p.h.op, OP(SHUTDOWN));
        guest_say(&g[p.h.src_port - g[0].host_port], OP(RST));
    }
    for (unsigned i = 1; i < MANY; i += 2) {
        guest_shut(&g[i], 3);
        (void)guest_expect(&g[i], OP(RST));
        host_expect_end(fd[i]);
        (void)close(fd[i]);
    }
    cr_assert_eq(counter("conns_added"), MANY);
    cr_assert_eq(counter("conns_removed"), MANY);
}

ON_BOTH(vsock_port, a_thousand_connections_from_the_guest)
{
    static struct guest g[MANY];
    static int fd[MANY];
    int server = host_listen(52, 8);

    descriptors_allow(2 * MANY + 100);
    vsock_start(0, 64);
    for (unsigned i = 0; i < MANY; i++)
        fd[i] = guest_connect(&g[i], i, 52, server);
    for (unsigned i = 0; i < MANY; i++) {
        guest_write(&g[i], &i, sizeof(i));
        host_expect(fd[i], &i, sizeof(i));
    }
    for (unsigned i = 0; i < MANY; i++) {
        guest_say(&g[i], OP(RST));
        host_expect_end(fd[i]);
        (void)close(fd[i]);
    }
    cr_assert_eq(counter("conns_removed"), MANY);
    host_unlisten(server, 52);
}

/* More than there may be are refused, until one has gone. */
ON_BOTH(vsock_port, the_table_is_full)
{
    int server = host_listen(52, 8);
    struct guest g[3], more = { .port = 9, .host_port = 52 };
    int fd[3], client;

    setup.conns_max = 3;
    vsock_start(0, 16);
    for (unsigned i = 0; i < 3; i++)
        fd[i] = guest_connect(&g[i], i, 52, server);
    guest_say(&more, OP(REQUEST));
    (void)guest_expect(&more, OP(RST));
    client = host_dial();
    host_expect_end(client);
    (void)close(client);
    cr_assert_eq(counter("muxer_event_fails"), 1);
    (void)close(fd[1]);
    (void)guest_expect(&g[1], OP(SHUTDOWN));
    guest_say(&more, OP(REQUEST)); /* takes the place of the one that lingers */
    (void)guest_expect(&g[1], OP(RST));
    (void)guest_expect(&more, OP(RESPONSE));
    cr_assert_eq(counter("conns_removed"), 1);
    (void)close(fd[0]);
    (void)close(fd[2]);
    host_unlisten(server, 52);
}
