#ifndef CORE_LOOP_LOOP_OP_H
#define CORE_LOOP_LOOP_OP_H
/*
 * The kinds of operation, and what the backends need to know of each. Pure.
 *
 * No room but this one includes it.
 */
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/loop/loop.h"

enum loop_op_kind {
    LOOP_OP_READV,
    LOOP_OP_WRITEV,
    LOOP_OP_FDATASYNC,
    LOOP_OP_FALLOCATE,
    LOOP_OP_ACCEPT,
    LOOP_OP_POLL,
    LOOP_OP_TIMER,
};

#define LOOP_OP_IDLE 0 /* where loop_op.state starts and ends on every backend */

/* Whether the operation changes a file or makes its changes permanent. If it cannot complete at
 * once, a kernel thread carries it out. */
static inline bool loop_op_is_work(const struct loop_op *op)
{
    return op->kind == LOOP_OP_FDATASYNC || op->kind == LOOP_OP_FALLOCATE ||
           (op->kind == LOOP_OP_WRITEV && op->offset >= 0);
}

/* Whether the operation is known to be on a regular file or block device. Those are always ready:
 * io_uring tries reads and writes at once, and the epoll backend performs them all itself. */
static inline bool loop_op_is_of_file(const struct loop_op *op)
{
    return op->kind == LOOP_OP_FDATASYNC || op->kind == LOOP_OP_FALLOCATE ||
           ((op->kind == LOOP_OP_READV || op->kind == LOOP_OP_WRITEV) && op->offset >= 0);
}

/* How many bytes of files one turn reads and writes: a few milliseconds' worth, even where every
 * page is new to the page cache. */
#define LOOP_TURN_BYTES (UINT64_C(4) << 20)

/* Whether an operation on a file fits into a turn that has used up *done of its LOOP_TURN_BYTES. If
 * so, adds the operation's bytes to *done. The first operation always fits. One that is not counted
 * in bytes (a flush, an allocation) uses up a whole turn. */
static inline bool loop_op_fits(const struct loop_op *op, uint64_t *done)
{
    bool moves = op->kind == LOOP_OP_READV || op->kind == LOOP_OP_WRITEV;
    uint64_t bytes = moves ? 0 : LOOP_TURN_BYTES;

    for (int i = 0; moves && i < op->count; i++)
        bytes += op->iov[i].iov_len;
    if (*done > 0 && *done + bytes > LOOP_TURN_BYTES)
        return false;
    *done += bytes;
    return true;
}

/* The poll events that an operation on a stream waits for. */
static inline uint32_t loop_op_readiness(const struct loop_op *op)
{
    if (op->kind == LOOP_OP_POLL)
        return op->events;
    return op->kind == LOOP_OP_WRITEV ? POLLOUT : POLLIN;
}

#endif
