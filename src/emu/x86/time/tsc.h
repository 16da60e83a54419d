#ifndef EMU_X86_TIME_TSC_H
#define EMU_X86_TIME_TSC_H
/*
 * The time stamp counter (TSC): the host's, and the guest's, which is the host's plus an offset.
 *
 * This room is time: the TSC, KVM's paravirtual clock, and the host timer that wakes a processor.
 * It knows one processor and the machine it belongs to; it must not know the interrupt controllers,
 * whose timers are built on it.
 */
#include <stdint.h>
#include <time.h>

struct cpu;
struct emu;

/* Any thread: reads the host's TSC. */
uint64_t tsc_host(void);

/* Any thread: reads the TSC and another clock at the same moment, as nearly as it can. It takes the
 * shortest of several tries, since this thread may be preempted between the reads. */
struct tsc_sample {
    uint64_t tsc; /* the host's */
    uint64_t ns;  /* of `clock` */
};
struct tsc_sample tsc_sample(clockid_t clock);

/* While the machine is built: takes the first of two samples. */
void tsc_init(struct emu *m);

/* Each vCPU's thread, before its processor first runs. Takes the second sample and computes the
 * frequency from both, unless another thread has done so. May sleep for up to 10 ms. */
void tsc_settle(struct emu *m);

/* Any thread: the frequency in kHz; 0 before tsc_settle. */
uint32_t tsc_khz(const struct emu *m);

/* That vCPU's thread. */
uint64_t tsc_guest(const struct cpu *c);

/* Any thread, after tsc_settle. Returns at most UINT64_MAX / 2. */
uint64_t tsc_to_ns(const struct emu *m, uint64_t ticks);

#endif
