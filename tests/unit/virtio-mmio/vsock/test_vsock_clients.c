/* Clients on the host: lines in pieces, clients that leave, too few descriptors, no answer. */
#include "virtio-mmio/vsock/vsock_clients.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/un.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "unit/virtio-mmio/vsock/vsock_link_rig.h"

static char folder[32], path[64];
static struct vsock_port port;
static struct vsock_clients clients;
static unsigned wakes;
static bool overdue; /* the guest's answer is overdue as soon as it is waited for */

static void wake(struct vsock_port *p)
{
    cr_assert_eq(p, &port);
    wakes++;
}

static void stirred(struct vsock_hub *h, struct vsock_link *l)
{
    cr_assert_eq(h, &port.hub);
    if (l->conn.state == VSOCK_NEW && l->readable)
        vsock_clients_read(&clients, l);
    if (overdue)
        l->deadline_ns = 1;
    vsock_mux_settle(&port.mux, l);
    vsock_clients_follow(&clients);
}

static int dial(void)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    (void)snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
    cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    cr_assert_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
    vd_settle(&d);
}

static bool is_closed(int fd)
{
    char byte;

    vd_settle(&d);
    return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

static void start(void)
{
    struct err e;

    strcpy(folder, "/tmp/test_vsock.XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/v.sock", folder);
    port = (struct vsock_port){ .cid = CID, .wake = wake };
    port.hub = (struct vsock_hub){ .loop = d.loop, .counters = &port.counters };
    port.hub.stirred = stirred;
    vsock_mux_init(&port.mux, 3);
    cr_assert_eq(vsock_listener_open(&port.listener, path, 20, false, &e), 0, "%s", e.text);
    wakes = 0;
    overdue = false;
    vsock_clients_init(&clients, &port);
    vsock_clients_start(&clients);
}

static void stop(void)
{
    vsock_clients_stop(&clients);
    vsock_mux_abort(&port.mux);
    vd_settle(&d);
    cr_assert(!clients.waits && !clients.timer_runs);
    cr_assert_eq(port.mux.count, 0);
    vsock_listener_close(&port.listener);
    cr_assert_eq(rmdir(folder), 0);
}

/* As ON_BOTH, while clients are accepted. */
#define CLIENTS(name)            \
    static void name##__(void);  \
    ON_BOTH(vsock_clients, name) \
    {                            \
        start();                 \
        name##__();              \
        stop();                  \
    }                            \
    static void name##__(void)

static struct vsock_link *first(void)
{
    return TAILQ_FIRST(&port.mux.all);
}

CLIENTS(a_line_may_come_in_pieces)
{
    int fd = dial();

    vd_settle(&d);
    cr_assert_eq(port.mux.count, 1);
    say(fd, "CON");
    say(fd, "NECT 12");
    cr_assert_eq(first()->conn.state, VSOCK_NEW);
    say(fd, "34\nwhat follows");
    cr_assert_eq(first()->conn.state, VSOCK_ASKING);
    cr_assert_eq(first()->conn.guest_port, 1234);
    cr_assert_eq(first()->conn.host_port, VSOCK_CLIENT_PORTS);
    cr_assert_eq(vsock_mux_find(&port.mux, 1234, VSOCK_CLIENT_PORTS), first());
    cr_assert(first()->is_ready);
    cr_assert(clients.timer_runs);
    (void)close(fd);
}

CLIENTS(a_client_with_another_line_is_ended)
{
    static const char *const lines[] = { "HELLO 1\n", "CONNECT 99999999999\n", "\n",
                                         "CONNECT                                  1\n" };

    for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        int fd = dial();
        say(fd, lines[i]);
        vd_settle(&d);
        cr_assert_eq(port.mux.count, 0, "after line %u", i);
        (void)close(fd);
    }
    cr_assert_eq(port.counters.conns_added, 4);
    cr_assert_eq(port.counters.conns_removed, 4);
}

CLIENTS(a_client_that_leaves_is_forgotten)
{
    int fd[2];

    fd[0] = dial();
    fd[1] = dial();
    say(fd[1], "CONN");
    cr_assert_eq(port.mux.count, 2);
    (void)close(fd[0]);
    (void)shutdown(fd[1], SHUT_WR);
    cr_assert(is_closed(fd[1]));
    cr_assert_eq(port.mux.count, 0);
    (void)close(fd[1]);
}

