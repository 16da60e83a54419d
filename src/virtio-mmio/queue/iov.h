#ifndef VIRTIO_MMIO_QUEUE_IOV_H
#define VIRTIO_MMIO_QUEUE_IOV_H
/*
 * Copying into and out of a chain's buffers, and shortening vectors of them. A driver may split
 * even a header over several buffers, at any byte (virtio 1.2, 2.7.4). Pure.
 *
 * The caller judges and uses the copy, because the driver may change the buffers at any moment.
 */
#include <stddef.h>
#include <sys/uio.h>

/* Copies up to len bytes out of or into the vector, starting at its byte `offset`. Returns how many
 * bytes were copied: fewer than len if the vector ends first. */
size_t iov_read(const struct iovec *iov, unsigned count, size_t offset, void *to, size_t len);
size_t iov_write(const struct iovec *iov, unsigned count, size_t offset, const void *from,
                 size_t len);

/* Cuts off the first len bytes in place: drops the elements that lie wholly in them and shortens
 * the next one. Returns where the rest of the vector begins and sets *count to its elements, 0 if
 * nothing is left. */
struct iovec *iov_skip(struct iovec *iov, unsigned *count, size_t len);

/* Cuts off everything after the first len bytes in place. Returns how many elements are left. */
unsigned iov_cut(struct iovec *iov, unsigned count, size_t len);

#endif
