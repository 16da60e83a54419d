/*
 * The vsock device: activation, turns and reset around queues and connections.
 *
 * All work is done in turns. A kick is a turn; anything else that happens posts one (vsock_wake). A
 * turn that reaches its bound posts the next, so that it comes after the other work on the loop
 * thread. While no driver is ready, clients are not accepted: they wait in the socket's backlog.
 */
#include "virtio-mmio/vsock/vsock.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/container.h"
#include "core/base/err.h"
#include "virtio-mmio/queue/iov.h"
#include "virtio-mmio/vsock/vsock_clients.h"
#include "virtio-mmio/vsock/vsock_port.h"

#define CID_MIN 3u
#define CID_MAX 0xfffffffeu

struct vsock {
    struct virtio_device virtio; /* first member */
    struct vsock_port port;
    struct vsock_clients clients;
    struct virtio_vsock_config config;
    struct loop_post turn;
    bool draining;
    bool restored; /* the driver is still to be told that its connections are gone */
    struct metrics_group group;
    char name[80], group_name[84];
};
static_assert(offsetof(struct vsock, virtio) == 0, "vsock_of casts");

static const struct metric metrics[] = {
    METRIC(struct vsock_counters, rx_queue_event_count),
    METRIC(struct vsock_counters, tx_queue_event_count),
    METRIC(struct vsock_counters, rx_packets_count),
    METRIC(struct vsock_counters, rx_bytes_count),
    METRIC(struct vsock_counters, tx_packets_count),
    METRIC(struct vsock_counters, tx_bytes_count),
    METRIC(struct vsock_counters, conns_added),
    METRIC(struct vsock_counters, conns_removed),
    METRIC(struct vsock_counters, conns_killed),
    METRIC(struct vsock_counters, rx_read_fails),
    METRIC(struct vsock_counters, tx_write_fails),
    METRIC(struct vsock_counters, tx_flush_fails),
    METRIC(struct vsock_counters, muxer_event_fails),
};
#define METRICS (sizeof(metrics) / sizeof(metrics[0]))
static_assert(METRICS == sizeof(struct vsock_counters) / sizeof(uint64_t),
              "every counter has a name");

static struct vsock *vsock_of(struct virtio_device *v)
{
    return (struct vsock *)v;
}

static struct vsock *vsock_of_port(struct vsock_port *port)
{
    return container_of(port, struct vsock, port);
}

/* Turns. */

static void vsock_wake(struct vsock_port *port)
{
    struct vsock *s = vsock_of_port(port);

    loop_post(s->virtio.loop, &s->turn);
}

/* Ends the reset if nothing is in flight. If something is, it asks for another turn as it ends. */
static void vsock_drain(struct vsock *s)
{
    if (s->port.mux.count > 0 || s->clients.waits || s->clients.timer_runs)
        return;
    s->draining = false;
    virtio_reset_done(&s->virtio);
}

static void vsock_work(struct vsock *s)
{
    bool more = vsock_port_flush(&s->port);

    more |= vsock_port_hear(&s->port);
    more |= vsock_port_speak(&s->port);
    virtio_publish(&s->virtio, VSOCK_QUEUE_TX);
    virtio_publish(&s->virtio, VSOCK_QUEUE_RX);
    vsock_clients_follow(&s->clients);
    if (more)
        vsock_wake(&s->port);
}

static void vsock_turn(struct loop_post *post)
{
    struct vsock *s = container_of(post, struct vsock, turn);

    if (s->draining)
        vsock_drain(s);
    else if (s->virtio.phase == VIRTIO_LIVE && !s->virtio.failed)
        vsock_work(s);
}

static void vsock_stirred(struct vsock_hub *hub, struct vsock_link *l)
{
    struct vsock_port *port = container_of(hub, struct vsock_port, hub);

    if (l->conn.state == VSOCK_NEW && l->readable)
        vsock_clients_read(&vsock_of_port(port)->clients, l);
    vsock_mux_settle(&port->mux, l);
    vsock_wake(port);
}

/* The driver. */

static void vsock_activate(struct virtio_device *v)
{
    struct vsock *s = vsock_of(v);

    s->port.hub.loop = v->loop;
    vsock_clients_start(&s->clients);
    if (v->metrics)
        metrics_add(v->metrics, &s->group);
    if (s->restored)
        vsock_transport_reset(s);
    s->restored = false;
}

static void vsock_kick(struct virtio_device *v, unsigned queue)
{
    struct vsock *s = vsock_of(v);

    if (queue == VSOCK_QUEUE_EVENT)
        return;
    metric_add(queue == VSOCK_QUEUE_RX ? &s->port.counters.rx_queue_event_count
                                       : &s->port.counters.tx_queue_event_count,
               1);
    vsock_work(s);
}

