#ifndef EMU_X86_APIC_LEGACY_H
#define EMU_X86_APIC_LEGACY_H
/*
 * The PC's 8259 pair and 8254 timer (core/dev/pic.h, core/dev/pit.h) as part of the machine: their
 * ports, the lock they share, the host timer behind counter 0, and the wire to the processors.
 *
 * The pair's INTR output is wired to LINT0 of every local APIC. The APIC's LVT entry says whether
 * it reaches the processor as ExtINT; if the APIC is off, it always does (SDM 3A, 11.4 and 11.5.1).
 * Interrupts 0 to 15 go both here and to the I/O APIC, as on KVM; until a guest initialises the
 * pair they are ignored here.
 */
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "core/base/lock.h"
#include "core/dev/pic.h"
#include "core/dev/pit.h"

struct cpu;
struct emu;
struct err;

struct legacy {
    struct emu *emu;
    struct lock lock; /* legacy_raise takes it with priority (core/base/lock.h) */
    struct pic pic;
    struct pit pit;
    bool in_use;        /* pic_in_use; atomic, as are the next two: read without the lock */
    bool asks;          /* pic_asks */
    bool owes;          /* pit.owed is not 0 */
    uint64_t due_ns;    /* when counter 0's next interrupt is due, or PIT_NEVER */
    uint64_t served_ns; /* when the last one was handled */
    timer_t timer;      /* signals processor 0's thread */
    bool has_timer;
};

void legacy_init(struct legacy *l, struct emu *m);
void legacy_finish(struct legacy *l);

/* Processor 0's thread, before its first instruction: creates the host timer, which will signal
 * this thread. Later calls do nothing. */
int legacy_start(struct legacy *l, struct err *e);

/* While no processor runs, before processor 0 is destroyed: the host timer refers to it. */
void legacy_stop(struct legacy *l);

/* Any thread: raises interrupt line 0 to 15. */
void legacy_raise(struct legacy *l, unsigned line);

/* Any vCPU's thread: access to one of these ports, a byte at a time. */
bool legacy_claims(uint16_t port, unsigned size);
uint8_t legacy_read(struct legacy *l, uint16_t port);
void legacy_write(struct legacy *l, uint16_t port, uint8_t value);

/* That vCPU's thread: whether the pair has an interrupt that this processor takes. legacy_take
 * acknowledges it and returns its vector. */
bool legacy_asks(const struct legacy *l, const struct cpu *c);
uint8_t legacy_take(struct legacy *l);

/* Any vCPU's thread, after a local APIC's EOI: sends a timer interrupt that is owed, if one is. */
void legacy_eoi(struct legacy *l);

/* Processor 0's thread, when CPU_REQ_TIMER was set: this host timer or another may have expired. */
void legacy_timer_ran_out(struct legacy *l);

#endif
