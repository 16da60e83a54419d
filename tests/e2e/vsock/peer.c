/* One end of the vsock test: peer guest BYTES, or peer host UDS BYTES. */
#include "e2e/vsock/peer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIECE 65536u

static uint64_t buffer[PIECE / sizeof(uint64_t)];

void peer_die(const char *fmt, ...)
{
    int code = errno;
    va_list args;

    va_start(args, fmt);
    (void)fputs("peer: ", stdout);
    (void)vprintf(fmt, args);
    va_end(args);
    (void)printf(" (last error: %s)\n", strerror(code));
    exit(1);
}

void peer_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        peer_die("no limit of descriptors");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur < PEER_CONNECTIONS + 16)
        peer_die("%llu descriptors are too few", (unsigned long long)limit.rlim_cur);
}

static void write_all(int fd, const void *from, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = write(fd, (const char *)from + done, len - done);
        if (n <= 0)
            peer_die("%zu of %zu bytes could not be written", len - done, len);
        done += (size_t)n;
    }
}

/* Returns less than len only if the other end was shut. */
static size_t read_all(int fd, void *to, size_t len)
{
    size_t done = 0;

    while (done < len) {
        ssize_t n = read(fd, (char *)to + done, len - done);
        if (n < 0)
            peer_die("%zu of %zu bytes could not be read", len - done, len);
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return done;
}

static size_t piece(uint64_t left)
{
    return left < PIECE ? (size_t)left : PIECE;
}

/* xorshift64 */
static uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

void peer_send(int fd, uint64_t len)
{
    uint64_t state = 1, came;

    for (uint64_t left = len; left > 0; left -= piece(left)) {
        for (size_t i = 0; i < sizeof(buffer) / sizeof(buffer[0]); i++)
            buffer[i] = next(&state);
        write_all(fd, buffer, piece(left));
    }
    if (shutdown(fd, SHUT_WR) < 0)
        peer_die("one end cannot be shut");
    if (read_all(fd, &came, sizeof(came)) != sizeof(came) || came != len)
        peer_die("the other end did not say that %llu bytes came", (unsigned long long)len);
    peer_close(fd);
}

void peer_receive(int fd, uint64_t len)
{
    uint64_t state = 1, came = 0;

    for (size_t n = PIECE; n == PIECE; came += n) {
        n = read_all(fd, buffer, PIECE);
        for (size_t i = 0; i < n / sizeof(buffer[0]); i++)
            if (buffer[i] != next(&state))
                peer_die("another byte than was sent, around %llu", (unsigned long long)came);
    }
    if (came != len)
        peer_die("%llu bytes came instead of %llu", (unsigned long long)came,
                 (unsigned long long)len);
    write_all(fd, &came, sizeof(came));
    (void)close(fd);
}

void peer_ask(int fd, uint32_t number)
{
    write_all(fd, &number, sizeof(number));
}

void peer_hear(int fd, uint32_t number)
{
    uint32_t answer;

    if (read_all(fd, &answer, sizeof(answer)) != sizeof(answer) || answer != number)
        peer_die("connection %u has no answer", number);
}

void peer_answer(int fd)
{
    uint32_t number;

    if (read_all(fd, &number, sizeof(number)) != sizeof(number))
        peer_die("a connection without a question");
    write_all(fd, &number, sizeof(number));
}

void peer_close(int fd)
{
    char more;

    if (read_all(fd, &more, 1) != 0)
        peer_die("a connection goes on where it should end");
    (void)close(fd);
}

static uint64_t bytes(const char *text)
{
    return strtoull(text, NULL, 10);
}

int main(int argc, char **argv)
{
    setlinebuf(stdout);
    peer_descriptors();
    if (argc == 3 && strcmp(argv[1], "guest") == 0)
        return guest_main(bytes(argv[2]));
    if (argc == 4 && strcmp(argv[1], "host") == 0)
        return host_main(argv[2], bytes(argv[3]));
    peer_die("peer guest BYTES, or peer host UDS BYTES");
}
