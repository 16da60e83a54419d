/* Stream I/O that does not sleep: blocking descriptors of each kind, empty, full and at their end.
 */
#include "core/base/nowait.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "lib/forbid.h"

static char big[1 << 20];

static int write_text(int fd, const char *text)
{
    struct iovec iov[2] = { { big, 0 }, { (char *)text, strlen(text) } };

    return nowait_writev(fd, iov, 2);
}

static int read_some(int fd, char *to, size_t len)
{
    struct iovec iov = { to, len };

    return nowait_readv(fd, &iov, 1);
}

/* Both ends are blocking: as plain calls, those that return -EAGAIN would sleep. */
static void stream(int in, int out)
{
    struct iovec iov = { big, sizeof(big) };
    char got[16] = "";
    int n, total = 0, back = 0;

    cr_assert_eq(read_some(in, got, sizeof(got)), -EAGAIN, "empty");
    cr_assert_eq(write_text(out, "hello\n"), 6);
    cr_assert_eq(read_some(in, got, sizeof(got)), 6);
    cr_assert_str_eq(got, "hello\n");

    while ((n = nowait_writev(out, &iov, 1)) > 0)
        total += n;
    cr_assert_eq(n, -EAGAIN, "full: %d", n);
    cr_assert_gt(total, 1000);
    while ((n = read_some(in, big, sizeof(big))) > 0)
        back += n;
    cr_assert_eq(n, -EAGAIN);
    cr_assert_eq(back, total, "every write returned its length");
}

Test(nowait, pipe)
{
    char byte;
    int fds[2];

    signal(SIGPIPE, SIG_IGN);
    cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
    stream(fds[0], fds[1]);
    close(fds[1]);
    cr_assert_eq(read_some(fds[0], &byte, 1), 0, "the end");
    close(fds[0]);
    cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
    close(fds[0]);
    cr_assert_eq(write_text(fds[1], "x"), -EPIPE);
    close(fds[1]);
}

Test(nowait, stream_socket)
{
    int fds[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    stream(fds[0], fds[1]);
    close(fds[0]), close(fds[1]);
}

static void without_rwf_nowait(int with)
{
    struct iovec iov = { big, sizeof(big) };
    int fds[2];

    forbid(SYS_preadv2, with);
    forbid(SYS_pwritev2, with);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    stream(fds[0], fds[1]);
    close(fds[0]), close(fds[1]);
    cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
    stream(fds[0], fds[1]);
    cr_assert_eq(nowait_writev(fds[1], &iov, 1), PIPE_BUF);
    close(fds[0]), close(fds[1]);
}

Test(nowait, a_kernel_that_knows_no_rwf_nowait)
{
    without_rwf_nowait(EOPNOTSUPP);
}

Test(nowait, a_kernel_that_knows_no_preadv2)
{
    without_rwf_nowait(ENOSYS);
}

Test(nowait, a_filter_that_refuses_preadv2)
{
    without_rwf_nowait(EPERM);
}

Test(nowait, packets_stay_whole)
{
    struct iovec iov[2] = { { big, 5000 }, { big, 4000 } };
    int fds[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
    cr_assert_eq(nowait_writev(fds[1], iov, 2), 9000);
    cr_assert_eq(read_some(fds[0], big, sizeof(big)), 9000);
    cr_assert_eq(read_some(fds[0], big, sizeof(big)), -EAGAIN);
    close(fds[0]), close(fds[1]);
}

/* Writes until there is no room; returns how much. */
static int fill(int fd, const char *text)
{
    struct iovec iov = { big, sizeof(big) };
    int n, total = 0;

    for (size_t i = 0; i < sizeof(big); i++)
        big[i] = text[i % strlen(text)];
    while ((n = nowait_writev(fd, &iov, 1)) > 0)
        total += n;
    cr_assert_eq(n, -EAGAIN, "%d", n);
    return total;
}

/* A slave as a console has it, whose master nobody reads for a while. Output processing makes it
 * hard to know how much fits, so this runs with and without it, on text that grows and text that
 * does not. */
static void terminal(const char *text, bool raw, int flags)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave;
    struct termios t;
    char got[16];

    cr_assert(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC | flags);
    cr_assert_geq(slave, 0);
    tcgetattr(slave, &t);
    if (raw) {
        cfmakeraw(&t);
        tcsetattr(slave, TCSANOW, &t);
    }
    cr_assert_eq(read_some(slave, got, sizeof(got)), -EAGAIN);
    cr_assert_eq(write_text(master, "x"), 1);
    cr_assert_eq(write_text(master, "\n"), 1);
    cr_assert_gt(read_some(slave, got, sizeof(got)), 0);
    cr_assert_gt(fill(slave, text), 1000);
    cr_assert_gt(read_some(master, big, 4096), 0);
    close(master);
    cr_assert_leq(read_some(slave, got, sizeof(got)), 0, "hung up");
    close(slave);
}

Test(nowait, terminals)
{
    static const char *texts[] = { "\n", "x", "a\tb\r\n\x1b[1m" };

    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        terminal(texts[i], false, 0);
        terminal(texts[i], true, 0);
        terminal(texts[i], false, O_NONBLOCK);
    }
}

Test(nowait, eventfd)
{
    int fd = eventfd(0, EFD_CLOEXEC);
    uint64_t most = UINT64_MAX - 1, got = 0;
    struct iovec iov = { &most, sizeof(most) };

    cr_assert_eq(read_some(fd, (char *)&got, sizeof(got)), -EAGAIN);
    cr_assert_eq(nowait_writev(fd, &iov, 1), 8);
    cr_assert_eq(nowait_writev(fd, &iov, 1), -EAGAIN, "the count is at its limit");
    cr_assert_eq(read_some(fd, (char *)&got, sizeof(got)), 8);
    cr_assert_eq(got, most);
    close(fd);
}

Test(nowait, accept_of_a_blocking_listener)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sa_family_t any = AF_UNIX;

    cr_assert_eq(bind(fd, (struct sockaddr *)&any, sizeof(any)), 0);
    cr_assert_eq(listen(fd, 1), 0);
    cr_assert_eq(nowait_accept(fd), -EAGAIN);
    close(fd);
    cr_assert_eq(nowait_accept(fd), -EBADF);
}

Test(nowait, errors_are_the_system_calls_own)
{
    char byte;
    int fds[2];

    cr_assert_eq(read_some(-1, &byte, 1), -EBADF);
    cr_assert_eq(write_text(-1, "x"), -EBADF);
    cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
    cr_assert_eq(read_some(fds[1], &byte, 1), -EBADF, "not open for reading");
    cr_assert_eq(write_text(fds[0], "x"), -EBADF);
    cr_assert_eq(nowait_readv(fds[0], NULL, IOV_MAX + 1), -EINVAL);
    close(fds[0]), close(fds[1]);
}
