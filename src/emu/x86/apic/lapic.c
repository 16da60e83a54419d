/*
 * The local APIC's registers and interrupt priorities. The timer is in lapic_timer.c, delivery
 * between processors in apic_message.c.
 */
#include "emu/x86/apic/lapic.h"

#include <stddef.h>

#include "core/x86/layout.h"
#include "emu/x86/apic/lapic_internal.h"
#include "emu/x86/cpu/cpu.h"

#define BASE_BSP    (UINT64_C(1) << 8)
#define BASE_X2APIC (UINT64_C(1) << 10)
#define BASE_ENABLE (UINT64_C(1) << 11)

#define SVR_ENABLE    (1u << 8)
#define ESR_RECEIVED  (1u << 6)
#define ESR_REGISTER  (1u << 7)
#define MSR_APIC_BASE 0x1bu
#define MSR_DEADLINE  0x6e0u
#define MSR_X2APIC    0x800u

/* Integrated local APIC, version 0x14, six LVT entries, no EOI-broadcast suppression. */
#define VERSION_VALUE 0x50014u

static unsigned highest(const uint32_t *words)
{
    for (unsigned i = LAPIC_VECTORS / 32; i-- > 0;) {
        uint32_t word = __atomic_load_n(&words[i], __ATOMIC_ACQUIRE);

        if (word)
            return i * 32 + 31 - (unsigned)__builtin_clz(word);
    }
    return 0; /* vectors below 16 are never delivered, so 0 says none */
}

static bool bit_test(const uint32_t *words, uint8_t vector)
{
    return __atomic_load_n(&words[vector / 32], __ATOMIC_ACQUIRE) >> vector % 32 & 1u;
}

static void bit_set(uint32_t *words, uint8_t vector)
{
    __atomic_fetch_or(&words[vector / 32], 1u << vector % 32, __ATOMIC_ACQ_REL);
}

static void bit_clear(uint32_t *words, uint8_t vector)
{
    __atomic_fetch_and(&words[vector / 32], ~(1u << vector % 32), __ATOMIC_ACQ_REL);
}

/* Registers that a message's sender looks at too. */

static uint32_t shared_read(const uint32_t *reg)
{
    return __atomic_load_n(reg, __ATOMIC_RELAXED);
}

static void shared_write(uint32_t *reg, uint32_t value)
{
    __atomic_store_n(reg, value, __ATOMIC_RELAXED);
}

static uint64_t base(const struct lapic *l)
{
    return __atomic_load_n(&l->base_msr, __ATOMIC_RELAXED);
}

static void base_set(struct lapic *l, uint64_t value)
{
    __atomic_store_n(&l->base_msr, value, __ATOMIC_RELAXED);
}

bool lapic_is_x2apic(const struct lapic *l)
{
    return base(l) & BASE_X2APIC;
}

bool lapic_enabled(const struct lapic *l)
{
    return (base(l) & BASE_ENABLE) && (shared_read(&l->svr) & SVR_ENABLE);
}

uint32_t lapic_id(const struct lapic *l)
{
    return lapic_is_x2apic(l) ? l->cpu->accel.id : shared_read(&l->id) >> 24;
}

/* Whether a logical destination names this APIC (SDM 3A, 11.6.2.2 and 11.12.10.2). */
bool lapic_matches_logical(const struct lapic *l, uint32_t destination)
{
    uint32_t ldr = shared_read(&l->ldr) >> 24;

    if (lapic_is_x2apic(l)) {
        uint32_t id = l->cpu->accel.id;

        return destination >> 16 == id >> 4 && (destination >> (id & 15) & 1u);
    }
    if (shared_read(&l->dfr) >> 28 == 0xf) /* flat */
        return ldr & destination & 0xffu;
    return ldr >> 4 == (destination >> 4 & 0xfu) && (ldr & destination & 0xfu);
}

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
    shared_write(&l->lvt[LVT_LINT0], LVT_EXTINT << 8);
    shared_write(&l->lvt[LVT_LINT1], LVT_NMI << 8);
}

