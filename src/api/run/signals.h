#ifndef API_RUN_SIGNALS_H
#define API_RUN_SIGNALS_H
/*
 * The signals that ask mote to end: SIGTERM, SIGHUP, SIGINT, SIGQUIT.
 *
 * The first one ends the machine as Ctrl-A x does; mote then dies of that signal (deadly.h), so
 * that its parent sees what it would have seen without a handler. A second one does not wait for
 * the machine: it restores the terminal, flushes the log and kills mote at once. A signal that was
 * ignored when mote was started (nohup) stays ignored.
 */
struct loop;
struct power;

/* Call before the first write. Writing to a pipe that nobody reads, or beyond the file size limit,
 * then returns an error and raises no signal. */
void signals_ignore(void);

/* Blocks the signals until signals_init or signals_release, so that none kills mote between making
 * something that would outlive it (a socket's path) and being able to remove it. */
void signals_hold(void);

/* Unblocks the signals; those that are pending take effect. Does nothing without signals_hold. */
void signals_release(void);

/* Catches the signals, and releases them. The first one ends the machine through `power` on the
 * loop thread. Other threads must block these signals. */
void signals_init(struct loop *loop, struct power *power);

/* Call when the machine is over, before it is taken apart. Forgets loop and power: a first signal
 * from now on is only recorded for signals_caught, so that the clean-up finishes. */
void signals_detach(void);

/* Restores the default actions: a signal from now on kills mote at once. Detaches. */
void signals_finish(void);

/* The first signal that came since signals_init, or 0. */
int signals_caught(void);

#endif
