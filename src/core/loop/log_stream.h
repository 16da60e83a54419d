#ifndef CORE_LOOP_LOG_STREAM_H
#define CORE_LOOP_LOG_STREAM_H
/*
 * The log written by the event loop: a line is written when its descriptor takes it, and the loop
 * waits for that, not the thread that logs. Loop thread throughout. A process has one log, so it
 * has one stream.
 */
#include <stdbool.h>

struct loop;

/* From now on the loop writes the log's lines, including those that wait. */
void log_stream_attach(struct loop *l);

/* From now on threads that log write themselves again, and the next of them, or log_flush, writes
 * the lines that wait. Runs the loop until no write of the log's is under way in it, for at most a
 * second. false: one still is, and the loop must not be destroyed before the process ends. Does
 * nothing where no loop is attached. */
bool log_stream_detach(void);

/* The same for a loop that cannot run any more. The loop stays allocated. */
void log_stream_abandon(void);

#endif