void lapic_reset(struct lapic *l, bool init)
{
    if (!init) /* INIT leaves IA32_APIC_BASE alone */
        base_set(l, LAYOUT_LAPIC | BASE_ENABLE | (l->cpu->accel.id == 0 ? BASE_BSP : 0));
    shared_write(&l->svr, 0xff); /* from here on senders find it disabled */
    for (unsigned i = 0; i < LAPIC_VECTORS / 32; i++) {
        shared_write(&l->irr[i], 0);
        shared_write(&l->level[i], 0);
        l->isr[i] = 0;
    }
    shared_write(&l->id, l->cpu->accel.id << 24);
    shared_write(&l->ldr, 0);
    shared_write(&l->dfr, 0xffffffff);
    shared_write(&l->esr, 0);
    l->tpr = 0;
    l->icr_low = l->icr_high = 0;
    for (unsigned i = 0; i < sizeof(l->lvt) / sizeof(l->lvt[0]); i++)
        shared_write(&l->lvt[i], LVT_MASKED);
    lapic_timer_reset(l);
}

static void task_priority_set(struct lapic *l, uint32_t value)
{
    l->tpr = value;
    cpu_request(l->cpu, CPU_REQ_INTERRUPT); /* one that waited for a lower one may go now */
}

uint64_t lapic_cr8(const struct lapic *l)
{
    return l->tpr >> 4;
}

void lapic_cr8_set(struct lapic *l, uint64_t value)
{
    task_priority_set(l, (uint32_t)value << 4);
}

/* Processor priority (SDM 3A, 11.8.3.1). */
static uint32_t processor_priority(const struct lapic *l)
{
    uint32_t service = highest(l->isr);

    return l->tpr >> 4 >= service >> 4 ? l->tpr : service & 0xf0u;
}

int lapic_pending(const struct lapic *l)
{
    unsigned vector = highest(l->irr);

    if (!lapic_enabled(l) || vector < 16 || vector >> 4 <= processor_priority(l) >> 4)
        return -1;
    return (int)vector;
}

void lapic_accept(struct lapic *l, uint8_t vector)
{
    bit_clear(l->irr, vector);
    l->isr[vector / 32] |= 1u << vector % 32;
}

static void end_of_interrupt(struct lapic *l)
{
    uint8_t vector = (uint8_t)highest(l->isr);

    if (vector == 0)
        return;
    l->isr[vector / 32] &= ~(1u << vector % 32);
    l->on_eoi(l, vector, bit_test(l->level, vector));
    lapic_timer_served(l, vector);
    cpu_request(l->cpu, CPU_REQ_INTERRUPT); /* one that waited for this level may go now */
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
        bit_set(l->level, vector);
    else
        bit_clear(l->level, vector);
    bit_set(l->irr, vector);
    cpu_request(l->cpu, CPU_REQ_INTERRUPT);
}

bool lapic_keeps(const struct lapic *l, uint8_t vector)
{
    return lapic_enabled(l) && vector >= 16 && !bit_test(l->irr, vector);
}

bool lapic_is_on(const struct lapic *l)
{
    return base(l) & BASE_ENABLE;
}

bool lapic_lets_extint(const struct lapic *l)
{
    uint32_t lvt = shared_read(&l->lvt[LVT_LINT0]);

    return !lapic_is_on(l) || (!(lvt & LVT_MASKED) && LVT_MODE(lvt) == LVT_EXTINT);
}

void lapic_wire(struct lapic *l, bool edge)
{
    uint32_t lvt = shared_read(&l->lvt[LVT_LINT0]);

    if (lapic_lets_extint(l))
        cpu_request(l->cpu, CPU_REQ_INTERRUPT);
    else if (edge && !(lvt & LVT_MASKED) && LVT_MODE(lvt) == LVT_FIXED)
        lapic_raise(l, (uint8_t)lvt, false);
    else if (edge && !(lvt & LVT_MASKED) && LVT_MODE(lvt) == LVT_NMI)
        cpu_request(l->cpu, CPU_REQ_NMI);
}

