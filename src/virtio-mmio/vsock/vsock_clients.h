#ifndef VIRTIO_MMIO_VSOCK_VSOCK_CLIENTS_H
#define VIRTIO_MMIO_VSOCK_VSOCK_CLIENTS_H
/*
 * The clients on the host: accepts them, reads their CONNECT line, and ends those that do not send
 * one or that the guest does not answer in time. Loop thread throughout.
 */
#include "virtio-mmio/vsock/vsock_port.h"

struct vsock_clients {
    struct vsock_port *port;
    struct loop_op next;    /* waits for the next client, or for the end of a pause */
    struct loop_op timer;   /* fires at the first deadline of a line or an answer */
    bool waits, timer_runs; /* next and timer are in flight */
    bool stopped;
};

void vsock_clients_init(struct vsock_clients *c, struct vsock_port *port);

/* The driver is ready. */
void vsock_clients_start(struct vsock_clients *c);

/* Accepts no more clients, and cancels both operations. The port is woken as each of them ends. */
void vsock_clients_stop(struct vsock_clients *c);

/* Reads more of a client's line from its socket, which is readable. Once the line is complete, asks
 * the guest for the connection. */
void vsock_clients_read(struct vsock_clients *c, struct vsock_link *l);

/* Call it after clients came, began to wait for the guest's answer, or ended: sets the timer. */
void vsock_clients_follow(struct vsock_clients *c);

#endif