static void vsock_reset(struct virtio_device *v)
{
    struct vsock *s = vsock_of(v);

    if (v->metrics)
        metrics_remove(v->metrics, &s->group);
    s->draining = true;
    vsock_clients_stop(&s->clients);
    vsock_mux_abort(&s->port.mux);
    vsock_wake(&s->port);
}

/* The driver's connections stayed with the saved device, and the CID may differ. vsock_activate
 * sends the transport reset event, upon which the driver ends them and reads the CID again. */
static void vsock_restore(struct virtio_device *v, const void *config, struct state_fields *f)
{
    (void)config;
    (void)f;
    vsock_of(v)->restored = true;
}

static const struct virtio_ops vsock_ops = {
    .id = VIRTIO_ID_VSOCK,
    .activate = vsock_activate,
    .kick = vsock_kick,
    .reset = vsock_reset,
    .restore = vsock_restore,
};

void vsock_transport_reset(struct vsock *s)
{
    const struct virtio_vsock_event event = { .id = VIRTIO_VSOCK_EVENT_TRANSPORT_RESET };
    struct virtq_chain c = { .iov = s->port.iov, .iov_max = VIRTQ_SIZE_MAX };

    vsock_mux_abort(&s->port.mux);
    if (!virtio_pop(&s->virtio, VSOCK_QUEUE_EVENT, &c))
        return;
    if (c.readable > 0 || c.writable_len < sizeof(event)) {
        virtio_fail(&s->virtio, "an event buffer is read-only or shorter than an event");
        return;
    }
    (void)iov_write(c.iov, c.writable, 0, &event, sizeof(event));
    virtio_push(&s->virtio, VSOCK_QUEUE_EVENT, &c, sizeof(event));
    virtio_publish(&s->virtio, VSOCK_QUEUE_EVENT);
}

/* Life. */

static void vsock_set_names(struct vsock *s, const char *id)
{
    if (id)
        (void)snprintf(s->name, sizeof(s->name), "vsock.%s", id);
    else
        (void)snprintf(s->name, sizeof(s->name), "vsock");
    (void)snprintf(s->group_name, sizeof(s->group_name), "%s.io", s->name);
    s->group = (struct metrics_group){
        .name = s->group_name, .metrics = metrics, .count = METRICS, .counters = &s->port.counters
    };
}

static void vsock_set_up(struct vsock *s, const struct vsock_config *config)
{
    const struct virtio_setup setup = { .name = s->name,
                                        .config = &s->config,
                                        .config_len = sizeof(s->config),
                                        .queue_count = VSOCK_QUEUES,
                                        .queue_size = VIRTQ_SIZE_MAX };
    struct vsock_port *port = &s->port;

    vsock_set_names(s, config->id);
    s->config.guest_cid = config->cid;
    s->turn.call = vsock_turn;
    port->device = &s->virtio;
    port->hub = (struct vsock_hub){ .counters = &port->counters, .stirred = vsock_stirred };
    port->cid = config->cid;
    port->wake = vsock_wake;
    vsock_mux_init(&port->mux, config->conns_max ? config->conns_max : VSOCK_CONNS_DEFAULT);
    vsock_clients_init(&s->clients, port);
    virtio_init(&s->virtio, &vsock_ops, &setup);
}

int vsock_create(struct vsock **out, const struct vsock_config *config, struct err *e)
{
    struct vsock *s;
    int ret;

    if (config->cid < CID_MIN || config->cid > CID_MAX)
        return err_set(e, EINVAL, "a guest's vsock CID is %u to %u, not %u", CID_MIN, CID_MAX,
                       config->cid);
    s = calloc(1, sizeof(*s));
    if (!s)
        return err_set(e, ENOMEM, "no memory for a vsock device");
    vsock_set_up(s, config);
    ret = vsock_listener_open(&s->port.listener, config->uds_path, (int)s->port.mux.limit, true, e);
    if (ret < 0) {
        free(s);
        return err_wrap(e, ret, "vsock");
    }
    *out = s;
    return 0;
}

void vsock_destroy(struct vsock *s)
{
    if (!s)
        return;
    assert(s->port.mux.count == 0 && !s->clients.waits && !s->clients.timer_runs);
    assert(s->turn.queued == 0);
    vsock_listener_close(&s->port.listener);
    free(s);
}

struct virtio_device *vsock_device(struct vsock *s)
{
    return &s->virtio;
}
