/* The host's side: the network's other end, servers that the guest connects to, and clients, of
 * which some send half a line, some never read, and all leave at any time. */
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "chaos/chaos.h"
#include "lib/check.h"

#define PEERS 48u

struct peers {
    struct chaos *c;
    struct dice dice;
    int server[SERVERS];
    int peer[PEERS];
    uint8_t bytes[1u << 17];
};

/* The socket stands for a tap: like one, it takes and gives one frame a call. */
void host_open(struct chaos *c, int *tap)
{
    int pair[2];

    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
    *tap = pair[0];
    c->wire = pair[1];
}

void host_close(struct chaos *c)
{
    CHECK(close(c->wire) == 0);
    for (unsigned i = 0; i < SERVERS; i++)
        CHECK(unlink(c->servers[i]) == 0);
}

static struct sockaddr_un address_of(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    return address;
}

static int socket_open(void)
{
    return socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static int serve(const char *path)
{
    const struct sockaddr_un at = address_of(path);
    int fd = socket_open();

    CHECK(bind(fd, (const struct sockaddr *)&at, sizeof(at)) == 0 && listen(fd, 8) == 0);
    return fd;
}

static void frames(struct peers *p)
{
    struct virtio_net_hdr_v1 header = { .flags = 0 };
    struct iovec iov[2] = { { &header, sizeof(header) }, { p->bytes, 0 } };

    for (unsigned i = 0; i < 8; i++) {
        iov[1].iov_len =
            one_in(&p->dice, 2) ? below(&p->dice, 66000) : ETH_HLEN + below(&p->dice, 1500);
        (void)!writev(p->c->wire, iov, 2);
    }
    while (recv(p->c->wire, p->bytes, 64, MSG_DONTWAIT) > 0)
        ;
}

static int dial(struct peers *p)
{
    const struct sockaddr_un to = address_of(p->c->uds);
    int fd = socket_open(), len;
    char line[40];

    if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0) {
        (void)close(fd);
        return -1;
    }
    len = snprintf(line, sizeof(line), "CONNECT %u\n", below(&p->dice, 12));
    if (one_in(&p->dice, 8))
        len = (int)below(&p->dice, (uint32_t)len);
    (void)send(fd, line, (size_t)len, MSG_NOSIGNAL);
    return fd;
}

static void leave(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

static void peer_act(struct peers *p, int *fd)
{
    size_t len = 1 + below(&p->dice, sizeof(p->bytes));

    switch (below(&p->dice, 10)) {
    case 0:
    case 1:
        leave(fd);
        *fd =
            accept4(p->server[below(&p->dice, SERVERS)], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        break;
    case 2:
        if (*fd < 0)
            *fd = dial(p);
        break;
    case 3:
    case 4:
        (void)send(*fd, p->bytes, len, MSG_NOSIGNAL);
        break;
    case 5:
    case 6:
    case 7:
        (void)recv(*fd, p->bytes, len, 0);
        break;
    case 8:
        if (one_in(&p->dice, 4))
            leave(fd);
        break;
    default:
        if (one_in(&p->dice, 4))
            (void)shutdown(*fd, (int)below(&p->dice, 3));
        break;
    }
}

void *host_main(void *arg)
{
    static struct peers p;
    struct chaos *c = arg;

    p = (struct peers){ .c = c, .dice = { c->seed * 31337u + 77u } };
    memset(p.peer, -1, sizeof(p.peer));
    for (unsigned i = 0; i < SERVERS; i++)
        p.server[i] = serve(c->servers[i]);
    while (!c->over) {
        peer_act(&p, &p.peer[below(&p.dice, PEERS)]);
        if (one_in(&p.dice, 3))
            frames(&p);
        if (one_in(&p.dice, 8))
            (void)usleep(below(&p.dice, 200));
    }
    for (unsigned i = 0; i < PEERS; i++)
        leave(&p.peer[i]);
    for (unsigned i = 0; i < SERVERS; i++)
        leave(&p.server[i]);
    return NULL;
}
