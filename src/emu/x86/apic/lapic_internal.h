#ifndef EMU_X86_APIC_LAPIC_INTERNAL_H
#define EMU_X86_APIC_LAPIC_INTERNAL_H
/*
 * What the files of the local APIC share: register offsets, and the functions that one file offers
 * to those above it. From the bottom up: lapic.c; lapic_timer.c and lapic_icr.c; lapic_regs.c;
 * lapic_msr.c.
 */
#include <stdbool.h>
#include <stdint.h>

#include "emu/x86/apic/lapic.h"

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
    LVT_ENTRIES,
};

#define LVT_MASKED    (1u << 16)
#define LVT_MODE(lvt) ((lvt) >> 8 & 7u) /* delivery mode of LINT0 and LINT1 */
#define LVT_FIXED     0u
#define LVT_NMI       4u
#define LVT_EXTINT    7u

/* CPUID shows this frequency in leaf 0x40000010 and, to a guest that sees an Intel processor, in
 * leaf 0x15 as that of the core crystal clock. */
#define LAPIC_TIMER_HZ UINT64_C(1000000000)

/* IA32_APIC_BASE. */
#define LAPIC_BASE_BSP    (UINT64_C(1) << 8)
#define LAPIC_BASE_X2APIC (UINT64_C(1) << 10)
#define LAPIC_BASE_ENABLE (UINT64_C(1) << 11)

#define LAPIC_SVR_ENABLE (1u << 8)

/* Any thread: the registers that other threads read too. */

static inline uint32_t lapic_shared_read(const uint32_t *reg)
{
    return __atomic_load_n(reg, __ATOMIC_RELAXED);
}

static inline void lapic_shared_write(uint32_t *reg, uint32_t value)
{
    __atomic_store_n(reg, value, __ATOMIC_RELAXED);
}

static inline uint64_t lapic_base(const struct lapic *l)
{
    return __atomic_load_n(&l->base_msr, __ATOMIC_RELAXED);
}

static inline void lapic_base_set(struct lapic *l, uint64_t value)
{
    __atomic_store_n(&l->base_msr, value, __ATOMIC_RELAXED);
}

/* Whether the vector's bit is set in IRR, TMR or ISR. */
static inline bool lapic_bit_test(const uint32_t *words, uint8_t vector)
{
    return __atomic_load_n(&words[vector / 32], __ATOMIC_ACQUIRE) >> vector % 32 & 1u;
}

/* Whether IA32_APIC_BASE and SVR both enable it. */
bool lapic_enabled(const struct lapic *l);
bool lapic_is_x2apic(const struct lapic *l);
uint32_t lapic_id(const struct lapic *l);

/* Whether a logical destination names this APIC (SDM 3A, 11.6.2.2 and 11.12.10.2). */
bool lapic_matches_logical(const struct lapic *l, uint32_t destination);

/* That vCPU's thread. */

/* The highest vector whose bit is set in IRR or ISR; 0: none. */
unsigned lapic_highest(const uint32_t *words);

/* The processor priority (SDM 3A, 11.8.3.1). */
uint32_t lapic_priority(const struct lapic *l);
void lapic_task_priority_set(struct lapic *l, uint32_t value);

/* lapic_icr.c: sends the message in the ICR, whose low half was just written. */
void lapic_command(struct lapic *l);

/* lapic_timer.c: writes of the timer's registers (lapic_timer_mode is called before the LVT entry
 * changes), the current count, and the end of an interrupt with this vector. */
void lapic_timer_reset(struct lapic *l);
void lapic_timer_start(struct lapic *l, uint32_t initial);
void lapic_timer_divide(struct lapic *l, uint32_t divide);
void lapic_timer_mode(struct lapic *l, uint32_t lvt);
void lapic_timer_deadline(struct lapic *l, uint64_t tsc);
uint32_t lapic_timer_current(const struct lapic *l);
void lapic_timer_served(struct lapic *l, uint8_t vector);

/* lapic_regs.c: the writable bits of each entry of the local vector table. */
extern const uint32_t lapic_lvt_writable[LVT_ENTRIES];

#endif
