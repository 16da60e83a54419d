/* The I/O APIC. */
#include "emu/x86/apic/ioapic.h"

#include <stddef.h>

#include "emu/x86/apic/apic_message.h"

#define OFFSET_SELECT 0x00u
#define OFFSET_WINDOW 0x10u
#define OFFSET_EOI    0x40u

#define REG_ID      0x00u
#define REG_VERSION 0x01u
#define REG_ARB     0x02u
#define REG_ENTRIES 0x10u

#define IOAPIC_VERSION (0x20u | (IOAPIC_INPUTS - 1) << 16) /* 0x20: has the EOI register */

#define ENTRY_LOGICAL    (UINT64_C(1) << 11)
#define ENTRY_REMOTE_IRR (UINT64_C(1) << 14)
#define ENTRY_LEVEL      (UINT64_C(1) << 15)
#define ENTRY_MASKED     (UINT64_C(1) << 16)
#define ENTRY_READ_ONLY  (ENTRY_REMOTE_IRR | UINT64_C(1) << 12)

void ioapic_init(struct ioapic *io, struct emu *m)
{
    *io = (struct ioapic){ .emu = m };
    lock_init(&io->lock);
    for (unsigned i = 0; i < IOAPIC_INPUTS; i++)
        io->entry[i] = ENTRY_MASKED;
}

void ioapic_finish(struct ioapic *io)
{
    lock_finish(&io->lock);
}

static struct apic_message ioapic_message(uint64_t entry)
{
    return (struct apic_message){
        .destination = (uint32_t)(entry >> 56),
        .logical = entry & ENTRY_LOGICAL,
        .level = entry & ENTRY_LEVEL,
        .vector = (uint8_t)entry,
        .delivery = (enum apic_delivery)(entry >> 8 & 7u),
    };
}

static void ioapic_deliver(struct ioapic *io, unsigned input)
{
    struct apic_message msg = ioapic_message(io->entry[input]);

    if (msg.level)
        io->entry[input] |= ENTRY_REMOTE_IRR;
    apic_send(io->emu, &msg);
}

void ioapic_pulse(struct ioapic *io, unsigned input)
{
    lock_take_first(&io->lock);
    if (input < IOAPIC_INPUTS && !(io->entry[input] & (ENTRY_MASKED | ENTRY_REMOTE_IRR)))
        ioapic_deliver(io, input);
    lock_release_first(&io->lock);
}

bool ioapic_keeps(struct ioapic *io, unsigned input)
{
    struct apic_message msg;
    bool keeps;

    lock_take_first(&io->lock);
    msg = ioapic_message(io->entry[input]);
    keeps = !(io->entry[input] & (ENTRY_MASKED | ENTRY_REMOTE_IRR)) && apic_keeps(io->emu, &msg);
    lock_release_first(&io->lock);
    return keeps;
}

/* With the lock held. */
static void ioapic_end_of_interrupt(struct ioapic *io, uint8_t vector)
{
    for (unsigned i = 0; i < IOAPIC_INPUTS; i++)
        if ((uint8_t)io->entry[i] == vector)
            io->entry[i] &= ~ENTRY_REMOTE_IRR;
}

void ioapic_eoi(struct ioapic *io, uint8_t vector)
{
    lock_take(&io->lock);
    ioapic_end_of_interrupt(io, vector);
    lock_release(&io->lock);
}

static uint32_t ioapic_register_read(const struct ioapic *io)
{
    unsigned input = (io->select - REG_ENTRIES) / 2;

    if (io->select == REG_ID || io->select == REG_ARB)
        return io->id;
    if (io->select == REG_VERSION)
        return IOAPIC_VERSION;
    if (io->select < REG_ENTRIES || input >= IOAPIC_INPUTS)
        return 0;
    return (uint32_t)(io->entry[input] >> (io->select % 2 * 32));
}

static void ioapic_register_write(struct ioapic *io, uint32_t value)
{
    unsigned input = (io->select - REG_ENTRIES) / 2;
    uint64_t *entry = &io->entry[input < IOAPIC_INPUTS ? input : 0];

    if (io->select == REG_ID)
        io->id = value & 0x0f000000u;
    if (io->select < REG_ENTRIES || input >= IOAPIC_INPUTS)
        return;
    if (io->select % 2)
        *entry = (*entry & UINT32_MAX) | (uint64_t)value << 32;
    else
        *entry = (*entry & ~(uint64_t)(UINT32_MAX & ~ENTRY_READ_ONLY)) |
                 (value & ~ENTRY_READ_ONLY & 0x1ffffu);
    if (!(*entry & ENTRY_LEVEL)) /* this is how a guest clears a stuck remote IRR */
        *entry &= ~ENTRY_REMOTE_IRR;
}

uint32_t ioapic_read(struct ioapic *io, uint32_t offset)
{
    uint32_t value = 0;

    lock_take(&io->lock);
    if (offset == OFFSET_SELECT)
        value = io->select;
    else if (offset == OFFSET_WINDOW)
        value = ioapic_register_read(io);
    lock_release(&io->lock);
    return value;
}

void ioapic_write(struct ioapic *io, uint32_t offset, uint32_t value)
{
    lock_take(&io->lock);
    if (offset == OFFSET_SELECT)
        io->select = value & 0xffu;
    else if (offset == OFFSET_WINDOW)
        ioapic_register_write(io, value);
    else if (offset == OFFSET_EOI)
        ioapic_end_of_interrupt(io, (uint8_t)value);
    lock_release(&io->lock);
}
