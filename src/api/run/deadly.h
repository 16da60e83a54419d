#ifndef API_RUN_DEADLY_H
#define API_RUN_DEADLY_H
/*
 * Signals that kill: before one does, the terminal is restored and the log is flushed.
 *
 * This covers every signal whose default action ends the process, except those that were ignored or
 * handled before deadly_hook. A fault (SIGSEGV, SIGABRT, SIGSYS, ...) is covered even then, and its
 * previous action follows. signals.c handles the signals that ask mote to end. A process has one
 * set of signals, so there is one state for the whole process.
 */

/* Install the handlers and remove them again. deadly_unhook leaves alone an action that somebody
 * has replaced meanwhile. Call both while every other thread blocks all signals except faults. */
void deadly_hook(void);
void deadly_unhook(void);

/* Dies of the signal, whose default action kills, so that the parent sees which signal it was. The
 * first process of a pid namespace cannot die of it and exits with 128 + sig instead.
 * Async-signal-safe. */
_Noreturn void deadly_die(int sig);

#endif
