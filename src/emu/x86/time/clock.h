#ifndef EMU_X86_TIME_CLOCK_H
#define EMU_X86_TIME_CLOCK_H
/*
 * Time: the host's monotonic clock, and the guest's time stamp counter, which is the host's plus an
 * offset.
 */
#include <stdint.h>
#include <time.h>

struct cpu;
struct emu;

uint64_t clock_now_ns(void); /* CLOCK_MONOTONIC */

/* The host's time stamp counter, and its frequency as measured between two samples of it. */
uint64_t clock_host_tsc(void);

/* Two clocks at one moment, as near as they can be read: of several tries the one during which the
 * least time went by, for this thread may lose its processor between them. */
struct clock_sample {
    uint64_t tsc; /* the host's */
    uint64_t ns;  /* of `clock` */
};
struct clock_sample clock_sample(clockid_t clock);

/* While building; and by each processor, on its own thread, before it first runs: the first one
 * settles the counter's frequency from the time that went by. */
void clock_init(struct emu *m);
void clock_settle(struct emu *m);

/* The counter's frequency in kHz: any thread; 0 until clock_settle. */
uint32_t clock_tsc_khz(const struct emu *m);

uint64_t clock_guest_tsc(const struct cpu *c);
uint64_t clock_tsc_to_ns(const struct emu *m, uint64_t ticks);

#endif
