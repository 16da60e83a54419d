#ifndef API_RUN_DEADLY_H
#define API_RUN_DEADLY_H
/*
 * Signals that kill: before one does, the terminal is given back and the log says what it holds.
 *
 * Every signal whose default it is to end the process, but for those that somebody else handles or
 * that are ignored; signals.c handles the polite ones. A process has one set of signals, so this is
 * one too.
 */

/* With no other thread but those that block every signal except faults. Until deadly_unhook, which
 * leaves alone what somebody has replaced meanwhile. */
void deadly_hook(void);
void deadly_unhook(void);

/* Dies of the signal, which kills by default, as whoever waits for the process sees. The kernel
 * spares the first process of a namespace, whose exit status then says it. Async-signal-safe. */
_Noreturn void deadly_die(int sig);

#endif
