/*
 * The host's end of a vsock connection: takes one connection at a unix socket and reads, writes or
 * gives back what comes, until the other end hangs up.
 *
 *   bench-vsock_peer SOCKET sink|source|echo
 *
 * It prints "listening" once it listens.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char bytes[256u << 10];

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static int accept_one(const char *path)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), connection;

    if (strlen(path) >= sizeof(at.sun_path)) {
        (void)fprintf(stderr, "vsock_peer: %s is too long\n", path);
        exit(1);
    }
    (void)strcpy(at.sun_path, path);
    if (s < 0 || bind(s, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(s, 1) < 0)
        fail(path);
    (void)puts("listening");
    (void)fflush(stdout);
    connection = accept(s, NULL, NULL);
    if (connection < 0)
        fail("accept");
    return connection;
}

int main(int argc, char **argv)
{
    int connection;
    ssize_t n;

    if (argc != 3) {
        (void)fprintf(stderr, "vsock_peer: SOCKET sink|source|echo\n");
        return 2;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    connection = accept_one(argv[1]);
    if (strcmp(argv[2], "source") == 0) {
        while (write(connection, bytes, sizeof(bytes)) > 0)
            ;
        return 0;
    }
    do
        n = read(connection, bytes, sizeof(bytes));
    while (n > 0 && (strcmp(argv[2], "sink") == 0 || write(connection, bytes, (size_t)n) == n));
    return 0;
}
