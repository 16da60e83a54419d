#ifndef TESTS_VSOCK_PEER_H
#define TESTS_VSOCK_PEER_H
/*
 * What both ends of test_vsock.sh do with a connection once they have it. Whatever goes wrong ends
 * the program with a sentence and status 1.
 *
 *   port      who connects   what happens
 *   UPLOAD    the guest      sends a stream and shuts its end; the host says how much of it came
 *   DOWNLOAD  the host       the same the other way round
 *   CROWD     the guest      PEER_CONNECTIONS at a time: each sends a number and gets it back
 *   QUEUE     the host       as many, one after the other
 *   NOBODY    both           the connection is refused
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

#define PEER_CONNECTIONS 1000u /* a device allows 1023 at a time by default */

__attribute__((noreturn, format(printf, 1, 2))) void peer_die(const char *fmt, ...);

/* Raises the limit of descriptors to what the system allows. */
void peer_descriptors(void);

/* peer_send sends len bytes that look random and are always the same, shuts its end down and waits
 * until peer_receive, which checks each byte, says how many came. Both close the connection. */
void peer_send(int fd, uint64_t len);
void peer_receive(int fd, uint64_t len);

/* One end asks with a number and hears the answer; the other answers with the same number. */
void peer_ask(int fd, uint32_t number);
void peer_hear(int fd, uint32_t number);
void peer_answer(int fd);

/* Waits until the other end has closed, and closes. */
void peer_close(int fd);

/* The two programs. */
int guest_main(uint64_t len);
int host_main(const char *uds, uint64_t len);

#endif
