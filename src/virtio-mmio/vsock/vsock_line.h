#ifndef VIRTIO_MMIO_VSOCK_VSOCK_LINE_H
#define VIRTIO_MMIO_VSOCK_VSOCK_LINE_H
/*
 * The line with which a client on the host says what it wants: "CONNECT <port>\n". Pure.
 *
 * The line may come in pieces, and the client's data for the guest may follow at once. The word may
 * be in upper or lower case. The port is a decimal number of 32 bits. Blanks, tabs and carriage
 * returns may stand around both.
 */
#include <stddef.h>
#include <stdint.h>

/* The longest line in bytes, with its newline. */
#define VSOCK_LINE_MAX 32u

/* Zeroed: nothing came yet. */
struct vsock_line {
    char text[VSOCK_LINE_MAX];
    size_t len;
};

enum vsock_line_status {
    VSOCK_LINE_MORE, /* the line has not ended yet */
    VSOCK_LINE_OK,   /* *port is the port that it asks for */
    VSOCK_LINE_BAD,  /* too long, or not such a line */
};

/* Takes those of the next len > 0 bytes that belong to the line; *taken is how many. Do not call it
 * again after OK or BAD. */
enum vsock_line_status vsock_line_feed(struct vsock_line *line, const char *bytes, size_t len,
                                       size_t *taken, uint32_t *port);

#endif
