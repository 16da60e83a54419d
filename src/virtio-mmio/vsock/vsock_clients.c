/*
 * Clients on the host.
 *
 * A client counts as a connection from the moment it is accepted. One that does nothing keeps that
 * place from others, the guest's own connections among them. So there is a deadline for the
 * client's line, which a piece of the line does not extend, and then one for the guest's answer.
 * The first leaves enough time for a person who types the line.
 */
#include "virtio-mmio/vsock/vsock_clients.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/container.h"

#define TAKEN_AT_ONCE 16u

/* How long a client may take for its line, and then the guest for its answer. Both get the same
 * time, so that links that are appended to one list stay in order of their deadlines. */
#define ANSWER_NS (5 * (uint64_t)NS_PER_S)

/* How long a client waits if no descriptor is free. */
#define PAUSE_NS (NS_PER_S / 10)

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

static void clients_timer_done(struct loop_op *op, int res)
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

static void clients_add(struct vsock_port *p, int fd)
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

static void clients_watch(struct vsock_clients *c, bool pause)
{
    struct loop *loop = c->port->hub.loop;

    c->waits = true;
    if (pause)
        loop_timer(loop, &c->next, clock_now_ns() + PAUSE_NS);
    else
        loop_poll(loop, &c->next, c->port->listener.fd, POLLIN);
}

/* If no descriptor is free a client stays in the backlog. A poll would report it again at once, so
 * a timer delays the next try. The loop only polls here: loop_accept would fail for want of a
 * descriptor even while no client comes. */
static void clients_next_done(struct loop_op *op, int res)
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
            clients_add(p, fd);
    }
    if (fd < 0 && fd != -EAGAIN)
        metric_add(&p->counters.muxer_event_fails, 1);
    clients_watch(c, fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM || fd == -ENOBUFS);
    p->wake(p);
}

void vsock_clients_init(struct vsock_clients *c, struct vsock_port *port)
{
    *c = (struct vsock_clients){ .port = port, .stopped = true };
    c->next.done = clients_next_done;
    c->timer.done = clients_timer_done;
}

void vsock_clients_start(struct vsock_clients *c)
{
    c->stopped = false;
    clients_watch(c, false);
}

void vsock_clients_stop(struct vsock_clients *c)
{
    c->stopped = true;
    if (c->waits)
        loop_cancel(c->port->hub.loop, &c->next);
    if (c->timer_runs)
        loop_cancel(c->port->hub.loop, &c->timer);
}
