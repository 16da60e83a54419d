#ifndef CORE_BASE_NOWAIT_H
#define CORE_BASE_NOWAIT_H
/*
 * Reads, writes and accepts that do not sleep, on streams of any kind, even where the descriptor is
 * blocking.
 *
 * Each returns what its system call would, with -errno for a failure; -EAGAIN means not ready. A
 * write may write less than it would to a non-blocking descriptor. A read or an accept can sleep
 * after all if another process that shares the descriptor takes the data in between (nowait.c).
 */
#include <sys/uio.h>

int nowait_readv(int fd, const struct iovec *iov, int count);
int nowait_writev(int fd, const struct iovec *iov, int count);
int nowait_accept(int fd);

#endif
