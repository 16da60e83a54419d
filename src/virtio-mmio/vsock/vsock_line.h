#ifndef VIRTIO_MMIO_VSOCK_VSOCK_LINE_H
#define VIRTIO_MMIO_VSOCK_VSOCK_LINE_H
/*
 * The line with which a client on the host says what it wants: "CONNECT <port>\n". Pure.
 *
 * It may come in pieces, and what the client sends to the guest may follow at once. The word is
 * taken in any case; a port is a decimal number of 32 bits; blanks may stand anywhere but inside
 * the two, a carriage return at the end.
 */
#include <stddef.h>
#include <stdint.h>

/* Bytes that a line may have, its newline included. */
#define VSOCK_LINE_MAX 32u

/* Zeroed: nothing came yet. */
struct vsock_line {
    char text[VSOCK_LINE_MAX];
    size_t len;
};

enum vsock_line_status {
    VSOCK_LINE_MORE, /* not at its end yet */
    VSOCK_LINE_OK,   /* *port is what it asks for */
    VSOCK_LINE_BAD,  /* too long, or another line */
};

/* Takes what is of the line out of the next len > 0 bytes, and says how many these are. Once it is
 * OK or BAD it takes no more. */
enum vsock_line_status vsock_line_feed(struct vsock_line *line, const char *bytes, size_t len,
                                       size_t *taken, uint32_t *port);

#endif
