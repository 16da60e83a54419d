#ifndef CORE_BASE_NOWAIT_H
#define CORE_BASE_NOWAIT_H
/*
 * Reads, writes and accepts on streams of any kind that do not sleep, even where the descriptor is
 * blocking; for the epoll loop.
 *
 * Each returns what its system call would, with -errno for a failure: -EAGAIN means not ready. A
 * write may be shorter than a non-blocking descriptor would have made it.
 */
#include <sys/uio.h>

int nowait_readv(int fd, const struct iovec *iov, int count);
int nowait_writev(int fd, const struct iovec *iov, int count);
int nowait_accept(int fd);

#endif
