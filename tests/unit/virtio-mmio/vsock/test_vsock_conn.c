/* One connection: every packet in every state, half closes, credit, and all sequences of steps. */
#include "virtio-mmio/vsock/vsock_conn.h"

#include <criterion/criterion.h>
#include <string.h>

#define CID    9u
#define OP(op) VIRTIO_VSOCK_OP_##op
#define SEND   VIRTIO_VSOCK_SHUTDOWN_SEND
#define RCV    VIRTIO_VSOCK_SHUTDOWN_RCV
#define BOTH   VSOCK_SHUT_BOTH
#define NONE   0xffu

static struct virtio_vsock_hdr from_guest(uint16_t op)
{
    return (struct virtio_vsock_hdr){ .src_cid = CID,
                                      .dst_cid = 2,
                                      .src_port = 10,
                                      .dst_port = 20,
                                      .type = 1,
                                      .op = op,
                                      .buf_alloc = 1000 };
}

static enum vsock_news hear(struct vsock_conn *c, uint16_t op)
{
    const struct virtio_vsock_hdr h = from_guest(op);

    return vsock_conn_hear(c, &h);
}

static enum vsock_news hear_len(struct vsock_conn *c, uint32_t len)
{
    struct virtio_vsock_hdr h = from_guest(OP(RW));

    h.len = len;
    return vsock_conn_hear(c, &h);
}

static enum vsock_news hear_shut(struct vsock_conn *c, uint32_t flags)
{
    struct virtio_vsock_hdr h = from_guest(OP(SHUTDOWN));

    h.flags = flags;
    return vsock_conn_hear(c, &h);
}

/* What the guest is told next, or NONE. */
static unsigned told(struct vsock_conn *c)
{
    struct virtio_vsock_hdr h;

    if (!vsock_conn_speaks(c))
        return NONE;
    h = vsock_conn_speak(c);
    cr_assert_eq(h.src_cid, 2);
    cr_assert_eq(h.dst_cid, CID);
    cr_assert_eq(h.src_port, 20);
    cr_assert_eq(h.dst_port, 10);
    cr_assert_eq(h.type, 1);
    cr_assert_eq(h.len, 0);
    cr_assert_eq(h.buf_alloc, VSOCK_BUFFER);
    cr_assert_eq(h.fwd_cnt, c->forwarded);
    cr_assert_eq(h.flags, h.op == OP(SHUTDOWN) ? c->host_shut : 0);
    return h.op;
}

static struct vsock_conn asking(void)
{
    struct vsock_conn c = { .guest_cid = CID };

    vsock_conn_ask(&c, 10, 20);
    cr_assert_eq(told(&c), OP(REQUEST));
    return c;
}

static struct vsock_conn opened(void)
{
    const struct virtio_vsock_hdr h = from_guest(OP(REQUEST));
    struct vsock_conn c = { .guest_cid = CID };

    vsock_conn_answer(&c, &h);
    cr_assert_eq(c.state, VSOCK_OPEN);
    cr_assert_eq(told(&c), OP(RESPONSE));
    cr_assert_eq(told(&c), NONE);
    return c;
}

/* Opening. */

Test(vsock_conn, the_guest_accepts)
{
    struct vsock_conn c = asking();

    cr_assert_eq(told(&c), NONE);
    cr_assert_eq(vsock_conn_credit(&c), 0);
    cr_assert_eq(hear(&c, OP(RESPONSE)), VSOCK_ACCEPTED);
    cr_assert_eq(c.state, VSOCK_OPEN);
    cr_assert_eq(vsock_conn_credit(&c), 1000);
    cr_assert_eq(told(&c), NONE);
}

Test(vsock_conn, the_guest_refuses)
{
    struct vsock_conn c = asking();

    cr_assert_eq(hear(&c, OP(RST)), VSOCK_ENDED);
    cr_assert_eq(c.state, VSOCK_CLOSED);
    cr_assert_eq(told(&c), NONE);
}

Test(vsock_conn, no_answer_comes_before_the_question)
{
    struct vsock_conn c = { .guest_cid = CID };

    vsock_conn_ask(&c, 10, 20);
    cr_assert_eq(hear(&c, OP(RESPONSE)), VSOCK_BROKEN);
    cr_assert_eq(told(&c), NONE); /* the guest knows nothing of it */
}

