/* Copying into and out of vectors of buffers, and cutting them. */
#include "virtio-mmio/queue/iov.h"

#include <stdint.h>
#include <string.h>

static size_t iov_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t iov_read(const struct iovec *iov, unsigned count, size_t offset, void *to, size_t len)
{
    size_t done = 0;

    for (; count > 0 && done < len; iov++, count--) {
        size_t skip = iov_min(offset, iov->iov_len);
        size_t piece = iov_min(iov->iov_len - skip, len - done);
        memcpy((uint8_t *)to + done, (const uint8_t *)iov->iov_base + skip, piece);
        offset -= skip;
        done += piece;
    }
    return done;
}

size_t iov_write(const struct iovec *iov, unsigned count, size_t offset, const void *from,
                 size_t len)
{
    size_t done = 0;

    for (; count > 0 && done < len; iov++, count--) {
        size_t skip = iov_min(offset, iov->iov_len);
        size_t piece = iov_min(iov->iov_len - skip, len - done);
        memcpy((uint8_t *)iov->iov_base + skip, (const uint8_t *)from + done, piece);
        offset -= skip;
        done += piece;
    }
    return done;
}

struct iovec *iov_skip(struct iovec *iov, unsigned *count, size_t len)
{
    while (*count > 0 && len >= iov->iov_len) {
        len -= iov->iov_len;
        iov++;
        (*count)--;
    }
    if (*count > 0) {
        iov->iov_base = (uint8_t *)iov->iov_base + len;
        iov->iov_len -= len;
    }
    return iov;
}

unsigned iov_cut(struct iovec *iov, unsigned count, size_t len)
{
    unsigned left = 0;

    for (; left < count && len > 0; left++) {
        iov[left].iov_len = iov_min(iov[left].iov_len, len);
        len -= iov[left].iov_len;
    }
    return left;
}
