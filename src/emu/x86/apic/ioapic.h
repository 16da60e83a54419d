#ifndef EMU_X86_APIC_IOAPIC_H
#define EMU_X86_APIC_IOAPIC_H
/*
 * The I/O APIC (82093AA data sheet): 24 inputs, each with a redirection entry.
 *
 * Inputs are pulses (core/vm/irq.h): an edge entry delivers one interrupt a pulse, and none while
 * masked; a level entry keeps its remote IRR set until the guest's EOI, and a pulse that comes
 * meanwhile is over by then: nothing is left of it, as with KVM's.
 *
 * Any thread, one lock, for which pulses go before accesses: it may be the loop thread that brings
 * one.
 */
#include <stdbool.h>
#include <stdint.h>

#include "core/base/lock.h"

struct emu;

#define IOAPIC_INPUTS 24u
#define IOAPIC_LEN    0x1000u

struct ioapic {
    struct emu *emu;
    struct lock lock;
    uint32_t select;
    uint32_t id;
    uint64_t entry[IOAPIC_INPUTS];
};

void ioapic_init(struct ioapic *io, struct emu *m);
void ioapic_finish(struct ioapic *io);

uint32_t ioapic_read(struct ioapic *io, uint32_t offset);
void ioapic_write(struct ioapic *io, uint32_t offset, uint32_t value);

void ioapic_pulse(struct ioapic *io, unsigned input);

/* Whether a pulse now would be an interrupt of its own: the input is open, and none like it waits
 * at a processor that it goes to. `input` below IOAPIC_INPUTS. Goes first as a pulse does: who asks
 * may hold a lock that the loop thread waits for. */
bool ioapic_keeps(struct ioapic *io, unsigned input);

/* A local APIC ended a level-triggered interrupt. */
void ioapic_eoi(struct ioapic *io, uint8_t vector);

#endif
