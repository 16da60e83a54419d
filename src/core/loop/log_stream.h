#ifndef CORE_LOOP_LOG_STREAM_H
#define CORE_LOOP_LOG_STREAM_H
/*
 * The log as a stream of the event loop's: a line is written when its descriptor takes it, and
 * whoever waits for that is the loop and no thread. Loop thread throughout. A process has one log,
 * so this is one too.
 */
#include <stdbool.h>

struct loop;

/* From now on lines go through the loop, those that wait too. */
void log_stream_attach(struct loop *l);

/* Lines are written at once again, those that wait at the next log_flush. Runs the loop until
 * nothing of the log's is under way in it, for at most a second. false: something still is, and the
 * loop goes with the process. Does nothing where nothing is attached. */
bool log_stream_detach(void);

/* The same for a loop that cannot be run any more, and stays allocated. */
void log_stream_abandon(void);

#endif
