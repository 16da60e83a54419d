#ifndef TESTS_VSOCK_PEER_H
#define TESTS_VSOCK_PEER_H
/*
 * What both ends of test_vsock.sh do with a connection once they have it. Whatever goes wrong ends
 * the program with a sentence and status 1.
 *
 *   port      who connects   what happens
 *   UPLOAD    the guest      sends a stream and shuts its end; the host says how much of it came
 *   DOWNLOAD  the host       the same the other way round
 *   CROWD     the guest      so many connections at a time: each is asked its number, all are
 * closed QUEUE     the host       as many, one after the other NOBODY    both           refused
 */
#include <stdbool.h>
#include <stdint.h>

enum peer_port {
    PORT_UPLOAD = 7001,
    PORT_DOWNLOAD,
    PORT_CROWD,
    PORT_QUEUE,
    PORT_NOBODY,
};

#define PEER_CONNECTIONS 1000u /* at a time; a device has 1023 unless it is told */

__attribute__((noreturn, format(printf, 1, 2))) void peer_die(const char *fmt, ...);

/* As many descriptors as the host allows. */
void peer_descriptors(void);

/* Sends len bytes that look random and are always the same, shuts that end down and waits for the
 * receiver, who checks each of them, to say that all came. Both close the connection. */
void peer_send(int fd, uint64_t len);
void peer_receive(int fd, uint64_t len);

/* One asks a number, the other says it back. */
void peer_ask(int fd, uint32_t number);
void peer_hear(int fd, uint32_t number);
void peer_answer(int fd);

/* Closes once the other end did. */
void peer_close(int fd);

/* The two programs. */
int guest_main(uint64_t len);
int host_main(const char *uds, uint64_t len);

#endif
