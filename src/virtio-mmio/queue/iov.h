#ifndef VIRTIO_MMIO_QUEUE_IOV_H
#define VIRTIO_MMIO_QUEUE_IOV_H
/*
 * Copying into and out of a chain's buffers, for headers and other small things: a driver may cut
 * its buffers anywhere (virtio 1.2, 2.7.4). Pure.
 *
 * What was copied out is judged and used; the buffers may have changed since.
 */
#include <stddef.h>
#include <sys/uio.h>

/* Copies up to len bytes from `offset` bytes into the vector, or to there. Returns how many there
 * were. */
size_t iov_read(const struct iovec *iov, unsigned count, size_t offset, void *to, size_t len);
size_t iov_write(const struct iovec *iov, unsigned count, size_t offset, const void *from,
                 size_t len);

/* Cuts the first len bytes off in place: shortens the vector's first element, leaves out those in
 * front of it. Returns the vector that is left and its *count, which is 0 where nothing is. */
struct iovec *iov_skip(struct iovec *iov, unsigned *count, size_t len);

/* Cuts the vector off behind len bytes in place. Returns how many elements are left. */
unsigned iov_cut(struct iovec *iov, unsigned count, size_t len);

#endif
