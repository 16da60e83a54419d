/* The guest's end, on AF_VSOCK. */
#include "e2e/vsock/peer.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

static int vsock(void)
{
    int fd = socket(AF_VSOCK, SOCK_STREAM, 0);

    if (fd < 0)
        peer_die("the guest has no vsock");
    return fd;
}

static int host_try(unsigned port)
{
    const struct sockaddr_vm at = { .svm_family = AF_VSOCK,
                                    .svm_cid = VMADDR_CID_HOST,
                                    .svm_port = port };
    int fd = vsock();

    if (connect(fd, (const struct sockaddr *)&at, sizeof(at)) == 0)
        return fd;
    (void)close(fd);
    return -1;
}

static int host_connect(unsigned port)
{
    int fd = host_try(port);

    if (fd < 0)
        peer_die("the host does not answer on port %u", port);
    return fd;
}

static int guest_listen(unsigned port)
{
    const struct sockaddr_vm at = { .svm_family = AF_VSOCK,
                                    .svm_cid = VMADDR_CID_ANY,
                                    .svm_port = port };
    int fd = vsock();

    if (bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 16) < 0)
        peer_die("the guest cannot listen on port %u", port);
    return fd;
}

static int guest_accept(int listener)
{
    int fd = accept(listener, NULL, NULL);

    if (fd < 0)
        peer_die("the guest accepts nobody");
    return fd;
}

static void crowd(void)
{
    static int fds[PEER_CONNECTIONS];

    for (uint32_t i = 0; i < PEER_CONNECTIONS; i++) {
        fds[i] = host_connect(PORT_CROWD);
        peer_ask(fds[i], i);
    }
    for (uint32_t i = 0; i < PEER_CONNECTIONS; i++)
        peer_hear(fds[i], i);
    for (uint32_t i = 0; i < PEER_CONNECTIONS; i++)
        (void)close(fds[i]);
}

int guest_main(uint64_t len)
{
    int download = guest_listen(PORT_DOWNLOAD), queue = guest_listen(PORT_QUEUE);

    peer_send(host_connect(PORT_UPLOAD), len);
    (void)printf("guest: sent\n");
    peer_receive(guest_accept(download), len);
    (void)printf("guest: received\n");
    crowd();
    (void)printf("guest: %u connections at a time\n", PEER_CONNECTIONS);
    for (unsigned i = 0; i < PEER_CONNECTIONS; i++) {
        int fd = guest_accept(queue);

        peer_answer(fd);
        peer_close(fd);
    }
    (void)printf("guest: %u connections, one after the other\n", PEER_CONNECTIONS);
    if (host_try(PORT_NOBODY) >= 0)
        peer_die("somebody answers where nobody listens");
    (void)printf("guest: refused where nobody listens\n");
    return 0;
}
