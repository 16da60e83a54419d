#ifndef API_RUN_TERMINAL_H
#define API_RUN_TERMINAL_H
/*
 * The operator's terminal in raw mode, restored however the process ends.
 *
 * In raw mode each key arrives at once, is not echoed and raises no signal. Output processing stays
 * on, so that "\n" in mote's own messages still starts a new line. A process has one terminal, so
 * there is one state for the whole process.
 */
#include <stdbool.h>

#include "core/base/err.h"

/* Puts the terminal fd into raw mode, and handles SIGTSTP and SIGCONT so that the shell has the old
 * mode while mote is stopped. fd stays open until terminal_restore. In the background the mode
 * changes only once SIGCONT continues mote in the foreground. Does nothing and returns 0 if fd is
 * not a terminal. Fails if its mode cannot be read. */
int terminal_raw(int fd, struct err *e);

/* Call after a read from the terminal has failed with EIO, as a background process's read does in a
 * thread that blocks SIGTTIN. If mote is in the background, stops its process group with SIGTTIN.
 * Returns true if mote has been continued in the foreground, so that the caller can read again. */
bool terminal_await(int fd);

/* Restores the mode and the two signals' actions. Does nothing if there is nothing to restore. */
void terminal_restore(void);

/* For the handler of a signal that is about to kill the process: terminal_restore_mode restores
 * only the mode, and terminal_raw_mode makes it raw again if the process survived. Both are
 * async-signal-safe. */
void terminal_restore_mode(void);
void terminal_raw_mode(void);

#endif
