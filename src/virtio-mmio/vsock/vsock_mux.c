/*
 * The table of connections, and whose turn it is.
 *
 * A guest picks its own ports. If it could put all its connections into one bucket, the loop would
 * search a thousand of them for each packet. So the hash uses a number that the guest does not
 * know.
 */
#include "virtio-mmio/vsock/vsock_mux.h"

#include <assert.h>
#include <string.h>
#include <sys/random.h>

#include "core/base/metrics.h"

void vsock_mux_init(struct vsock_mux *m, unsigned limit)
{
    memset(m, 0, sizeof(*m));
    m->limit = limit;
    (void)!getrandom(&m->hash, sizeof(m->hash), GRND_NONBLOCK);
    m->hash = (m->hash ^ UINT64_C(0x9e3779b97f4a7c15)) | 1;
    m->last_port = VSOCK_CLIENT_PORTS - 1;
    TAILQ_INIT(&m->all);
    TAILQ_INIT(&m->ready);
    TAILQ_INIT(&m->flushable);
    TAILQ_INIT(&m->asking);
    TAILQ_INIT(&m->lingering);
}

/* Two pairs of ports share a bucket with a chance of at most two in VSOCK_BUCKETS. */
static unsigned mux_bucket(const struct vsock_mux *m, uint32_t guest_port, uint32_t host_port)
{
    uint64_t ports = (uint64_t)guest_port << 32 | host_port;

    return (unsigned)((ports * m->hash) >> 54) % VSOCK_BUCKETS;
}

struct vsock_link *vsock_mux_find(const struct vsock_mux *m, uint32_t guest_port,
                                  uint32_t host_port)
{
    struct vsock_link *l = LIST_FIRST(&m->bucket[mux_bucket(m, guest_port, host_port)]);

    while (l && (l->conn.guest_port != guest_port || l->conn.host_port != host_port))
        l = LIST_NEXT(l, known);
    return l;
}

void vsock_mux_add(struct vsock_mux *m, struct vsock_link *l)
{
    assert(m->count < m->limit);
    m->count++;
    TAILQ_INSERT_TAIL(&m->all, l, all);
    metric_add(&l->hub->counters->conns_added, 1);
}

void vsock_mux_know(struct vsock_mux *m, struct vsock_link *l)
{
    assert(!l->is_known && !vsock_mux_find(m, l->conn.guest_port, l->conn.host_port));
    LIST_INSERT_HEAD(&m->bucket[mux_bucket(m, l->conn.guest_port, l->conn.host_port)], l, known);
    l->is_known = true;
}

/* The guest knows that the connection is over and may use the ports again, even if the socket still
 * has bytes to write. */
static void mux_unknow(struct vsock_link *l)
{
    if (l->is_known)
        LIST_REMOVE(l, known);
    l->is_known = false;
}

uint32_t vsock_mux_client_port(struct vsock_mux *m, uint32_t guest_port)
{
    do
        m->last_port = ((m->last_port + 1) & (VSOCK_CLIENT_PORTS - 1)) | VSOCK_CLIENT_PORTS;
    while (vsock_mux_find(m, guest_port, m->last_port));
    return m->last_port;
}

/* The lists. */

/* Puts the link at the end of a list if `is`, else takes it off. Does nothing if already so. */
#define MUX_MEMBER(links, link, field, flag, is)   \
    do {                                           \
        if ((is) && !(link)->flag)                 \
            TAILQ_INSERT_TAIL(links, link, field); \
        else if (!(is) && (link)->flag)            \
            TAILQ_REMOVE(links, link, field);      \
        (link)->flag = (is);                       \
    } while (0)

static void mux_update_lists(struct vsock_mux *m, struct vsock_link *l)
{
    const struct vsock_conn *c = &l->conn;
    bool lingers = c->state == VSOCK_OPEN && l->fd < 0 && !vsock_conn_speaks(c);
    bool waits = c->state == VSOCK_NEW || c->state == VSOCK_ASKING;

    MUX_MEMBER(&m->ready, l, ready, is_ready, vsock_conn_speaks(c) || vsock_link_has_data(l));
    MUX_MEMBER(&m->flushable, l, flushable, is_flushable, l->kept_len > 0 && l->writable);
    MUX_MEMBER(&m->asking, l, asking, is_asking, waits);
    MUX_MEMBER(&m->lingering, l, lingering, is_lingering, lingers);
    if (c->state == VSOCK_CLOSED && !vsock_conn_speaks(c))
        mux_unknow(l);
}

void vsock_mux_wait(struct vsock_mux *m, struct vsock_link *l, uint64_t deadline_ns)
{
    l->deadline_ns = deadline_ns;
    MUX_MEMBER(&m->asking, l, asking, is_asking, false);
    MUX_MEMBER(&m->asking, l, asking, is_asking, true);
}

static void mux_remove(struct vsock_mux *m, struct vsock_link *l)
{
    TAILQ_REMOVE(&m->all, l, all);
    m->count--;
    metric_add(&l->hub->counters->conns_removed, 1);
    vsock_link_destroy(l);
}

void vsock_mux_settle(struct vsock_mux *m, struct vsock_link *l)
{
    vsock_link_follow(l);
    mux_update_lists(m, l);
    if (vsock_link_is_over(l))
        mux_remove(m, l);
}

void vsock_mux_served(struct vsock_mux *m, struct vsock_link *l)
{
    MUX_MEMBER(&m->ready, l, ready, is_ready, false);
    MUX_MEMBER(&m->flushable, l, flushable, is_flushable, false);
    vsock_mux_settle(m, l);
}

void vsock_mux_abort(struct vsock_mux *m)
{
    struct vsock_link *l, *next;

    for (l = TAILQ_FIRST(&m->all); l; l = next) {
        next = TAILQ_NEXT(l, all);
        vsock_link_abort(l);
        vsock_mux_settle(m, l);
    }
    m->reset_count = 0;
}

/* Resets. */

bool vsock_mux_can_reset(const struct vsock_mux *m)
{
    return m->reset_count + 2 <= VSOCK_RESETS_MAX;
}

void vsock_mux_reset(struct vsock_mux *m, const struct virtio_vsock_hdr *h)
{
    assert(m->reset_count < VSOCK_RESETS_MAX);
    m->reset[(m->first_reset + m->reset_count++) % VSOCK_RESETS_MAX] = *h;
}

struct virtio_vsock_hdr vsock_mux_take_reset(struct vsock_mux *m)
{
    unsigned first = m->first_reset;

    assert(m->reset_count > 0);
    m->first_reset = (first + 1) % VSOCK_RESETS_MAX;
    m->reset_count--;
    return m->reset[first];
}

bool vsock_mux_speaks(const struct vsock_mux *m)
{
    return m->reset_count > 0 || !TAILQ_EMPTY(&m->ready);
}

/* Room. */

/* Resets a link that has to go at once. So its RST becomes one of the mux's. */
static void mux_give_up(struct vsock_mux *m, struct vsock_link *l)
{
    struct virtio_vsock_hdr h;

    vsock_conn_reset(&l->conn);
    h = vsock_conn_speak(&l->conn);
    vsock_mux_reset(m, &h);
    metric_add(&l->hub->counters->conns_killed, 1);
    vsock_mux_settle(m, l);
}

bool vsock_mux_has_room(struct vsock_mux *m)
{
    struct vsock_link *oldest = TAILQ_FIRST(&m->lingering);

    if (m->count == m->limit && oldest && vsock_mux_can_reset(m))
        mux_give_up(m, oldest);
    return m->count < m->limit;
}
