/* The host's end, on the unix sockets of a vsock device. */
#include "e2e/vsock/peer.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int host_listen(const char *uds, unsigned port)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    int len = snprintf(at.sun_path, sizeof(at.sun_path), "%s_%u", uds, port);

    if (len < 0 || (size_t)len >= sizeof(at.sun_path) ||
        bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, PEER_CONNECTIONS) < 0)
        peer_die("the host cannot listen at %s_%u", uds, port);
    return fd;
}

static int host_accept(int listener)
{
    int fd = accept(listener, NULL, NULL);

    if (fd < 0)
        peer_die("the host accepts nobody");
    return fd;
}

/* Reads a line, and not a byte of what comes after it; "" if the connection was closed. */
static void line_read(int fd, char *to, size_t size)
{
    size_t len = 0;

    while (len + 1 < size && read(fd, to + len, 1) == 1 && to[len] != '\n')
        len++;
    to[len] = '\0';
}

static int guest_try(const char *uds, unsigned port)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    unsigned theirs;
    char line[64];

    (void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", uds);
    if (connect(fd, (const struct sockaddr *)&at, sizeof(at)) < 0)
        peer_die("nobody listens at %s", uds);
    if (dprintf(fd, "CONNECT %u\n", port) < 0)
        peer_die("nobody reads at %s", uds);
    line_read(fd, line, sizeof(line));
    if (sscanf(line, "OK %u", &theirs) == 1)
        return fd;
    if (line[0] != '\0')
        peer_die("the answer to CONNECT %u is '%s'", port, line);
    (void)close(fd);
    return -1;
}

static int guest_connect(const char *uds, unsigned port)
{
    int fd = guest_try(uds, port);

    if (fd < 0)
        peer_die("the guest refuses port %u", port);
    return fd;
}

static void crowd(int listener)
{
    static int fds[PEER_CONNECTIONS];

    for (unsigned i = 0; i < PEER_CONNECTIONS; i++)
        fds[i] = host_accept(listener);
    for (unsigned i = 0; i < PEER_CONNECTIONS; i++)
        peer_answer(fds[i]);
    for (unsigned i = 0; i < PEER_CONNECTIONS; i++)
        peer_close(fds[i]);
}

static void queue(const char *uds)
{
    for (uint32_t i = 0; i < PEER_CONNECTIONS; i++) {
        int fd = guest_connect(uds, PORT_QUEUE);

        peer_ask(fd, i);
        peer_hear(fd, i);
        (void)close(fd);
    }
}

int host_main(const char *uds, uint64_t len)
{
    int upload = host_listen(uds, PORT_UPLOAD), people = host_listen(uds, PORT_CROWD);

    (void)printf("host: listens\n");
    peer_receive(host_accept(upload), len);
    (void)printf("host: received\n");
    peer_send(guest_connect(uds, PORT_DOWNLOAD), len);
    (void)printf("host: sent\n");
    crowd(people);
    (void)printf("host: %u connections at a time\n", PEER_CONNECTIONS);
    if (guest_try(uds, PORT_NOBODY) >= 0)
        peer_die("somebody answers where nobody listens");
    (void)printf("host: refused where nobody listens\n");
    queue(uds);
    (void)printf("host: %u connections, one after the other\n", PEER_CONNECTIONS);
    return 0;
}
