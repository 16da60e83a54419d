#ifndef CORE_LOG_LOG_OUT_H
#define CORE_LOG_LOG_OUT_H
/*
 * The log's way out: from its ring to a descriptor that perhaps takes nothing.
 *
 * Without an outlet, a thread that logs also writes: as much as the descriptor takes at once. With
 * an outlet (the event loop's is core/loop/log_stream.h), it only tells the outlet, which writes
 * when it can. No thread that logs waits for a reader. Lines that the ring cannot hold are lost and
 * counted; a notice in their place says so as soon as writes succeed again.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/log/log_ring.h"

/* Call before other threads exist. Sets where lines go, and the instance's id, which the caller
 * keeps valid. */
void log_out_to(int fd, const char *id);

/* Any thread. Sets raw->lost. Without an outlet, a write to a file may wait for the disk. */
void log_out_put(struct log_raw *raw);

/* The number of lines that never reached the descriptor. */
uint64_t log_out_lost(void);

/* Writes the lines that wait, but not beyond until_ns. Any thread, also in the handler of a fatal
 * signal. If another thread, or the outlet, is just writing a line, the lines that wait may
 * overtake it. */
void log_out_flush(uint64_t until_ns);

struct log_outlet {
    /* Any thread, never blocks. Says that there may be a line to write. */
    void (*ready)(struct log_outlet *o);
};

/* Call on the outlet's thread. NULL removes the outlet: threads that log then write the lines
 * themselves again, once the result of a write under way has gone to log_outlet_wrote. */
void log_outlet_set(struct log_outlet *o);

/* Gives the next line, or the rest of one, and the descriptor to write it to. false: there is none,
 * or another thread is writing. *rest stays valid until log_outlet_wrote is given the result of the
 * write: what the system call returned, or -errno. A line whose write was cancelled comes again. */
bool log_outlet_next(struct iovec *rest, int *fd);
void log_outlet_wrote(int res);

/* As log_outlet_set(NULL), for a write under way that may never end: threads that log do not wait
 * for its result, and the memory that it writes from is not used again. Works for one such write in
 * the life of the process. */
void log_outlet_abandon(void);

#endif