CLIENTS(a_client_that_the_guest_does_not_answer_is_ended)
{
    int patient = dial(), fd = dial();

    say(patient, "CONNECT 7\n");
    cr_assert_eq(vsock_conn_speak(&first()->conn).op, OP(REQUEST));
    overdue = true;
    say(fd, "CONNECT 8\n");
    cr_assert(!is_closed(fd)); /* the timer is the first one's, whose time is not over */
    first()->deadline_ns = 1;
    loop_cancel(d.loop, &clients.timer); /* ends it early */
    cr_assert(is_closed(patient));
    cr_assert(is_closed(fd));
    cr_assert_eq(port.counters.conns_killed, 2);
    cr_assert_eq(port.mux.count, 1);
    cr_assert_eq(vsock_conn_speak(&first()->conn).op, OP(RST)); /* the other was never asked */
    vsock_mux_settle(&port.mux, first());
    cr_assert_eq(port.mux.count, 0);
    cr_assert(!clients.timer_runs);
    (void)close(fd);
    (void)close(patient);
}

static void expect_deadline(const struct vsock_link *l, uint64_t since_ns)
{
    const uint64_t five = 5 * (uint64_t)NS_PER_S;

    cr_assert_geq(l->deadline_ns, since_ns + five);
    cr_assert_leq(l->deadline_ns, clock_now_ns() + five);
}

/* Pieces of the line do not extend its deadline. */
CLIENTS(a_client_without_a_whole_line_is_ended)
{
    uint64_t since_ns = clock_now_ns();
    int silent = dial(), slow = dial(), quick = dial();

    vd_settle(&d);
    cr_assert_eq(port.mux.count, 3);
    vsock_clients_follow(&clients);
    cr_assert(clients.timer_runs);
    expect_deadline(first(), since_ns);
    say(slow, "CONN");
    first()->deadline_ns = TAILQ_NEXT(first(), all)->deadline_ns = 1;
    say(slow, "ECT ");
    since_ns = clock_now_ns();
    say(quick, "CONNECT 7\n");
    expect_deadline(TAILQ_LAST(&port.mux.asking, vsock_links), since_ns);
    cr_assert_eq(TAILQ_LAST(&port.mux.asking, vsock_links)->conn.state, VSOCK_ASKING);
    loop_cancel(d.loop, &clients.timer); /* ends it early */
    cr_assert(is_closed(silent));
    cr_assert(is_closed(slow));
    cr_assert_not(is_closed(quick));
    cr_assert_eq(port.mux.count, 1);
    cr_assert_eq(port.counters.conns_killed, 2);
    cr_assert(clients.timer_runs, "the guest has its time too");
    cr_assert_eq(vsock_conn_speak(&first()->conn).op, OP(REQUEST), "it hears of no other");
    (void)close(silent);
    (void)close(slow);
    (void)close(quick);
}

CLIENTS(an_answer_stops_the_clock)
{
    struct virtio_vsock_hdr h = from_guest(7, VSOCK_CLIENT_PORTS, OP(RESPONSE));
    int fd = dial();

    say(fd, "CONNECT 7\n");
    (void)vsock_conn_speak(&first()->conn);
    cr_assert_eq(vsock_conn_hear(&first()->conn, &h), VSOCK_ACCEPTED);
    vsock_mux_settle(&port.mux, first());
    vsock_clients_follow(&clients);
    vd_settle(&d);
    cr_assert(!clients.timer_runs);
    (void)close(fd);
}

CLIENTS(there_is_no_room)
{
    int fd[5];

    for (unsigned i = 0; i < 5; i++)
        fd[i] = dial();
    vd_settle(&d);
    cr_assert_eq(port.mux.count, 3);
    cr_assert_eq(port.counters.muxer_event_fails, 2);
    for (unsigned i = 0; i < 5; i++) {
        cr_assert_eq(is_closed(fd[i]), i >= 3);
        (void)close(fd[i]);
    }
}

static bool is_taken(void *arg)
{
    (void)arg;
    return port.mux.count == 1;
}

/* While no descriptor can be had the client waits, and the loop sleeps most of the time. */
CLIENTS(there_is_no_descriptor)
{
    struct rlimit before, none;
    int fd = dial();

    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){ .rlim_cur = 0, .rlim_max = before.rlim_max };
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    vd_settle(&d);
    vd_settle(&d);
    cr_assert_eq(port.mux.count, 0);
    cr_assert_eq(port.counters.muxer_event_fails, 1);
    cr_assert(clients.waits);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    vd_run_until(&d, is_taken, NULL);
    say(fd, "CONNECT 7\n");
    cr_assert_eq(first()->conn.state, VSOCK_ASKING);
    (void)close(fd);
}

/* While there is no driver none is accepted; the next driver gets them. */
CLIENTS(they_wait_for_a_driver)
{
    int fd;

    vsock_clients_stop(&clients);
    vd_settle(&d);
    wakes = 0;
    fd = dial();
    say(fd, "CONNECT 7\n");
    cr_assert_eq(port.mux.count, 0);
    cr_assert_eq(wakes, 0);
    vsock_clients_start(&clients);
    vd_settle(&d);
    cr_assert_eq(port.mux.count, 1);
    (void)close(fd);
}
