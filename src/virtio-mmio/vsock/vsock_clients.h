#ifndef VIRTIO_MMIO_VSOCK_VSOCK_CLIENTS_H
#define VIRTIO_MMIO_VSOCK_VSOCK_CLIENTS_H
/*
 * The host's clients: taking them, reading their CONNECT line, and sending those away who do not
 * say one or whom the guest does not answer. All of it is the loop thread's.
 */
#include "virtio-mmio/vsock/vsock_port.h"

struct vsock_clients {
    struct vsock_port *port;
    struct loop_op next;    /* waits for the next client, or for the end of a pause */
    struct loop_op timer;   /* at the first deadline of a line or an answer */
    bool waits, timer_runs; /* next and timer are under way */
    bool stopped;
};

void vsock_clients_init(struct vsock_clients *c, struct vsock_port *port);

/* The driver is ready. */
void vsock_clients_start(struct vsock_clients *c);

/* Takes none any more; the port is woken once waits and timer_runs are over. */
void vsock_clients_stop(struct vsock_clients *c);

/* There may be more of a client's line. */
void vsock_clients_read(struct vsock_clients *c, struct vsock_link *l);

/* Clients came, began to wait for the guest's answer, or ended. */
void vsock_clients_follow(struct vsock_clients *c);

#endif
