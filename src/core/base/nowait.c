/*
 * Stream I/O that does not sleep.
 *
 * A descriptor may be shared with other processes, a terminal with the user's shell: setting
 * O_NONBLOCK on it would change it under them. So each call says for itself that it must not wait,
 * in the first way that this kind of descriptor and this kernel understand:
 *
 *   RWF_NOWAIT          pipes and sockets, on kernels new enough for them (6.5) that allow the call
 *   MSG_DONTWAIT        every socket
 *   poll, then little   terminals, old pipes, eventfds
 *
 * The last is safe for a read or an accept, which poll promises something. For a write poll
 * promises only some room. A pipe has PIPE_BUF bytes then. A terminal's driver takes one more
 * piece, of which its buffers, counted in blocks of 256 bytes, hold 128 for sure; the line
 * discipline cuts pieces where output processing may turn a character into several. Other
 * descriptors take a write whole or not at all, so poll's word is enough.
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

#define TTY_PIECE 128

static int result(ssize_t n)
{
    return n < 0 ? -errno : (int)n;
}

/* What the kernel says where there is no such way, or where a filter keeps it from us. */
static bool is_no_way(int n)
{
    return n == -EOPNOTSUPP || n == -ENOSYS || n == -EPERM;
}

static bool ready(int fd, short events)
{
    struct pollfd p = { .fd = fd, .events = events };

    return poll(&p, 1, 0) > 0;
}

int nowait_readv(int fd, const struct iovec *iov, int count)
{
    struct msghdr message = { .msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)count };
    int n = result(preadv2(fd, iov, count, -1, RWF_NOWAIT));

    if (!is_no_way(n))
        return n;
    n = result(recvmsg(fd, &message, MSG_DONTWAIT));
    if (n != -ENOTSOCK && !is_no_way(n))
        return n;
    return ready(fd, POLLIN) ? result(readv(fd, iov, count)) : -EAGAIN;
}

/* The length of what a terminal's line discipline gives its driver at once. */
static size_t tty_piece(const struct iovec *iov)
{
    const char *text = iov->iov_base;
    size_t len = 0;

    while (len < iov->iov_len && len < TTY_PIECE && !memchr("\n\r\t\b", text[len], 4))
        len++;
    return len > 0 ? len : 1;
}

/* How much of it a blocking descriptor takes without sleeping once poll calls it ready. */
static size_t room(int fd, const struct iovec *iov)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return SIZE_MAX;
    if (S_ISFIFO(st.st_mode))
        return PIPE_BUF;
    return S_ISCHR(st.st_mode) && isatty(fd) ? tty_piece(iov) : SIZE_MAX;
}

static int write_polled(int fd, const struct iovec *iov, int count)
{
    size_t len;

    if (fcntl(fd, F_GETFL) & O_NONBLOCK)
        return result(writev(fd, iov, count));
    for (; count > 1 && iov->iov_len == 0; count--)
        iov++;
    len = room(fd, iov);
    if (len == SIZE_MAX)
        return result(writev(fd, iov, count));
    return result(write(fd, iov->iov_base, len < iov->iov_len ? len : iov->iov_len));
}

int nowait_writev(int fd, const struct iovec *iov, int count)
{
    struct msghdr message = { .msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)count };
    int n = result(pwritev2(fd, iov, count, -1, RWF_NOWAIT));

    if (!is_no_way(n))
        return n;
    n = result(sendmsg(fd, &message, MSG_DONTWAIT));
    if (n != -ENOTSOCK && !is_no_way(n))
        return n;
    return ready(fd, POLLOUT) ? write_polled(fd, iov, count) : -EAGAIN;
}

int nowait_accept(int fd)
{
    return ready(fd, POLLIN) ? result(accept4(fd, NULL, NULL, SOCK_CLOEXEC)) : -EAGAIN;
}
