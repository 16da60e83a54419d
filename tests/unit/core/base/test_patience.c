/* Writing to descriptors that nobody reads ends in time and leaves the descriptor as it was. */
#include "core/base/patience.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "core/base/clock.h"

#define SECOND 1000000000ull

static char much[1 << 20];

static uint64_t in(uint64_t ns)
{
    return clock_now_ns() + ns;
}

static void fill(int fd)
{
    int n;

    while ((n = patience_try(fd, much, sizeof(much))) > 0)
        ;
    cr_assert_eq(n, -EAGAIN);
}

static void expect_patience(int reader, int writer)
{
    int flags = fcntl(writer, F_GETFL);

    cr_assert_not(flags & O_NONBLOCK);
    cr_assert(patience_write(writer, "taken", 5, 0), "with room, the time does not matter");
    fill(writer);
    cr_assert_not(patience_wait(writer, in(SECOND / 100)));
    cr_assert_not(patience_write(writer, "more", 4, in(SECOND / 100)));
    cr_assert_not(patience_write(writer, much, sizeof(much), 0));
    cr_assert_eq(fcntl(writer, F_GETFL), flags);
    while (patience_try(writer, "x", 1) == -EAGAIN)
        cr_assert_gt(read(reader, much, sizeof(much)), 0);
    cr_assert_eq(close(reader), 0);
    cr_assert_not(patience_write(writer, "more", 4, in(100 * SECOND)), "the reader is gone");
}

Test(patience, pipe)
{
    int p[2];

    signal(SIGPIPE, SIG_IGN);
    cr_assert_eq(pipe(p), 0);
    expect_patience(p[0], p[1]);
}

Test(patience, socket)
{
    int s[2];

    signal(SIGPIPE, SIG_IGN);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    expect_patience(s[0], s[1]);
}

Test(patience, terminal_that_is_stopped)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY), slave;

    cr_assert_eq(grantpt(master) | unlockpt(master), 0);
    slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    cr_assert_geq(slave, 0);
    cr_assert_eq(tcflow(slave, TCOOFF), 0); /* Ctrl-S */
    cr_assert_not(patience_write(slave, "more", 4, in(SECOND / 100)));
    cr_assert_eq(tcflow(slave, TCOON), 0);
    cr_assert(patience_write(slave, "more", 4, in(100 * SECOND)));
}

Test(patience, file)
{
    char path[] = "/tmp/test_patience.XXXXXX", got[16] = "";
    int fd = mkstemp(path);

    unlink(path);
    cr_assert(patience_write(fd, "a file", 6, 0));
    cr_assert_eq(pread(fd, got, sizeof(got), 0), 6);
    cr_assert_str_eq(got, "a file");
}

Test(patience, device_that_is_full)
{
    int fd = open("/dev/full", O_WRONLY);

    cr_assert_eq(patience_try(fd, "x", 1), -ENOSPC);
    cr_assert_not(patience_write(fd, "x", 1, in(100 * SECOND)));
}
