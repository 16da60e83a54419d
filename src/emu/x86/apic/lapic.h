#ifndef EMU_X86_APIC_LAPIC_H
#define EMU_X86_APIC_LAPIC_H
/*
 * The local APIC of one processor, in xAPIC and x2APIC mode (SDM 3A, chapter 11).
 *
 * The registers belong to that vCPU's thread. Other threads read the registers that decide whether
 * the APIC is the destination of a message and whether it accepts interrupts. They change only the
 * IRR, the TMR and the ESR, through lapic_raise, which then sends the processor CPU_REQ_INTERRUPT.
 *
 * This room is the machine's interrupt controllers and timers: local APICs, I/O APIC, 8259 pair and
 * 8254. They tell a processor of an interrupt through cpu_request; they must not know guest memory,
 * instructions, or how an interrupt is delivered to the guest.
 */
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct cpu;
struct err;

#define LAPIC_VECTORS 256u

struct lapic {
    struct cpu *cpu;
    void (*on_eoi)(struct lapic *l, uint8_t vector, bool level); /* see lapic_init */
    uint64_t base_msr;                  /* IA32_APIC_BASE; read by any thread */
    uint32_t irr[LAPIC_VECTORS / 32];   /* atomic, any thread */
    uint32_t level[LAPIC_VECTORS / 32]; /* TMR; atomic, any thread */
    uint32_t isr[LAPIC_VECTORS / 32];
    uint32_t id;            /* the xAPIC register; read by any thread */
    uint32_t ldr, dfr, svr; /* read by any thread */
    uint32_t tpr;           /* 0 to 255; CR8 is its upper half */
    uint32_t esr;           /* atomic, any thread */
    uint32_t icr_low, icr_high;
    uint32_t lvt[6]; /* timer, thermal, performance, LINT0 (read by any thread), LINT1, error */
    uint32_t timer_initial, timer_divide;
    uint64_t timer_started_ns; /* CLOCK_MONOTONIC when the present count began */
    uint64_t timer_period_ns;  /* 0: not counting */
    uint64_t tsc_deadline;     /* 0: not armed */
    uint32_t timer_owed;       /* ticks of a periodic timer that the guest has yet to get */
    uint64_t timer_wake_ns;    /* when the host timer is to signal; 0: not set, or has signalled */
    timer_t timer;
    bool has_timer;
};

/* While the machine is built. on_eoi will be called, on that vCPU's thread, for each interrupt that
 * the guest ends. */
void lapic_init(struct lapic *l, struct cpu *c,
                void (*on_eoi)(struct lapic *l, uint8_t vector, bool level));

/* That vCPU's thread, before its first instruction: creates the host timer, which will signal this
 * thread. Later calls do nothing. */
int lapic_start(struct lapic *l, struct err *e);

/* Any thread, while the processor does not run. */
void lapic_finish(struct lapic *l);

/* That vCPU's thread. */

/* Resets the APIC as INIT does if `init`, otherwise as RESET does. INIT leaves IA32_APIC_BASE
 * alone. */
void lapic_reset(struct lapic *l, bool init);

/* The registers of the 4 KiB window of xAPIC mode, at multiples of 16. Other offsets read as 0 and
 * ignore writes. */
uint32_t lapic_read(struct lapic *l, uint32_t offset);
void lapic_write(struct lapic *l, uint32_t offset, uint32_t value);

/* Whether the MSR is the APIC's: IA32_APIC_BASE, IA32_TSC_DEADLINE, and 0x800 to 0x8ff, which are
 * there in x2APIC mode only. */
bool lapic_has_msr(uint32_t msr);

/* Reads or writes such an MSR. False: #GP. */
bool lapic_msr_read(struct lapic *l, uint32_t msr, uint64_t *value);
bool lapic_msr_write(struct lapic *l, uint32_t msr, uint64_t value);

/* The upper half of the task priority, 0 to 15, which is CR8; setting it clears the lower half (SDM
 * 3A, 11.8.6). */
uint64_t lapic_cr8(const struct lapic *l);
void lapic_cr8_set(struct lapic *l, uint64_t value);

/* The highest-priority vector that may interrupt now, or -1. lapic_accept takes it into service. */
int lapic_pending(const struct lapic *l);
void lapic_accept(struct lapic *l, uint8_t vector);

/* To be called when CPU_REQ_TIMER was set: the host timer may have expired. */
void lapic_timer_ran_out(struct lapic *l);

/* To be called when the guest's TSC was moved: a deadline is a TSC value. */
void lapic_tsc_moved(struct lapic *l);

/* Whether this address is in the xAPIC window, and the window is enabled. */
bool lapic_claims(const struct lapic *l, uint64_t gpa);

/* Any thread. */

/* Makes an interrupt pending. Does nothing while the APIC is disabled. */
void lapic_raise(struct lapic *l, uint8_t vector, bool level);

/* Whether an interrupt raised now would be kept as one of its own: the APIC is enabled, the vector
 * is valid (16 or above), and it is not already pending, where the two would merge. */
bool lapic_keeps(const struct lapic *l, uint8_t vector);

/* Whether IA32_APIC_BASE enables the APIC. If not, the processor works as if it had none. */
bool lapic_is_on(const struct lapic *l);

/* Whether the processor takes interrupts of the 8259 pair: LINT0 is unmasked and in ExtINT mode, or
 * the APIC is off. */
bool lapic_lets_extint(const struct lapic *l);

/* To be called while the INTR output of the 8259 pair, which is wired to LINT0, is asserted.
 * `edge`: it was not asserted before. */
void lapic_wire(struct lapic *l, bool edge);

#endif