Test(vsock_conn, what_is_not_asked_for_breaks_it)
{
    static const uint16_t wrong[] = { OP(REQUEST), OP(SHUTDOWN), OP(RW), OP(CREDIT_UPDATE),
                                      OP(CREDIT_REQUEST) };

    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct vsock_conn c = asking();
        cr_assert_eq(hear(&c, wrong[i]), VSOCK_BROKEN);
        cr_assert_eq(told(&c), OP(RST));
        cr_assert_eq(told(&c), NONE);
    }
}

Test(vsock_conn, a_second_opening_breaks_it)
{
    static const uint16_t wrong[] = { OP(REQUEST), OP(RESPONSE) };

    for (unsigned i = 0; i < 2; i++) {
        struct vsock_conn c = opened();
        cr_assert_eq(hear(&c, wrong[i]), VSOCK_BROKEN);
        cr_assert_eq(c.state, VSOCK_CLOSED);
        cr_assert_eq(told(&c), OP(RST));
        cr_assert_eq(told(&c), NONE);
    }
}

Test(vsock_conn, a_client_that_leaves_is_reset)
{
    struct vsock_conn c = { .guest_cid = CID };

    vsock_conn_reset(&c);
    cr_assert_eq(c.state, VSOCK_CLOSED);
    cr_assert_eq(told(&c), NONE);
    c = asking();
    vsock_conn_host_shut(&c, BOTH);
    cr_assert_eq(told(&c), OP(RST));
    c = opened();
    vsock_conn_forget(&c);
    cr_assert_eq(told(&c), NONE);
    vsock_conn_reset(&c);
    cr_assert_eq(told(&c), NONE);
}

/* The end. */

Test(vsock_conn, after_the_end_nothing_counts)
{
    for (uint16_t op = 1; op <= 7; op++) {
        struct vsock_conn c = opened();
        vsock_conn_reset(&c);
        cr_assert_eq(hear(&c, op), VSOCK_NOTHING);
        cr_assert_eq(c.state, VSOCK_CLOSED);
        cr_assert_eq(told(&c), op == OP(RST) ? NONE : OP(RST));
    }
}

Test(vsock_conn, the_guest_closes)
{
    struct vsock_conn c = opened();

    cr_assert_eq(hear_shut(&c, BOTH), VSOCK_SHUT);
    cr_assert_eq(c.state, VSOCK_CLOSED);
    cr_assert_eq(told(&c), OP(RST));
    cr_assert_eq(told(&c), NONE);
}

Test(vsock_conn, the_guest_closes_in_two_steps)
{
    static const uint32_t first[] = { SEND, RCV };

    for (unsigned i = 0; i < 2; i++) {
        struct vsock_conn c = opened();
        cr_assert_eq(hear_shut(&c, first[i]), VSOCK_SHUT);
        cr_assert_eq(hear_shut(&c, first[i]), VSOCK_NOTHING);
        cr_assert_eq(hear_shut(&c, 0), VSOCK_NOTHING);
        cr_assert_eq(hear_shut(&c, ~(uint32_t)BOTH), VSOCK_NOTHING);
        cr_assert_eq(c.state, VSOCK_OPEN);
        cr_assert_eq(told(&c), NONE);
        cr_assert_eq(hear_shut(&c, first[!i]), VSOCK_SHUT);
        cr_assert_eq(told(&c), OP(RST));
    }
}

Test(vsock_conn, the_host_closes)
{
    struct vsock_conn c = opened();

    vsock_conn_host_shut(&c, SEND);
    cr_assert_eq(c.host_shut, SEND);
    cr_assert_eq(told(&c), OP(SHUTDOWN));
    vsock_conn_host_shut(&c, SEND);
    cr_assert_eq(told(&c), NONE);
    vsock_conn_host_shut(&c, RCV);
    cr_assert_eq(c.host_shut, BOTH);
    cr_assert_eq(told(&c), OP(SHUTDOWN));
    cr_assert_eq(c.state, VSOCK_OPEN);
    cr_assert_eq(hear(&c, OP(RST)), VSOCK_ENDED);
    cr_assert_eq(told(&c), NONE);
}

