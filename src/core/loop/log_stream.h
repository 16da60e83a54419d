#ifndef CORE_LOOP_LOG_STREAM_H
#define CORE_LOOP_LOG_STREAM_H
/*
 * The log written by the event loop: the loop, and not the thread that logs, waits until the log's
 * descriptor takes a line. Call everything here on the loop thread. A process has one log, so it
 * has one stream.
 */
#include <stdbool.h>

struct loop;

/* From now on the loop writes the log's lines, including those that wait. */
void log_stream_attach(struct loop *l);

/* From now on threads that log write their lines again. The lines that wait are written by the next
 * such thread or by log_flush. Runs the loop, for at most a second, until no write of the log is
 * under way in it. false: a write still is, and the loop must not be destroyed before the process
 * ends. Does nothing and returns true where no loop is attached. */
bool log_stream_detach(void);

/* The same for a loop that cannot run any more. It must not be destroyed before the process
 * ends. */
void log_stream_abandon(void);

#endif
