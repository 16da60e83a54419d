#ifndef EMU_X86_APIC_LAPIC_H
#define EMU_X86_APIC_LAPIC_H
/*
 * The local APIC of one processor, in xAPIC and x2APIC mode (SDM 3A, chapter 11).
 *
 * Registers belong to that vCPU's thread. Other threads look at those that say whether a message is
 * meant for it, and reach in through one door, lapic_raise: the interrupt request bits are atomic,
 * and the processor is told to look.
 */
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct cpu;
struct err;

#define LAPIC_VECTORS 256u

struct lapic {
    struct cpu *cpu;
    void (*on_eoi)(struct lapic *l, uint8_t vector, bool level); /* that vCPU's thread */
    uint64_t base_msr;                  /* IA32_APIC_BASE; read by any thread */
    uint32_t irr[LAPIC_VECTORS / 32];   /* atomic, any thread */
    uint32_t level[LAPIC_VECTORS / 32]; /* TMR; atomic, any thread */
    uint32_t isr[LAPIC_VECTORS / 32];
    uint32_t id;            /* xAPIC: as written; x2APIC: fixed */
    uint32_t ldr, dfr, svr; /* as id, read by any thread */
    uint32_t tpr;           /* 0 to 255; CR8 is its upper half */
    uint32_t esr;           /* atomic, any thread */
    uint32_t icr_low, icr_high;
    uint32_t lvt[6]; /* timer, thermal, performance, LINT0, LINT1, error */
    uint32_t timer_initial, timer_divide;
    uint64_t timer_started_ns; /* CLOCK_MONOTONIC when the present count began */
    uint64_t timer_period_ns;  /* 0: not counting */
    uint64_t tsc_deadline;     /* 0: not armed */
    uint32_t timer_owed;       /* periodic: ticks that came while one was not yet served */
    uint64_t timer_wake_ns;    /* when the host was asked to signal; 0: it was not, or has */
    timer_t timer;
    bool has_timer;
};

/* While building. `on_eoi` is told of each interrupt that the guest has ended, on that vCPU's
 * thread. */
void lapic_init(struct lapic *l, struct cpu *c,
                void (*on_eoi)(struct lapic *l, uint8_t vector, bool level));

/* That vCPU's thread, before its first instruction: makes the host timer, which signals this
 * thread. */
int lapic_start(struct lapic *l, struct err *e);
void lapic_finish(struct lapic *l);

/* That vCPU's thread. */

void lapic_reset(struct lapic *l, bool init);

/* The 4 KiB window of xAPIC mode; offset is a multiple of 16, others read 0 and ignore writes. */
uint32_t lapic_read(struct lapic *l, uint32_t offset);
void lapic_write(struct lapic *l, uint32_t offset, uint32_t value);

/* The MSRs: IA32_APIC_BASE, IA32_TSC_DEADLINE and, in x2APIC mode, 0x800 to 0x8ff. False: #GP. */
bool lapic_msr_read(struct lapic *l, uint32_t msr, uint64_t *value);
bool lapic_msr_write(struct lapic *l, uint32_t msr, uint64_t value);

/* The task priority's class as CR8 has it, 0 to 15; writing clears the lower half (SDM 3A,
 * 11.8.6). */
uint64_t lapic_cr8(const struct lapic *l);
void lapic_cr8_set(struct lapic *l, uint64_t value);

/* The highest-priority vector that may interrupt now, or -1; and taking it into service. */
int lapic_pending(const struct lapic *l);
void lapic_accept(struct lapic *l, uint8_t vector);

/* CPU_REQ_TIMER was set. */
void lapic_timer_ran_out(struct lapic *l);

/* The time stamp counter, which a deadline is one of, was moved. */
void lapic_tsc_moved(struct lapic *l);

/* Whether the window is this address' page. */
bool lapic_claims(const struct lapic *l, uint64_t gpa);

/* Any thread. */

/* Comes to nothing while the APIC is disabled. */
void lapic_raise(struct lapic *l, uint8_t vector, bool level);

/* Whether that would be an interrupt of its own: one that waits already takes others in. */
bool lapic_keeps(const struct lapic *l, uint8_t vector);

/* Whether IA32_APIC_BASE enables it; while it does not the processor is one without. */
bool lapic_is_on(const struct lapic *l);

/* Whether the processor takes interrupts of the 8259 pair: LINT0 lets them in, or the APIC is off.
 */
bool lapic_lets_extint(const struct lapic *l);

/* The wire from the 8259 pair is up; `edge`: it was down before. */
void lapic_wire(struct lapic *l, bool edge);

#endif
