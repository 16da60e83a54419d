#ifndef API_RUN_TERMINAL_H
#define API_RUN_TERMINAL_H
/*
 * The operator's terminal in raw mode, given back on every way out.
 *
 * Raw: each key comes at once, unechoed, and none of them is a signal; output stays processed, so
 * that "\n" in our own messages still starts a line. A process has one terminal, so this state is
 * one too.
 */
#include <stdbool.h>

#include "core/base/err.h"

/* Puts fd's terminal into raw mode and hooks stop and continue, over which a shell has it. fd stays
 * open until terminal_restore. While another process group has the terminal it is left alone until
 * mote is continued in the foreground. Nothing happens, and 0 is returned, where fd is no terminal.
 */
int terminal_raw(int fd, struct err *e);

/* For a read from the terminal that failed with EIO, as a read does in the background where SIGTTIN
 * cannot be had. Stops as SIGTTIN would. True: continued in the foreground, read again. */
bool terminal_await(int fd);

/* As it was before; unhooks. Does nothing where there is nothing to restore. */
void terminal_restore(void);

/* The same for a signal handler about to end the process: the mode alone; and raw again where that
 * came to nothing. Async-signal-safe. */
void terminal_restore_mode(void);
void terminal_raw_mode(void);

#endif
