#ifndef CORE_LOG_LOG_OUT_H
#define CORE_LOG_LOG_OUT_H
/*
 * The log's way out: from its ring to a descriptor that perhaps takes nothing.
 *
 * As long as nobody has taken it over, whoever says something writes what the descriptor takes at
 * once. An outlet, which is the event loop's stream (core/loop/log_stream.h), is told instead and writes
 * in its own time. Nobody ever waits: what the ring cannot hold is lost, counted, and said in its
 * place as soon as lines pass again.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/log/log_ring.h"

/* Before other threads exist: where lines go, and whose they are. id stays valid. */
void log_out_to(int fd, const char *id);

/* Any thread, never blocks. raw->lost is written. */
void log_out_put(struct log_raw *raw);

/* Lines that never reached the descriptor. */
uint64_t log_out_lost(void);

/* Writes what waits, until the clock says until_ns. Any thread, also from the handler of a signal
 * that kills: then lines may overtake the one that was just being written. */
void log_out_flush(uint64_t until_ns);

struct log_outlet {
    void (*ready)(struct log_outlet *o); /* any thread, never blocks: there may be a line */
};

/* The outlet's thread. NULL, with nothing under way: lines are written at once again. */
void log_outlet_set(struct log_outlet *o);

/* What of a line is next, and where it goes; false: there is none. Stays valid until
 * log_outlet_wrote says how its write ended: what it would return, with -errno for a failure. A
 * line whose write was cancelled comes again. */
bool log_outlet_next(struct iovec *rest, int *fd);
void log_outlet_wrote(int res);

/* As log_outlet_set(NULL), with a write under way that will perhaps never end: its memory is not
 * used again. Once. */
void log_outlet_abandon(void);

#endif
