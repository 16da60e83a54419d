/*
 * Stream I/O that does not sleep.
 *
 * A descriptor may be shared with other processes, as a terminal is with the user's shell. Setting
 * O_NONBLOCK would change it for them too. Instead each call asks the kernel not to wait this once,
 * in the first of these ways that the descriptor and the kernel support:
 *
 *   RWF_NOWAIT            pipes and sockets from Linux 6.5 on, reads of eventfds; a seccomp filter
 *                         may forbid the call
 *   MSG_DONTWAIT          every socket
 *   poll, then the call   terminals, writes to eventfds, pipes on older kernels, every accept
 *
 * After poll has reported input, a read or an accept does not sleep, unless another process that
 * shares the descriptor takes the input first. For a write, poll reports only that there is some
 * room, so the write is kept short. A pipe then has room for PIPE_BUF bytes. A terminal's driver
 * then accepts one more piece of up to 128 bytes from the line discipline, since its buffers are
 * counted in blocks of 256. The line discipline ends a piece before each character that output
 * processing may turn into several. Other descriptors take a write whole or not at all, so poll's
 * report is enough.
 */
#include "core/base/nowait.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define TTY_PIECE 128 /* bytes */

static int nowait_result(ssize_t n)
{
    return n < 0 ? -errno : (int)n;
}

/* Whether the kernel does not support this way of asking, or a filter forbids it. */
static bool nowait_is_unsupported(int n)
{
    return n == -EOPNOTSUPP || n == -ENOSYS || n == -EPERM;
}

static bool nowait_is_ready(int fd, short events)
{
    struct pollfd p = { .fd = fd, .events = events };

    return poll(&p, 1, 0) > 0;
}

int nowait_readv(int fd, const struct iovec *iov, int count)
{
    struct msghdr message = { .msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)count };
    int n = nowait_result(preadv2(fd, iov, count, -1, RWF_NOWAIT));

    if (!nowait_is_unsupported(n))
        return n;
    n = nowait_result(recvmsg(fd, &message, MSG_DONTWAIT));
    if (n != -ENOTSOCK && !nowait_is_unsupported(n))
        return n;
    return nowait_is_ready(fd, POLLIN) ? nowait_result(readv(fd, iov, count)) : -EAGAIN;
}

/* The length of the first piece that a terminal's line discipline hands to its driver. */
static size_t nowait_tty_piece(const struct iovec *iov)
{
    const char *text = iov->iov_base;
    size_t len = 0;

    while (len < iov->iov_len && len < TTY_PIECE && !memchr("\n\r\t\b", text[len], 4))
        len++;
    return len > 0 ? len : 1;
}

/* How long a write from *iov on may be without sleeping, where poll has reported the blocking
 * descriptor ready. SIZE_MAX: any length. */
static size_t nowait_room(int fd, const struct iovec *iov)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return SIZE_MAX;
    if (S_ISFIFO(st.st_mode))
        return PIPE_BUF;
    return S_ISCHR(st.st_mode) && isatty(fd) ? nowait_tty_piece(iov) : SIZE_MAX;
}

static int nowait_write_polled(int fd, const struct iovec *iov, int count)
{
    size_t len;

    if (fcntl(fd, F_GETFL) & O_NONBLOCK)
        return nowait_result(writev(fd, iov, count));
    for (; count > 1 && iov->iov_len == 0; count--)
        iov++;
    len = nowait_room(fd, iov);
    if (len == SIZE_MAX)
        return nowait_result(writev(fd, iov, count));
    return nowait_result(write(fd, iov->iov_base, len < iov->iov_len ? len : iov->iov_len));
}

int nowait_writev(int fd, const struct iovec *iov, int count)
{
    struct msghdr message = { .msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)count };
    int n = nowait_result(pwritev2(fd, iov, count, -1, RWF_NOWAIT));

    if (!nowait_is_unsupported(n))
        return n;
    n = nowait_result(sendmsg(fd, &message, MSG_DONTWAIT));
    if (n != -ENOTSOCK && !nowait_is_unsupported(n))
        return n;
    return nowait_is_ready(fd, POLLOUT) ? nowait_write_polled(fd, iov, count) : -EAGAIN;
}

int nowait_accept(int fd)
{
    return nowait_is_ready(fd, POLLIN) ? nowait_result(accept4(fd, NULL, NULL, SOCK_CLOEXEC))
                                       : -EAGAIN;
}
