/* The CONNECT line, whole and in pieces. */
#include "virtio-mmio/vsock/vsock_line.h"

#include <criterion/criterion.h>
#include <string.h>

/* Feeds it in pieces of so many bytes. */
static enum vsock_line_status feed(const char *text, size_t len, size_t piece, size_t *taken,
                                   uint32_t *port)
{
    enum vsock_line_status status = VSOCK_LINE_MORE;
    struct vsock_line line = { .len = 0 };

    for (*taken = 0; *taken < len && status == VSOCK_LINE_MORE;) {
        size_t left = len - *taken, now;
        status = vsock_line_feed(&line, text + *taken, left < piece ? left : piece, &now, port);
        cr_assert_gt(now, 0);
        *taken += now;
    }
    return status;
}

static void expect(const char *text, enum vsock_line_status wanted, uint32_t port)
{
    for (size_t piece = 1; piece <= strlen(text); piece++) {
        uint32_t is = 0xdddd;
        size_t taken;
        enum vsock_line_status status = feed(text, strlen(text), piece, &taken, &is);

        cr_assert_eq(status, wanted, "'%s' in pieces of %zu: %d", text, piece, status);
        if (wanted == VSOCK_LINE_OK)
            cr_assert_eq(is, port);
    }
}

Test(vsock_line, a_port_is_taken)
{
    expect("CONNECT 52\n", VSOCK_LINE_OK, 52);
    expect("CONNECT 0\n", VSOCK_LINE_OK, 0);
    expect("CONNECT 4294967295\n", VSOCK_LINE_OK, 4294967295u);
    expect("CONNECT 00000000000000000000052\n", VSOCK_LINE_OK, 52); /* 32 bytes */
    expect("connect 7\n", VSOCK_LINE_OK, 7);
    expect("CoNNecT 7\r\n", VSOCK_LINE_OK, 7);
    expect(" \tCONNECT \t 7 \t\n", VSOCK_LINE_OK, 7);
}

Test(vsock_line, anything_else_is_bad)
{
    static const char *const lines[] = {
        "\n",
        "CONNECT\n",
        "CONNECT \n",
        "CONNECT52\n",
        "CONNECT\r\n",
        "CONNEC 52\n",
        "CONNECTX 52\n",
        "XCONNECT 52\n",
        "LISTEN 52\n",
        "CONNECT -1\n",
        "CONNECT +1\n",
        "CONNECT 0x10\n",
        "CONNECT 1 2\n",
        "CONNECT 1x\n",
        "CONNECT x\n",
        "CONNECT 4294967296\n",
        "CONNECT 18446744073709551668\n",
        "CONNECT 000000000000000000000052\n", /* 33 bytes */
        "GET / HTTP/1.1 and so on and so forth\n",
    };

    for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        expect(lines[i], VSOCK_LINE_BAD, 0);
}

Test(vsock_line, a_nul_is_no_blank)
{
    static const char line[] = "CONNECT\0 52\n";
    uint32_t port;
    size_t taken;

    cr_assert_eq(feed(line, sizeof(line) - 1, sizeof(line), &taken, &port), VSOCK_LINE_BAD);
}

Test(vsock_line, without_its_end_it_is_waited_for)
{
    expect("C", VSOCK_LINE_MORE, 0);
    expect("CONNECT 52", VSOCK_LINE_MORE, 0);
    expect("0123456789012345678901234567890", VSOCK_LINE_MORE, 0); /* 31 bytes */
    expect("01234567890123456789012345678901", VSOCK_LINE_BAD, 0); /* 32 */
}

/* What follows the line is the guest's. */
Test(vsock_line, takes_nothing_behind_its_end)
{
    const char *text = "CONNECT 52\nCONNECT 53\n";
    uint32_t port;
    size_t taken;

    for (size_t piece = 1; piece <= strlen(text); piece++) {
        cr_assert_eq(feed(text, strlen(text), piece, &taken, &port), VSOCK_LINE_OK);
        cr_assert_eq(port, 52);
        cr_assert_eq(taken, 11);
    }
}
