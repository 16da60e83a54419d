/*
 * The local APIC's state: whether it is the destination of a message, which interrupts are pending,
 * and which may interrupt the processor. The registers are in lapic_regs.c and lapic_msr.c, the
 * timer is in lapic_timer.c.
 */
#include "emu/x86/apic/lapic.h"

#include <stddef.h>

#include "emu/x86/apic/lapic_internal.h"
#include "emu/x86/cpu/cpu.h"

#define ESR_RECEIVED (1u << 6)

unsigned lapic_highest(const uint32_t *words)
{
    for (unsigned i = LAPIC_VECTORS / 32; i-- > 0;) {
        uint32_t word = __atomic_load_n(&words[i], __ATOMIC_ACQUIRE);

        if (word)
            return i * 32 + 31 - (unsigned)__builtin_clz(word);
    }
    return 0; /* no vector is set; vectors below 16 are never delivered */
}

static void lapic_bit_set(uint32_t *words, uint8_t vector)
{
    __atomic_fetch_or(&words[vector / 32], 1u << vector % 32, __ATOMIC_ACQ_REL);
}

static void lapic_bit_clear(uint32_t *words, uint8_t vector)
{
    __atomic_fetch_and(&words[vector / 32], ~(1u << vector % 32), __ATOMIC_ACQ_REL);
}

bool lapic_is_x2apic(const struct lapic *l)
{
    return lapic_base(l) & LAPIC_BASE_X2APIC;
}

bool lapic_enabled(const struct lapic *l)
{
    return (lapic_base(l) & LAPIC_BASE_ENABLE) && (lapic_shared_read(&l->svr) & LAPIC_SVR_ENABLE);
}

uint32_t lapic_id(const struct lapic *l)
{
    return lapic_is_x2apic(l) ? l->cpu->accel.id : lapic_shared_read(&l->id) >> 24;
}

bool lapic_matches_logical(const struct lapic *l, uint32_t destination)
{
    uint32_t ldr = lapic_shared_read(&l->ldr) >> 24;

    if (lapic_is_x2apic(l)) {
        uint32_t id = l->cpu->accel.id;

        return destination >> 16 == id >> 4 && (destination >> (id & 15) & 1u);
    }
    if (lapic_shared_read(&l->dfr) >> 28 == 0xf) /* flat */
        return ldr & destination & 0xffu;
    return ldr >> 4 == (destination >> 4 & 0xfu) && (ldr & destination & 0xfu);
}

uint64_t lapic_cr8(const struct lapic *l)
{
    return l->tpr >> 4;
}

void lapic_task_priority_set(struct lapic *l, uint32_t value)
{
    l->tpr = value;
    cpu_request(l->cpu, CPU_REQ_INTERRUPT); /* the old priority may have held an interrupt back */
}

void lapic_cr8_set(struct lapic *l, uint64_t value)
{
    lapic_task_priority_set(l, (uint32_t)value << 4);
}

uint32_t lapic_priority(const struct lapic *l)
{
    uint32_t service = lapic_highest(l->isr);

    return l->tpr >> 4 >= service >> 4 ? l->tpr : service & 0xf0u;
}

int lapic_pending(const struct lapic *l)
{
    unsigned vector = lapic_highest(l->irr);

    if (!lapic_enabled(l) || vector < 16 || vector >> 4 <= lapic_priority(l) >> 4)
        return -1;
    return (int)vector;
}

void lapic_accept(struct lapic *l, uint8_t vector)
{
    lapic_bit_clear(l->irr, vector);
    l->isr[vector / 32] |= 1u << vector % 32;
}

void lapic_raise(struct lapic *l, uint8_t vector, bool level)
{
    if (!lapic_enabled(l))
        return;
    if (vector < 16) {
        __atomic_fetch_or(&l->esr, ESR_RECEIVED, __ATOMIC_RELAXED);
        return;
    }
    if (level)
        lapic_bit_set(l->level, vector);
    else
        lapic_bit_clear(l->level, vector);
    lapic_bit_set(l->irr, vector);
    cpu_request(l->cpu, CPU_REQ_INTERRUPT);
}

bool lapic_keeps(const struct lapic *l, uint8_t vector)
{
    return lapic_enabled(l) && vector >= 16 && !lapic_bit_test(l->irr, vector);
}

bool lapic_is_on(const struct lapic *l)
{
    return lapic_base(l) & LAPIC_BASE_ENABLE;
}

bool lapic_lets_extint(const struct lapic *l)
{
    uint32_t lvt = lapic_shared_read(&l->lvt[LVT_LINT0]);

    return !lapic_is_on(l) || (!(lvt & LVT_MASKED) && LVT_MODE(lvt) == LVT_EXTINT);
}

void lapic_wire(struct lapic *l, bool edge)
{
    uint32_t lvt = lapic_shared_read(&l->lvt[LVT_LINT0]);

    if (lapic_lets_extint(l))
        cpu_request(l->cpu, CPU_REQ_INTERRUPT);
    else if (edge && !(lvt & LVT_MASKED) && LVT_MODE(lvt) == LVT_FIXED)
        lapic_raise(l, (uint8_t)lvt, false);
    else if (edge && !(lvt & LVT_MASKED) && LVT_MODE(lvt) == LVT_NMI)
        cpu_request(l->cpu, CPU_REQ_NMI);
}
