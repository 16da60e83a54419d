#ifndef EMU_X86_APIC_LAPIC_INTERNAL_H
#define EMU_X86_APIC_LAPIC_INTERNAL_H
/*
 * What the three files of the local APIC share: register offsets and each other's parts.
 */
#include <stdbool.h>
#include <stdint.h>

struct lapic;

/* Offsets in the window (SDM 3A, table 11-1); x2APIC's MSR numbers are these / 16. */
enum {
    REG_ID = 0x20,
    REG_VERSION = 0x30,
    REG_TPR = 0x80,
    REG_PPR = 0xa0,
    REG_EOI = 0xb0,
    REG_LDR = 0xd0,
    REG_DFR = 0xe0,
    REG_SVR = 0xf0,
    REG_ISR = 0x100,
    REG_TMR = 0x180,
    REG_IRR = 0x200,
    REG_ESR = 0x280,
    REG_ICR = 0x300,
    REG_ICR_HIGH = 0x310,
    REG_LVT_TIMER = 0x320,
    REG_LVT_ERROR = 0x370,
    REG_TIMER_INITIAL = 0x380,
    REG_TIMER_CURRENT = 0x390,
    REG_TIMER_DIVIDE = 0x3e0,
    REG_SELF_IPI = 0x3f0,
};

enum {
    LVT_TIMER,
    LVT_THERMAL,
    LVT_PERF,
    LVT_LINT0,
    LVT_LINT1,
    LVT_ERROR,
};

#define LVT_MASKED    (1u << 16)
#define LVT_MODE(lvt) ((lvt) >> 8 & 7u) /* how LINT0 and LINT1 arrive */
#define LVT_FIXED     0u
#define LVT_NMI       4u
#define LVT_EXTINT    7u

#define LAPIC_TIMER_HZ \
    UINT64_C(1000000000) /* CPUID leaf 0x15 says so as the core crystal's frequency */

bool lapic_enabled(const struct lapic *l);
bool lapic_is_x2apic(const struct lapic *l);
uint32_t lapic_id(const struct lapic *l);
bool lapic_matches_logical(const struct lapic *l, uint32_t destination);

/* lapic_icr.c, that vCPU's thread: the low half of the ICR was written. */
void lapic_command(struct lapic *l);

/* lapic_timer.c, that vCPU's thread. */
void lapic_timer_reset(struct lapic *l);
void lapic_timer_start(struct lapic *l, uint32_t initial);
void lapic_timer_divide(struct lapic *l, uint32_t divide);
void lapic_timer_mode(struct lapic *l, uint32_t lvt);
void lapic_timer_deadline(struct lapic *l, uint64_t tsc);
uint32_t lapic_timer_current(const struct lapic *l);
void lapic_timer_served(struct lapic *l, uint8_t vector); /* an EOI */

#endif
