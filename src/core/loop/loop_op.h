#ifndef CORE_LOOP_LOOP_OP_H
#define CORE_LOOP_LOOP_OP_H
/*
 * What kind an operation is, and what follows from that for whoever does it. Pure.
 *
 * Nobody outside this room includes it.
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

#define LOOP_OP_IDLE 0 /* every backend's loop_op.state starts and ends here */

/* Changes to a file: where they are not done at once, a thread of the kernel's does them. */
static inline bool loop_op_is_work(const struct loop_op *op)
{
    return op->kind == LOOP_OP_FDATASYNC || op->kind == LOOP_OP_FALLOCATE ||
           (op->kind == LOOP_OP_WRITEV && op->offset >= 0);
}

/* On a file, which is always ready: io_uring does it at once where it can, epoll itself. */
static inline bool loop_op_is_of_file(const struct loop_op *op)
{
    return op->kind == LOOP_OP_FDATASYNC || op->kind == LOOP_OP_FALLOCATE ||
           ((op->kind == LOOP_OP_READV || op->kind == LOOP_OP_WRITEV) && op->offset >= 0);
}

/* What of the work on files is done in one turn: as much as takes a few milliseconds, also where
 * each page is new to the page cache. */
#define LOOP_TURN_BYTES (UINT64_C(4) << 20)

/* Whether an operation on a file has its place in this turn, with what was done before: then its
 * part of LOOP_TURN_BYTES is added. What is not counted in bytes has a turn to itself. */
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

/* What an operation on a stream waits for. */
static inline uint32_t loop_op_readiness(const struct loop_op *op)
{
    if (op->kind == LOOP_OP_POLL)
        return op->events;
    return op->kind == LOOP_OP_WRITEV ? POLLOUT : POLLIN;
}

#endif
