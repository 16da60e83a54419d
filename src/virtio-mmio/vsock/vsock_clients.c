/*
 * Clients on the host.
 *
 * A client counts as a connection from the moment it is taken. So neither it may take its time with
 * its line, of which a piece is as good as none, nor the guest with the answer: who has a place and
 * does nothing with it keeps it from others, the guest's own connections among them. A person who
 * types the line has time for that.
 */
#include "virtio-mmio/vsock/vsock_clients.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/container.h"

#define TAKEN_AT_ONCE 16u

/* How long a client may take with its line, and then the guest with its answer: one time for both,
 * so that they stand in one list. And how long a client waits for a descriptor. */
#define ANSWER_NS (5 * (uint64_t)NS_PER_S)
#define PAUSE_NS  (NS_PER_S / 10)

void vsock_clients_follow(struct vsock_clients *c)
{
    struct loop *loop = c->port->hub.loop;
    struct vsock_link *first = TAILQ_FIRST(&c->port->mux.asking);

    if (c->timer_runs && !first)
        loop_cancel(loop, &c->timer);
    if (c->timer_runs || !first || c->stopped)
        return;
    c->timer_runs = true;
    loop_timer(loop, &c->timer, first->deadline_ns);
}

static void timer_done(struct loop_op *op, int res)
{
    struct vsock_clients *c = container_of(op, struct vsock_clients, timer);
    struct vsock_mux *m = &c->port->mux;
    uint64_t now_ns = clock_now_ns();
    struct vsock_link *l;

    (void)res;
    c->timer_runs = false;
    while ((l = TAILQ_FIRST(&m->asking)) && l->deadline_ns <= now_ns) {
        metric_add(&c->port->counters.conns_killed, 1);
        vsock_conn_reset(&l->conn);
        vsock_mux_settle(m, l);
    }
    vsock_clients_follow(c);
    c->port->wake(c->port);
}

void vsock_clients_read(struct vsock_clients *c, struct vsock_link *l)
{
    struct vsock_mux *m = &c->port->mux;
    uint32_t port;

    switch (vsock_link_line(l, &port)) {
    case VSOCK_LINE_MORE:
        break;
    case VSOCK_LINE_OK:
        vsock_conn_ask(&l->conn, port, vsock_mux_client_port(m, port));
        vsock_mux_know(m, l);
        vsock_mux_wait(m, l, clock_now_ns() + ANSWER_NS);
        break;
    case VSOCK_LINE_BAD:
        vsock_conn_reset(&l->conn);
        break;
    }
}

static void add(struct vsock_port *p, int fd)
{
    struct vsock_link *l =
        vsock_mux_has_room(&p->mux) ? vsock_link_create(&p->hub, fd, p->cid) : NULL;

    if (!l) {
        metric_add(&p->counters.muxer_event_fails, 1);
        (void)close(fd);
        return;
    }
    vsock_mux_add(&p->mux, l);
    vsock_mux_wait(&p->mux, l, clock_now_ns() + ANSWER_NS);
    vsock_mux_settle(&p->mux, l);
}

static void watch(struct vsock_clients *c, bool pause)
{
    struct loop *loop = c->port->hub.loop;

    c->waits = true;
    if (pause)
        loop_timer(loop, &c->next, clock_now_ns() + PAUSE_NS);
    else
        loop_poll(loop, &c->next, c->port->listener.fd, POLLIN);
}

/* Where no descriptor can be had a client stays in the backlog. The loop would call for it at once,
 * so for a while it is not asked. An accept in the loop's hands would fail for want of a descriptor
 * also while nobody comes; so the loop only says when somebody does. */
static void next_done(struct loop_op *op, int res)
{
    struct vsock_clients *c = container_of(op, struct vsock_clients, next);
    struct vsock_port *p = c->port;
    int fd = 0;

    (void)res;
    c->waits = false;
    if (c->stopped) {
        p->wake(p);
        return;
    }
    for (unsigned i = 0; i < TAKEN_AT_ONCE && fd >= 0; i++) {
        fd = vsock_listener_accept(&p->listener);
        if (fd >= 0)
            add(p, fd);
    }
    if (fd < 0 && fd != -EAGAIN)
        metric_add(&p->counters.muxer_event_fails, 1);
    watch(c, fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM || fd == -ENOBUFS);
    p->wake(p);
}

void vsock_clients_init(struct vsock_clients *c, struct vsock_port *port)
{
    *c = (struct vsock_clients){ .port = port, .stopped = true };
    c->next.done = next_done;
    c->timer.done = timer_done;
}

void vsock_clients_start(struct vsock_clients *c)
{
    c->stopped = false;
    watch(c, false);
}

void vsock_clients_stop(struct vsock_clients *c)
{
    c->stopped = true;
    if (c->waits)
        loop_cancel(c->port->hub.loop, &c->next);
    if (c->timer_runs)
        loop_cancel(c->port->hub.loop, &c->timer);
}
