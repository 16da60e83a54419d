#ifndef CORE_LOG_LOG_OUT_H
#define CORE_LOG_LOG_OUT_H
/*
 * The log's way out: from its ring to a descriptor that perhaps takes nothing.
 *
 * Without an outlet, a thread that logs also writes: as much as the descriptor takes at once. With
 * an outlet (the event loop's is core/loop/log_stream.h), it only tells the outlet, which writes
 * when it can. Nobody ever waits. Lines that the ring cannot hold are lost and counted; a notice in
 * their place says so as soon as writes succeed again.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/log/log_ring.h"

/* Before other threads exist. Sets where lines go, and the instance's id, which stays valid. */
void log_out_to(int fd, const char *id);

/* Any thread, never blocks. Sets raw->lost. */
void log_out_put(struct log_raw *raw);

/* The number of lines that never reached the descriptor. */
uint64_t log_out_lost(void);

/* Writes the lines that wait, until the clock says until_ns. Any thread, also in the handler of a
 * fatal signal; there, lines may overtake the one that was just being written. */
void log_out_flush(uint64_t until_ns);

struct log_outlet {
    /* Any thread, never blocks: there may be a line to write. */
    void (*ready)(struct log_outlet *o);
};

/* The outlet's thread. NULL, while no write is under way: threads that log write again. */
void log_outlet_set(struct log_outlet *o);

/* The rest of the next line and the descriptor to write it to; false: there is none. *rest stays
 * valid until log_outlet_wrote is given the result of the write: what the system call returned, or
 * -errno. A line whose write was cancelled comes again. */
bool log_outlet_next(struct iovec *rest, int *fd);
void log_outlet_wrote(int res);

/* As log_outlet_set(NULL), but while a write is under way that will perhaps never end: the memory
 * it writes from is not used again. Can be called once. */
void log_outlet_abandon(void);

#endif