/* A half close on each side: together they leave nothing to flow, and the guest is told. */
Test(vsock_conn, two_halves_are_a_whole)
{
    static const uint32_t guest[] = { SEND, RCV }, host[] = { SEND, RCV };

    for (unsigned i = 0; i < 2; i++) {
        for (unsigned order = 0; order < 2; order++) {
            struct vsock_conn c = opened();
            if (order)
                vsock_conn_host_shut(&c, host[i]);
            (void)hear_shut(&c, guest[i]);
            if (!order)
                vsock_conn_host_shut(&c, host[i]);
            cr_assert_eq(c.host_shut, BOTH);
            cr_assert_eq(told(&c), OP(SHUTDOWN));
            cr_assert_eq(told(&c), NONE);
            cr_assert_eq(c.state, VSOCK_OPEN);
        }
        struct vsock_conn c = opened(); /* the same direction, from both ends */
        (void)hear_shut(&c, guest[i]);
        vsock_conn_host_shut(&c, host[!i]);
        cr_assert_eq(c.host_shut, host[!i]);
    }
}

Test(vsock_conn, a_half_close_waits_for_what_is_on_the_way)
{
    struct vsock_conn c = opened();

    cr_assert_eq(hear_len(&c, 100), VSOCK_DATA);
    (void)hear_shut(&c, SEND);
    vsock_conn_host_shut(&c, SEND);
    cr_assert_eq(c.host_shut, SEND);
    vsock_conn_forwarded(&c, 99);
    cr_assert_eq(c.host_shut, SEND);
    vsock_conn_forwarded(&c, 1);
    cr_assert_eq(c.host_shut, BOTH);
}

Test(vsock_conn, after_its_half_close_the_guest_sends_nothing)
{
    struct vsock_conn c = opened();

    (void)hear_shut(&c, SEND);
    cr_assert_eq(hear(&c, OP(CREDIT_UPDATE)), VSOCK_NOTHING);
    cr_assert_eq(vsock_conn_credit(&c), 1000);
    cr_assert_eq(hear_len(&c, 1), VSOCK_BROKEN);
    cr_assert_eq(told(&c), OP(RST));
    c = opened();
    (void)hear_shut(&c, RCV);
    cr_assert_eq(vsock_conn_credit(&c), 0);
    cr_assert_eq(hear_len(&c, 1), VSOCK_DATA);
}

/* Credit. */

Test(vsock_conn, the_guest_cannot_send_more_than_its_credit)
{
    struct vsock_conn c = opened();

    cr_assert_eq(hear_len(&c, VSOCK_BUFFER), VSOCK_DATA);
    cr_assert_eq(hear_len(&c, 0), VSOCK_DATA);
    vsock_conn_forwarded(&c, 5);
    cr_assert_eq(hear_len(&c, 5), VSOCK_DATA);
    cr_assert_eq(hear_len(&c, 1), VSOCK_BROKEN);
    cr_assert_eq(told(&c), OP(RST));
    c = opened();
    cr_assert_eq(hear_len(&c, VSOCK_BUFFER + 1), VSOCK_BROKEN);
    c = opened();
    cr_assert_eq(hear_len(&c, UINT32_MAX), VSOCK_BROKEN);
}

/* A guest that uses up its credit is told of more before it has to stop. */
Test(vsock_conn, the_guest_is_told_in_time)
{
    struct vsock_conn c = opened();
    uint32_t sent = 0, knows = 0;
    unsigned updates = 0;

    for (unsigned i = 0; i < 10000; i++) {
        uint32_t room = VSOCK_BUFFER - (sent - knows);
        uint32_t len = 1 + i * 37 % 65536;
        cr_assert_gt(room, 0);
        len = len < room ? len : room;
        cr_assert_eq(hear_len(&c, len), VSOCK_DATA);
        sent += len;
        vsock_conn_forwarded(&c, len);
        if (told(&c) == OP(CREDIT_UPDATE)) {
            knows = c.told;
            updates++;
        }
    }
    cr_assert_lt(updates, sent / (VSOCK_BUFFER / 4) + 1);
}

