/* The table of connections: finding, ports, turns, resets, room. */
#include "virtio-mmio/vsock/vsock_mux.h"

#include "unit/virtio-mmio/vsock/vsock_link_rig.h"

ON_BOTH(vsock_mux, finds_by_both_ports)
{
    static const uint32_t ports[][2] = { { 1, 2 },          { 2, 1 },          { 1, 1 },
                                         { 0, UINT32_MAX }, { UINT32_MAX, 0 }, { 1, 3 } };
    struct vsock_link *l[6];
    int peer[6];

    for (unsigned i = 0; i < 6; i++) {
        cr_assert_null(vsock_mux_find(&mux, ports[i][0], ports[i][1]));
        l[i] = link_open(ports[i][0], ports[i][1], &peer[i]);
    }
    for (unsigned i = 0; i < 6; i++)
        cr_assert_eq(vsock_mux_find(&mux, ports[i][0], ports[i][1]), l[i]);
    cr_assert_null(vsock_mux_find(&mux, 3, 1));
    cr_assert_eq(mux.count, 6);
    link_hear(l[0], OP(RST), 0, 0);
    vsock_mux_settle(&mux, l[0]);
    vd_settle(&d);
    cr_assert_null(vsock_mux_find(&mux, 1, 2));
    cr_assert_eq(mux.count, 5);
    for (unsigned i = 0; i < 6; i++)
        (void)close(peer[i]);
}

ON_BOTH(vsock_mux, a_thousand_are_found)
{
    static int peer[1000];

    for (unsigned i = 0; i < 1000; i++)
        (void)link_open(i / 10, i, &peer[i]);
    cr_assert(!vsock_mux_has_room(&mux));
    for (unsigned i = 0; i < 1000; i++) {
        cr_assert_eq(vsock_mux_find(&mux, i / 10, i)->conn.host_port, i);
        cr_assert_null(vsock_mux_find(&mux, i / 10 + 1, i));
        (void)close(peer[i]);
    }
}

static unsigned longest_bucket(void)
{
    unsigned longest = 0;

    for (unsigned i = 0; i < VSOCK_BUCKETS; i++) {
        const struct vsock_link *l;
        unsigned count = 0;
        LIST_FOREACH(l, &mux.bucket[i], known)
        count++;
        longest = count > longest ? count : longest;
    }
    return longest;
}

/* A guest that has found out one table's number gains nothing with another's: ports that share a
 * bucket with the one number are spread with the other. */
ON_BOTH(vsock_mux, a_guest_cannot_choose_one_bucket)
{
    const uint64_t known = UINT64_C(0x9e3779b97f4a7c15);
    static int peer[500];
    unsigned count = 0;

    for (uint32_t port = 1; count < 500; port++)
        if ((((uint64_t)port << 32 | 7) * known) >> 54 == 0)
            (void)link_open(port, 7, &peer[count++]);
    cr_assert_lt(longest_bucket(), 100);
    for (unsigned i = 0; i < 500; i++)
        (void)close(peer[i]);
}

ON_BOTH(vsock_mux, clients_get_ports_that_are_free)
{
    int peer;

    cr_assert_eq(vsock_mux_client_port(&mux, 5), 1u << 30);
    cr_assert_eq(vsock_mux_client_port(&mux, 5), (1u << 30) + 1);
    (void)link_open(5, (1u << 30) + 2, &peer);
    cr_assert_eq(vsock_mux_client_port(&mux, 6), (1u << 30) + 2);
    mux.last_port = (1u << 30) + 1;
    cr_assert_eq(vsock_mux_client_port(&mux, 5), (1u << 30) + 3);
    mux.last_port = UINT32_MAX >> 1; /* the last of them */
    cr_assert_eq(vsock_mux_client_port(&mux, 5), 1u << 30);
    (void)close(peer);
}

