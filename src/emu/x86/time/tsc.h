#ifndef EMU_X86_TIME_TSC_H
#define EMU_X86_TIME_TSC_H
/*
 * The time stamp counter: the host's, and the guest's, which is the host's plus an offset.
 */
#include <stdint.h>
#include <time.h>

struct cpu;
struct emu;

/* The host's time stamp counter, and its frequency as measured between two samples of it. */
uint64_t tsc_host(void);

/* Two clocks at one moment, as near as they can be read: of several tries the one during which the
 * least time went by, for this thread may lose its processor between them. */
struct tsc_sample {
    uint64_t tsc; /* the host's */
    uint64_t ns;  /* of `clock` */
};
struct tsc_sample tsc_sample(clockid_t clock);

/* While building; and by each processor, on its own thread, before it first runs: the first one
 * settles the counter's frequency from the time that went by. */
void tsc_init(struct emu *m);
void tsc_settle(struct emu *m);

/* The counter's frequency in kHz: any thread; 0 until tsc_settle. */
uint32_t tsc_khz(const struct emu *m);

uint64_t tsc_guest(const struct cpu *c);
uint64_t tsc_to_ns(const struct emu *m, uint64_t ticks);

#endif
