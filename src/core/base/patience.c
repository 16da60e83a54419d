/* Writing to a descriptor that perhaps nobody reads. */
#include "core/base/patience.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/nowait.h"

static bool patience_is_file(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode));
}

static int file_write(int fd, const struct iovec *iov)
{
    ssize_t n = writev(fd, iov, 1);

    return n < 0 ? -errno : (int)n;
}

int patience_try(int fd, const char *text, size_t len)
{
    const struct iovec iov = { .iov_base = (char *)text, .iov_len = len };
    const bool file = patience_is_file(fd);
    int n;

    do
        n = file ? file_write(fd, &iov) : nowait_writev(fd, &iov, 1);
    while (n == -EINTR);
    return n;
}

bool patience_wait(int fd, uint64_t until_ns)
{
    struct pollfd p = { .fd = fd, .events = POLLOUT };
    uint64_t now_ns = clock_now_ns();

    while (now_ns < until_ns) {
        int ret = poll(&p, 1, (int)((until_ns - now_ns) / NS_PER_MS) + 1);
        if (ret > 0 || (ret < 0 && errno != EINTR))
            return ret > 0;
        now_ns = clock_now_ns();
    }
    return false;
}

bool patience_write(int fd, const char *text, size_t len, uint64_t until_ns)
{
    while (len > 0) {
        int n = patience_try(fd, text, len);
        if (n == -EAGAIN && patience_wait(fd, until_ns))
            continue;
        if (n <= 0)
            return false;
        text += n;
        len -= (size_t)n;
    }
    return true;
}

void patience_say(const char *text, uint64_t until_ns)
{
    (void)patience_write(STDERR_FILENO, text, strlen(text), until_ns);
}
