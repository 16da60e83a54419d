#ifndef EMU_X86_TIME_HOST_TIMER_H
#define EMU_X86_TIME_HOST_TIMER_H
/*
 * A timer of the host's that wakes one processor: a POSIX timer on CLOCK_MONOTONIC that signals the
 * vCPU's own thread, whose handler sets CPU_REQ_TIMER. A running processor sees that at the end of
 * its block, a halted one is woken by the signal itself.
 */
#include <stdint.h>
#include <time.h>

struct cpu;
struct err;

/* That vCPU's thread. */
int host_timer_init(timer_t *t, struct cpu *c, struct err *e);

/* Any thread. */

void host_timer_finish(timer_t t);

/* Asks for a signal at this CLOCK_MONOTONIC time, at once where that has gone by; 0: none any
 * more. */
void host_timer_set(timer_t t, uint64_t at_ns);

#endif
