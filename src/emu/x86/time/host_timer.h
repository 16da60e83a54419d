#ifndef EMU_X86_TIME_HOST_TIMER_H
#define EMU_X86_TIME_HOST_TIMER_H
/*
 * A host timer that wakes one processor: a POSIX timer on CLOCK_MONOTONIC that signals the vCPU's
 * own thread. The signal handler sets CPU_REQ_TIMER. A running processor sees that at the end of
 * its block; a halted one is woken by the signal.
 */
#include <stdint.h>
#include <time.h>

struct cpu;
struct err;

/* The least time between two signals for a periodic timer of the guest, so that a guest cannot keep
 * its host busy with signals alone. */
#define HOST_TIMER_MIN_NS 20000u

/* That vCPU's thread. */
int host_timer_init(timer_t *t, struct cpu *c, struct err *e);

/* Any thread. */

void host_timer_finish(timer_t t);

/* Asks for one signal at this CLOCK_MONOTONIC time, instead of any asked for before. It comes at
 * once if the time is past. 0: asks for none. */
void host_timer_set(timer_t t, uint64_t at_ns);

#endif
