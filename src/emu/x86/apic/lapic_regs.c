/*
 * The local APIC's registers in the window of xAPIC mode, and its state after RESET and INIT (SDM
 * 3A, 11.4.1 and 11.4.7).
 */
#include <stddef.h>

#include "core/x86/layout.h"
#include "emu/x86/apic/lapic.h"
#include "emu/x86/apic/lapic_internal.h"
#include "emu/x86/cpu/cpu.h"

/* Integrated local APIC, version 0x14, six LVT entries, no EOI-broadcast suppression. */
#define LAPIC_VERSION 0x50014u

void lapic_init(struct lapic *l, struct cpu *c,
                void (*on_eoi)(struct lapic *l, uint8_t vector, bool level))
{
    l->on_eoi = on_eoi;
    l->cpu = c;
    lapic_reset(l, false);
    if (c->accel.id != 0)
        return;
    /* Firmware leaves the first processor in virtual wire mode (MultiProcessor Specification
     * 3.6.2.2). */
    lapic_shared_write(&l->lvt[LVT_LINT0], LVT_EXTINT << 8);
    lapic_shared_write(&l->lvt[LVT_LINT1], LVT_NMI << 8);
}

void lapic_reset(struct lapic *l, bool init)
{
    if (!init) /* INIT leaves IA32_APIC_BASE alone */
        lapic_base_set(l, LAYOUT_LAPIC | LAPIC_BASE_ENABLE |
                              (l->cpu->accel.id == 0 ? LAPIC_BASE_BSP : 0));
    lapic_shared_write(&l->svr, 0xff); /* disabled: from here on other threads raise nothing */
    for (unsigned i = 0; i < LAPIC_VECTORS / 32; i++) {
        lapic_shared_write(&l->irr[i], 0);
        lapic_shared_write(&l->level[i], 0);
        l->isr[i] = 0;
    }
    lapic_shared_write(&l->id, l->cpu->accel.id << 24);
    lapic_shared_write(&l->ldr, 0);
    lapic_shared_write(&l->dfr, 0xffffffff);
    lapic_shared_write(&l->esr, 0);
    l->tpr = 0;
    l->icr_low = l->icr_high = 0;
    for (unsigned i = 0; i < sizeof(l->lvt) / sizeof(l->lvt[0]); i++)
        lapic_shared_write(&l->lvt[i], LVT_MASKED);
    lapic_timer_reset(l);
}

static void lapic_end_of_interrupt(struct lapic *l)
{
    uint8_t vector = (uint8_t)lapic_highest(l->isr);

    if (vector == 0)
        return;
    l->isr[vector / 32] &= ~(1u << vector % 32);
    l->on_eoi(l, vector, lapic_bit_test(l->level, vector));
    lapic_timer_served(l, vector);
    cpu_request(l->cpu, CPU_REQ_INTERRUPT); /* the one that ended may have held another back */
}

uint32_t lapic_read(struct lapic *l, uint32_t offset)
{
    switch (offset) {
    case REG_ID:
        return lapic_is_x2apic(l) ? l->cpu->accel.id : l->id;
    case REG_VERSION:
        return LAPIC_VERSION;
    case REG_TPR:
        return l->tpr;
    case REG_PPR:
        return lapic_priority(l);
    case REG_LDR:
        return lapic_is_x2apic(l) ? (l->cpu->accel.id >> 4) << 16 | 1u << (l->cpu->accel.id & 15)
                                  : l->ldr;
    case REG_DFR:
        return l->dfr;
    case REG_SVR:
        return l->svr;
    case REG_ESR:
        return lapic_shared_read(&l->esr);
    case REG_ICR:
        return l->icr_low;
    case REG_ICR_HIGH:
        return l->icr_high;
    case REG_TIMER_INITIAL:
        return l->timer_initial;
    case REG_TIMER_CURRENT:
        return lapic_timer_current(l);
    case REG_TIMER_DIVIDE:
        return l->timer_divide;
    default:
        break;
    }
    if (offset >= REG_ISR && offset < REG_ISR + 0x80)
        return l->isr[(offset - REG_ISR) / 16];
    if (offset >= REG_TMR && offset < REG_TMR + 0x80)
        return __atomic_load_n(&l->level[(offset - REG_TMR) / 16], __ATOMIC_ACQUIRE);
    if (offset >= REG_IRR && offset < REG_IRR + 0x80)
        return __atomic_load_n(&l->irr[(offset - REG_IRR) / 16], __ATOMIC_ACQUIRE);
    if (offset >= REG_LVT_TIMER && offset <= REG_LVT_ERROR)
        return l->lvt[(offset - REG_LVT_TIMER) / 16];
    return 0;
}

const uint32_t lapic_lvt_writable[LVT_ENTRIES] = {
    [LVT_TIMER] = 0x700ff, [LVT_THERMAL] = 0x107ff, [LVT_PERF] = 0x107ff,
    [LVT_LINT0] = 0x1a7ff, [LVT_LINT1] = 0x1a7ff,   [LVT_ERROR] = 0x100ff,
};

static void lapic_lvt_write(struct lapic *l, unsigned entry, uint32_t value)
{
    value &= lapic_lvt_writable[entry];
    if (!(l->svr & LAPIC_SVR_ENABLE))
        value |= LVT_MASKED;
    if (entry == LVT_TIMER)
        lapic_timer_mode(l, value);
    lapic_shared_write(&l->lvt[entry], value);
    if (entry == LVT_LINT0) /* the 8259 pair may have an interrupt that it now lets in */
        cpu_request(l->cpu, CPU_REQ_INTERRUPT);
}

static void lapic_svr_write(struct lapic *l, uint32_t value)
{
    lapic_shared_write(&l->svr, value & 0x1ffu);
    if (!(l->svr & LAPIC_SVR_ENABLE))
        for (unsigned i = 0; i < sizeof(l->lvt) / sizeof(l->lvt[0]); i++)
            lapic_shared_write(&l->lvt[i], l->lvt[i] | LVT_MASKED);
}

void lapic_write(struct lapic *l, uint32_t offset, uint32_t value)
{
    switch (offset) {
    case REG_ID:
        lapic_shared_write(&l->id, value & 0xff000000u);
        break;
    case REG_TPR:
        lapic_task_priority_set(l, value & 0xffu);
        break;
    case REG_EOI:
        lapic_end_of_interrupt(l);
        break;
    case REG_LDR:
        lapic_shared_write(&l->ldr, value & 0xff000000u);
        break;
    case REG_DFR:
        lapic_shared_write(&l->dfr, value | 0x0fffffffu);
        break;
    case REG_SVR:
        lapic_svr_write(l, value);
        break;
    case REG_ESR:
        lapic_shared_write(&l->esr, 0);
        break;
    case REG_ICR:
        l->icr_low = value & ~(1u << 12);
        lapic_command(l);
        break;
    case REG_ICR_HIGH:
        l->icr_high = value;
        break;
    case REG_TIMER_INITIAL:
        lapic_timer_start(l, value);
        break;
    case REG_TIMER_DIVIDE:
        lapic_timer_divide(l, value & 0xbu);
        break;
    default:
        if (offset >= REG_LVT_TIMER && offset <= REG_LVT_ERROR)
            lapic_lvt_write(l, (offset - REG_LVT_TIMER) / 16, value);
        break;
    }
}

bool lapic_claims(const struct lapic *l, uint64_t gpa)
{
    return (lapic_base(l) & LAPIC_BASE_ENABLE) && !lapic_is_x2apic(l) &&
           (gpa & ~UINT64_C(0xfff)) == LAYOUT_LAPIC;
}
