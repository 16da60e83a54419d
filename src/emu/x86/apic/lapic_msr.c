/* The local APIC's MSRs: IA32_APIC_BASE, IA32_TSC_DEADLINE and x2APIC mode (SDM 3A, 11.12). */
#include <stddef.h>

#include "core/x86/layout.h"
#include "emu/x86/apic/lapic.h"
#include "emu/x86/apic/lapic_internal.h"

#define MSR_APIC_BASE 0x1bu
#define MSR_DEADLINE  0x6e0u
#define MSR_X2APIC    0x800u /* the first of 0x100 */

/* A write of IA32_APIC_BASE. The window can be disabled but not moved; x2APIC mode is entered from
 * xAPIC mode and left only by disabling the APIC (SDM 3A, 11.12.5). False: #GP. */
static bool lapic_base_write(struct lapic *l, uint64_t value)
{
    const uint64_t modes = LAPIC_BASE_ENABLE | LAPIC_BASE_X2APIC;
    uint64_t from = lapic_base(l) & modes;
    uint64_t to = value & modes;

    if ((value & ~(modes | LAPIC_BASE_BSP)) != LAYOUT_LAPIC || to == LAPIC_BASE_X2APIC ||
        (from == modes && to == LAPIC_BASE_ENABLE) || (from == 0 && to == modes))
        return false;
    lapic_base_set(l, value);
    if (to == 0 && from != 0)
        lapic_reset(l, true); /* it will be in this state when it is enabled again */
    return true;
}

enum x2apic_access {
    X2APIC_READ = 1,
    X2APIC_WRITE = 2,
};

/* Whether a register can be read and written in x2APIC mode (SDM 3A, table 11-6). */
static unsigned x2apic_access(uint32_t offset)
{
    if (offset >= REG_ISR && offset < REG_IRR + 0x80)
        return X2APIC_READ;
    if (offset >= REG_LVT_TIMER && offset <= REG_LVT_ERROR)
        return X2APIC_READ | X2APIC_WRITE;
    switch (offset) {
    case REG_ID:
    case REG_VERSION:
    case REG_PPR:
    case REG_LDR:
    case REG_TIMER_CURRENT:
        return X2APIC_READ;
    case REG_TPR:
    case REG_SVR:
    case REG_ESR:
    case REG_ICR:
    case REG_TIMER_INITIAL:
    case REG_TIMER_DIVIDE:
        return X2APIC_READ | X2APIC_WRITE;
    case REG_EOI:
    case REG_SELF_IPI:
        return X2APIC_WRITE;
    default:
        return 0;
    }
}

/* The bits of a register in x2APIC mode that are not reserved, read-only ones included. Setting a
 * reserved one is #GP (SDM 3A, 11.12.1.3). */
static uint64_t x2apic_bits(uint32_t offset)
{
    const uint32_t status = 1u << 12, remote_irr = 1u << 14;

    if (offset >= REG_LVT_TIMER && offset <= REG_LVT_ERROR) {
        unsigned entry = (offset - REG_LVT_TIMER) / 16;
        bool pin = entry == LVT_LINT0 || entry == LVT_LINT1;

        return lapic_lvt_writable[entry] | status | (pin ? remote_irr : 0);
    }
    switch (offset) {
    case REG_TPR:
    case REG_SELF_IPI:
        return 0xff;
    case REG_SVR:
        return 0x1ff;
    case REG_ICR: /* no delivery status in this mode */
        return UINT64_C(0xffffffff000ccfff);
    case REG_TIMER_INITIAL:
        return UINT32_MAX;
    case REG_TIMER_DIVIDE:
        return 0xb;
    default:
        return 0; /* to EOI and ESR only 0 may be written */
    }
}

bool lapic_has_msr(uint32_t msr)
{
    return msr == MSR_APIC_BASE || msr == MSR_DEADLINE || msr >> 8 == MSR_X2APIC >> 8;
}

bool lapic_msr_read(struct lapic *l, uint32_t msr, uint64_t *value)
{
    uint32_t offset = (msr - MSR_X2APIC) << 4;

    if (msr == MSR_APIC_BASE) {
        *value = lapic_base(l);
        return true;
    }
    if (msr == MSR_DEADLINE) {
        *value = l->tsc_deadline;
        return true;
    }
    if (!lapic_is_x2apic(l) || !(x2apic_access(offset) & X2APIC_READ))
        return false;
    *value = lapic_read(l, offset);
    if (offset == REG_ICR)
        *value |= (uint64_t)l->icr_high << 32;
    return true;
}

bool lapic_msr_write(struct lapic *l, uint32_t msr, uint64_t value)
{
    uint32_t offset = (msr - MSR_X2APIC) << 4;

    if (msr == MSR_APIC_BASE)
        return lapic_base_write(l, value);
    if (msr == MSR_DEADLINE) {
        lapic_timer_deadline(l, value);
        return true;
    }
    if (!lapic_is_x2apic(l) || !(x2apic_access(offset) & X2APIC_WRITE) ||
        (value & ~x2apic_bits(offset)))
        return false;
    if (offset == REG_SELF_IPI) {
        lapic_raise(l, (uint8_t)value, false);
        return true;
    }
    if (offset == REG_ICR)
        l->icr_high = (uint32_t)(value >> 32);
    lapic_write(l, offset, (uint32_t)value);
    return true;
}
