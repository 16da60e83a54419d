#ifndef EMU_X86_APIC_LEGACY_H
#define EMU_X86_APIC_LEGACY_H
/*
 * The PC's interrupt controllers and timer as the machine has them: at their ports, with the lock
 * they share, the host's timer behind counter 0, and the wire to the processors.
 *
 * The wire is LINT0 of every local APIC that lets it in as ExtINT, or the processor's own input
 * where its local APIC is off (SDM 3A, 11.4 and 11.5.1). Interrupts 0 to 15 come here and to the
 * I/O APIC both, as on KVM; nothing of them is kept here until a guest initialises the pair.
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
    struct lock lock; /* raised lines go before accesses */
    struct pic pic;
    struct pit pit;
    bool in_use;        /* atomic: the pair has been initialised */
    bool asks;          /* atomic: pic_asks */
    bool owes;          /* atomic: pit.owed is not 0 */
    uint64_t due_ns;    /* of counter 0's next interrupt; PIT_NEVER */
    uint64_t served_ns; /* of the last one's handling */
    timer_t timer;      /* signals processor 0's thread */
    bool has_timer;
};

void legacy_init(struct legacy *l, struct emu *m);
void legacy_finish(struct legacy *l);

/* Processor 0's thread, before its first instruction: makes the host's timer, which signals it. */
int legacy_start(struct legacy *l, struct err *e);

/* While no processor runs, before processor 0 goes. */
void legacy_stop(struct legacy *l);

/* Any thread: an interrupt line of the machine's, 0 to 15, was raised. */
void legacy_raise(struct legacy *l, unsigned line);

/* That vCPU's thread: a byte at one of these ports. */
bool legacy_claims(uint16_t port, unsigned size);
uint8_t legacy_read(struct legacy *l, uint16_t port);
void legacy_write(struct legacy *l, uint16_t port, uint8_t value);

/* That vCPU's thread: whether the pair asks this processor; and the vector it answers with. */
bool legacy_asks(const struct legacy *l, const struct cpu *c);
uint8_t legacy_take(struct legacy *l);

/* That vCPU's thread, after an end of interrupt: one of the timer's that is owed may go now. */
void legacy_eoi(struct legacy *l);

/* Processor 0's thread, when a timer of its has run out. */
void legacy_timer_ran_out(struct legacy *l);

#endif
