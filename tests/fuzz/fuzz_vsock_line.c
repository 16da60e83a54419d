/*
 * Any line of a client, in pieces: one byte that says how long they are, then the line. Whatever it
 * is, it means the same in one piece and in many, and nothing after its end is taken.
 */
#include "virtio-mmio/vsock/vsock_line.h"

#include <stdlib.h>
#include <string.h>

#define NEED(fact)   \
    do {             \
        if (!(fact)) \
            abort(); \
    } while (0)

static enum vsock_line_status feed(const char *text, size_t len, size_t piece, size_t *taken,
                                   uint32_t *port)
{
    enum vsock_line_status status = VSOCK_LINE_MORE;
    struct vsock_line line = { .len = 0 };

    for (*taken = 0; *taken < len && status == VSOCK_LINE_MORE;) {
        size_t left = len - *taken, now;
        status = vsock_line_feed(&line, text + *taken, left < piece ? left : piece, &now, port);
        NEED(now > 0 && now <= piece && line.len <= VSOCK_LINE_MAX);
        *taken += now;
    }
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t port = 0, same_port = 0;
    enum vsock_line_status status;
    size_t taken, same_taken;
    const char *text = (const char *)data + 1;

    if (size < 2)
        return 0;
    status = feed(text, size - 1, 1 + data[0] % VSOCK_LINE_MAX, &taken, &port);
    NEED(feed(text, size - 1, size, &same_taken, &same_port) == status);
    NEED(port == same_port && taken == same_taken && taken <= VSOCK_LINE_MAX);
    if (status == VSOCK_LINE_OK)
        NEED(memchr(text, '\n', taken) == text + taken - 1);
    if (status == VSOCK_LINE_MORE)
        NEED(taken == size - 1 && !memchr(text, '\n', taken));
    return 0;
}