Test(vsock_conn, the_guest_may_ask)
{
    struct vsock_conn c = opened();

    cr_assert_eq(hear(&c, OP(CREDIT_REQUEST)), VSOCK_NOTHING);
    cr_assert_eq(told(&c), OP(CREDIT_UPDATE));
    cr_assert_eq(told(&c), NONE);
    (void)hear(&c, OP(CREDIT_REQUEST));
    (void)vsock_conn_send(&c, 1); /* says it as well */
    cr_assert_eq(told(&c), NONE);
}

Test(vsock_conn, data_goes_as_far_as_the_credit)
{
    struct vsock_conn c = opened();
    struct virtio_vsock_hdr h = vsock_conn_send(&c, 600);

    cr_assert_eq(h.op, OP(RW));
    cr_assert_eq(h.len, 600);
    cr_assert_eq(vsock_conn_credit(&c), 400);
    (void)vsock_conn_send(&c, 400);
    cr_assert_eq(vsock_conn_credit(&c), 0);
    h = from_guest(OP(CREDIT_UPDATE));
    h.fwd_cnt = 300;
    (void)vsock_conn_hear(&c, &h);
    cr_assert_eq(vsock_conn_credit(&c), 300);
    h.buf_alloc = 699; /* the guest's buffer shrinks under what is on the way */
    (void)vsock_conn_hear(&c, &h);
    cr_assert_eq(vsock_conn_credit(&c), 0);
    h.fwd_cnt = 1001; /* more than was ever sent: only the guest loses by it */
    (void)vsock_conn_hear(&c, &h);
    cr_assert_eq(vsock_conn_credit(&c), 0);
}

Test(vsock_conn, counts_run_over)
{
    struct vsock_conn c = opened();
    struct virtio_vsock_hdr h = from_guest(OP(CREDIT_UPDATE));

    c.sent = h.fwd_cnt = UINT32_MAX - 10;
    c.received = c.forwarded = c.told = UINT32_MAX - 10;
    (void)vsock_conn_hear(&c, &h);
    cr_assert_eq(vsock_conn_credit(&c), 1000);
    (void)vsock_conn_send(&c, 1000);
    cr_assert_eq(vsock_conn_credit(&c), 0);
    h.fwd_cnt += 500;
    (void)vsock_conn_hear(&c, &h);
    cr_assert_eq(vsock_conn_credit(&c), 500);
    cr_assert_eq(hear_len(&c, VSOCK_BUFFER), VSOCK_DATA);
    vsock_conn_forwarded(&c, VSOCK_BUFFER / 2);
    cr_assert_eq(told(&c), OP(CREDIT_UPDATE));
    cr_assert_eq(hear_len(&c, VSOCK_BUFFER / 2), VSOCK_DATA);
    cr_assert_eq(hear_len(&c, 1), VSOCK_BROKEN);
}

Test(vsock_conn, a_guest_without_credit_is_asked_once)
{
    struct vsock_conn c = opened();
    struct virtio_vsock_hdr h = from_guest(OP(CREDIT_UPDATE));

    vsock_conn_starve(&c);
    cr_assert_eq(told(&c), NONE);
    (void)vsock_conn_send(&c, 1000);
    vsock_conn_starve(&c);
    vsock_conn_starve(&c);
    cr_assert_eq(told(&c), OP(CREDIT_REQUEST));
    vsock_conn_starve(&c);
    (void)vsock_conn_hear(&c, &h);
    vsock_conn_starve(&c);
    cr_assert_eq(told(&c), NONE);
    h.fwd_cnt = 1;
    (void)vsock_conn_hear(&c, &h);
    (void)vsock_conn_send(&c, 1);
    vsock_conn_starve(&c);
    cr_assert_eq(told(&c), OP(CREDIT_REQUEST));
    (void)hear_shut(&c, RCV);
    c.starved = false;
    vsock_conn_starve(&c);
    cr_assert_eq(told(&c), NONE);
}

/* All sequences of STEPS steps of a connection, and what holds in each of them. */

#define STEPS 5u

enum step {
    STEP_SAY,
    STEP_RST,
    STEP_RESPONSE,
    STEP_REQUEST,
    STEP_DATA,
    STEP_CREDIT_REQUEST,
    STEP_SHUT_SEND,
    STEP_SHUT_RCV,
    STEP_HOST_SEND,
    STEP_HOST_RCV,
    STEP_FORWARD,
    STEP_STARVE,
    STEP_RESET,
    STEPS_KINDS,
};

