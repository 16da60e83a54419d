#ifndef API_RUN_SIGNALS_H
#define API_RUN_SIGNALS_H
/*
 * The signals that ask mote to end: SIGTERM, SIGHUP, SIGINT, SIGQUIT.
 *
 * The first one ends the machine in order; whoever waits for mote then sees it die of that signal,
 * as it would have without us. A second one does not wait for the machine: it gives the terminal
 * back and dies at once. One that was ignored when mote was started (nohup) stays ignored.
 */
struct loop;
struct power;

/* Before the first write: what that meets, a pipe that nobody reads or the limit of a file's size,
 * is an error for whoever writes and no signal. */
void signals_ignore(void);

/* From here the signals wait until signals_init or signals_release: whoever makes what would
 * outlive the process, a socket's path, can unmake it. */
void signals_hold(void);

/* Those that wait take effect. Without a hold nothing happens. */
void signals_release(void);

/* Once, before other threads exist. The first signal ends the machine through `power` on the loop
 * thread. */
void signals_init(struct loop *loop, struct power *power);

/* The machine is over, what it was made of is not: loop and power are forgotten, and the first
 * signal from now on, if it is the first, waits until whoever cleans up has done so. */
void signals_detach(void);

/* The defaults again, of which one dies at once. Detaches. */
void signals_finish(void);

/* The first signal that came, or 0. */
int signals_caught(void);

/* Dies of it. */
_Noreturn void signals_die(int sig);

#endif