/* Three with much to say: each has its turn, in the order in which they came. */
ON_BOTH(vsock_mux, serves_in_turn)
{
    struct vsock_link *l[3];
    int peer[3];

    for (unsigned i = 0; i < 3; i++) {
        (void)link_open(i, 0, &peer[i]);
        cr_assert_eq(write(peer[i], "much", 4), 4);
    }
    vd_settle(&d);
    cr_assert(vsock_mux_speaks(&mux));
    for (unsigned i = 0; i < 12; i++) {
        struct vsock_link *first = TAILQ_FIRST(&mux.ready);
        char byte;
        if (i < 3)
            l[i] = first;
        cr_assert(i == 0 || i > 2 || first != l[i - 1]);
        cr_assert_eq(first, l[i % 3], "turn %u", i);
        cr_assert_eq(vsock_link_read(first, &(struct iovec){ &byte, 1 }, 1), 1);
        (void)vsock_conn_send(&first->conn, 1);
        cr_assert_eq(byte, "much"[i / 3]);
        vsock_mux_served(&mux, first);
    }
    for (unsigned i = 0; i < 3; i++) {
        struct vsock_link *first = TAILQ_FIRST(&mux.ready);
        char byte;
        cr_assert_eq(vsock_link_read(first, &(struct iovec){ &byte, 1 }, 1), 0);
        vsock_mux_served(&mux, first);
    }
    cr_assert(!vsock_mux_speaks(&mux));
    for (unsigned i = 0; i < 3; i++)
        (void)close(peer[i]);
}

ON_BOTH(vsock_mux, resets_come_in_order_and_are_bounded)
{
    unsigned next = 0, put = 0;

    for (unsigned round = 0; round < 3; round++) {
        while (vsock_mux_can_reset(&mux)) {
            struct virtio_vsock_hdr h = from_guest(put++, 0, OP(RST));
            vsock_mux_reset(&mux, &h);
        }
        cr_assert_leq(mux.reset_count, VSOCK_RESETS_MAX);
        cr_assert_geq(mux.reset_count, VSOCK_RESETS_MAX - 1);
        cr_assert(vsock_mux_speaks(&mux));
        for (unsigned i = 0; i < 20; i++)
            cr_assert_eq(vsock_mux_take_reset(&mux).src_port, next++);
    }
    while (mux.reset_count > 0)
        cr_assert_eq(vsock_mux_take_reset(&mux).src_port, next++);
    cr_assert_eq(next, put);
    cr_assert(!vsock_mux_speaks(&mux));
}

/* A link that was closed on the host, of which the guest was told: only its RST is missing. */
static struct vsock_link *lingering(uint32_t port)
{
    struct vsock_link *l;
    int peer;

    l = link_open(port, 0, &peer);
    (void)close(peer);
    vsock_conn_host_shut(&l->conn, VSOCK_SHUT_BOTH);
    vsock_mux_settle(&mux, l);
    cr_assert_eq(link_says(l), OP(SHUTDOWN));
    cr_assert(l->is_lingering);
    return l;
}

ON_BOTH(vsock_mux, a_lingering_link_makes_room)
{
    struct virtio_vsock_hdr h;
    int peer[2];

    mux.limit = 4;
    (void)link_open(1, 0, &peer[0]);
    (void)lingering(2);
    (void)lingering(3);
    cr_assert(vsock_mux_has_room(&mux));
    cr_assert_eq(mux.count, 3);
    (void)link_open(4, 0, &peer[1]);
    cr_assert(vsock_mux_has_room(&mux));
    cr_assert_null(vsock_mux_find(&mux, 2, 0));
    cr_assert_not_null(vsock_mux_find(&mux, 3, 0));
    h = vsock_mux_take_reset(&mux);
    cr_assert_eq(h.op, OP(RST));
    cr_assert_eq(h.dst_port, 2);
    mux.limit = 3;
    while (vsock_mux_can_reset(&mux))
        vsock_mux_reset(&mux, &h);
    cr_assert(!vsock_mux_has_room(&mux)); /* the guest could not be told */
    mux.reset_count = 0;
    cr_assert(vsock_mux_has_room(&mux));
    mux.limit = 2;
    cr_assert(!vsock_mux_has_room(&mux)); /* nobody lingers */
    cr_assert_eq(counters.conns_killed, 2);
    mux.reset_count = 0;
    mux.limit = 1000;
    for (unsigned i = 0; i < 2; i++)
        (void)close(peer[i]);
}