struct way {
    struct vsock_conn c;
    unsigned said; /* bits of operations */
    unsigned shut; /* flags that the guest was told */
    bool ended;    /* one of the sides said RST */
    bool client;   /* opened by the host */
};

static void say(struct way *w)
{
    unsigned op = told(&w->c);

    if (op == NONE)
        return;
    cr_assert(!w->ended, "%u is said after the end", op);
    if (op == OP(REQUEST) || op == OP(RESPONSE)) {
        cr_assert_eq(op, w->client ? OP(REQUEST) : OP(RESPONSE));
        cr_assert_eq(w->said, 0);
    } else if (op != OP(RST)) {
        cr_assert_neq(w->said, 0, "%u is said before the beginning", op);
    }
    if (op == OP(SHUTDOWN)) {
        cr_assert_neq(w->c.host_shut, w->shut);
        cr_assert_eq(w->c.host_shut & w->shut, w->shut);
        w->shut = w->c.host_shut;
    }
    w->ended |= op == OP(RST);
    w->said |= 1u << op;
}

static void take(struct way *w, enum step step)
{
    struct vsock_conn *c = &w->c;

    switch (step) {
    case STEP_SAY:
        say(w);
        break;
    case STEP_RST:
        (void)hear(c, OP(RST));
        w->ended = true;
        break;
    case STEP_RESPONSE:
        (void)hear(c, OP(RESPONSE));
        break;
    case STEP_REQUEST:
        (void)hear(c, OP(REQUEST));
        break;
    case STEP_DATA:
        (void)hear_len(c, VSOCK_BUFFER / 2 + 1);
        break;
    case STEP_CREDIT_REQUEST:
        (void)hear(c, OP(CREDIT_REQUEST));
        break;
    case STEP_SHUT_SEND:
        (void)hear_shut(c, SEND);
        break;
    case STEP_SHUT_RCV:
        (void)hear_shut(c, RCV);
        break;
    case STEP_HOST_SEND:
        vsock_conn_host_shut(c, SEND);
        break;
    case STEP_HOST_RCV:
        vsock_conn_host_shut(c, RCV);
        break;
    case STEP_FORWARD:
        vsock_conn_forwarded(c, c->received - c->forwarded);
        break;
    case STEP_STARVE:
        if (vsock_conn_credit(c) > 0)
            (void)vsock_conn_send(c, vsock_conn_credit(c));
        vsock_conn_starve(c);
        break;
    case STEP_RESET:
        vsock_conn_reset(c);
        break;
    case STEPS_KINDS:
        break;
    }
}

/* What has to hold between a connection before a step and after it. */
static void judge(const struct vsock_conn *before, const struct vsock_conn *c)
{
    cr_assert_geq(c->state, before->state);
    cr_assert_eq(before->guest_shut & ~c->guest_shut, 0);
    cr_assert_eq(before->host_shut & ~c->host_shut, 0);
    cr_assert_leq(c->received - c->forwarded, VSOCK_BUFFER);
    if (c->state == VSOCK_CLOSED) {
        cr_assert_eq(vsock_conn_credit(c), 0);
        cr_assert_leq(c->say, 1); /* a RST */
    }
    if (c->state == VSOCK_OPEN)
        cr_assert_neq(c->guest_shut, BOTH);
}

static unsigned long walk(const struct way *from, unsigned left)
{
    unsigned long ways = 1;

    for (enum step step = 0; left > 0 && step < STEPS_KINDS; step++) {
        struct way w = *from;
        take(&w, step);
        judge(&from->c, &w.c);
        ways += walk(&w, left - 1);
    }
    return ways;
}

Test(vsock_conn, all_ways_through_it)
{
    const struct virtio_vsock_hdr h = from_guest(OP(REQUEST));
    struct way client = { .c = { .guest_cid = CID }, .client = true };
    struct way guest = { .c = { .guest_cid = CID } };

    vsock_conn_ask(&client.c, 10, 20);
    vsock_conn_answer(&guest.c, &h);
    cr_assert_gt(walk(&client, STEPS), 400000);
    cr_assert_gt(walk(&guest, STEPS), 400000);
}