uint32_t lapic_read(struct lapic *l, uint32_t offset)
{
    switch (offset) {
    case REG_ID:
        return lapic_is_x2apic(l) ? l->cpu->accel.id : l->id;
    case REG_VERSION:
        return VERSION_VALUE;
    case REG_TPR:
        return l->tpr;
    case REG_PPR:
        return processor_priority(l);
    case REG_LDR:
        return lapic_is_x2apic(l) ? (l->cpu->accel.id >> 4) << 16 | 1u << (l->cpu->accel.id & 15)
                                  : l->ldr;
    case REG_DFR:
        return l->dfr;
    case REG_SVR:
        return l->svr;
    case REG_ESR:
        return shared_read(&l->esr);
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

static const uint32_t lvt_writable[] = {
    [LVT_TIMER] = 0x700ff, [LVT_THERMAL] = 0x107ff, [LVT_PERF] = 0x107ff,
    [LVT_LINT0] = 0x1a7ff, [LVT_LINT1] = 0x1a7ff,   [LVT_ERROR] = 0x100ff,
};

static void lvt_write(struct lapic *l, unsigned entry, uint32_t value)
{
    value &= lvt_writable[entry];
    if (!(l->svr & SVR_ENABLE))
        value |= LVT_MASKED;
    if (entry == LVT_TIMER)
        lapic_timer_mode(l, value);
    shared_write(&l->lvt[entry], value);
    if (entry == LVT_LINT0) /* the 8259 pair may have been waiting for it */
        cpu_request(l->cpu, CPU_REQ_INTERRUPT);
}

static void spurious_write(struct lapic *l, uint32_t value)
{
    shared_write(&l->svr, value & 0x1ffu);
    if (!(l->svr & SVR_ENABLE))
        for (unsigned i = 0; i < sizeof(l->lvt) / sizeof(l->lvt[0]); i++)
            shared_write(&l->lvt[i], l->lvt[i] | LVT_MASKED);
}

void lapic_write(struct lapic *l, uint32_t offset, uint32_t value)
{
    switch (offset) {
    case REG_ID:
        shared_write(&l->id, value & 0xff000000u);
        break;
    case REG_TPR:
        task_priority_set(l, value & 0xffu);
        break;
    case REG_EOI:
        end_of_interrupt(l);
        break;
    case REG_LDR:
        shared_write(&l->ldr, value & 0xff000000u);
        break;
    case REG_DFR:
        shared_write(&l->dfr, value | 0x0fffffffu);
        break;
    case REG_SVR:
        spurious_write(l, value);
        break;
    case REG_ESR:
        shared_write(&l->esr, 0);
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
            lvt_write(l, (offset - REG_LVT_TIMER) / 16, value);
        break;
    }
}

/* IA32_APIC_BASE: the window may be disabled, not moved; x2APIC mode is entered from xAPIC mode and
 * left to off (SDM 3A, 11.12.5). */
static bool base_write(struct lapic *l, uint64_t value)
{
    const uint64_t modes = BASE_ENABLE | BASE_X2APIC;
    uint64_t from = base(l) & modes;
    uint64_t to = value & modes;

    if ((value & ~(modes | BASE_BSP)) != LAYOUT_LAPIC || to == BASE_X2APIC ||
        (from == modes && to == BASE_ENABLE) || (from == 0 && to == modes))
        return false;
    base_set(l, value);
    if (to == 0 && from != 0)
        lapic_reset(l, true); /* enabled again it is as after a reset */
    return true;
}

enum x2apic_access {
    X2APIC_READ = 1,
    X2APIC_WRITE = 2,
};

/* What may be done to a register in x2APIC mode (SDM 3A, table 11-6); anything else is #GP. */
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
    case REG_ICR:
    case REG_TIMER_INITIAL:
    case REG_TIMER_DIVIDE:
        return X2APIC_READ | X2APIC_WRITE;
    case REG_ESR:
        return X2APIC_READ | X2APIC_WRITE;
    case REG_EOI:
    case REG_SELF_IPI:
        return X2APIC_WRITE;
    default:
        return 0;
    }
}

/* The bits that a register in x2APIC mode has, those that can only be read included; setting
 * another one is #GP (SDM 3A, 11.12.1.3). */
static uint64_t x2apic_bits(uint32_t offset)
{
    const uint32_t status = 1u << 12, remote_irr = 1u << 14;

    if (offset >= REG_LVT_TIMER && offset <= REG_LVT_ERROR) {
        unsigned entry = (offset - REG_LVT_TIMER) / 16;
        bool pin = entry == LVT_LINT0 || entry == LVT_LINT1;

        return lvt_writable[entry] | status | (pin ? remote_irr : 0);
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
        return 0; /* EOI and ESR take 0 only */
    }
}

bool lapic_msr_read(struct lapic *l, uint32_t msr, uint64_t *value)
{
    uint32_t offset = (msr - MSR_X2APIC) << 4;

    if (msr == MSR_APIC_BASE) {
        *value = base(l);
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
        return base_write(l, value);
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

bool lapic_claims(const struct lapic *l, uint64_t gpa)
{
    return (base(l) & BASE_ENABLE) && !lapic_is_x2apic(l) &&
           (gpa & ~UINT64_C(0xfff)) == LAYOUT_LAPIC;
}
