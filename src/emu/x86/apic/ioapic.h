#ifndef EMU_X86_APIC_IOAPIC_H
#define EMU_X86_APIC_IOAPIC_H
/*
 * The I/O APIC (82093AA data sheet): 24 inputs, each with a redirection entry.
 *
 * Inputs are pulses (core/vm/irq.h). An edge-triggered entry delivers one interrupt per pulse, and
 * none while it is masked. A level-triggered entry keeps its remote IRR bit set until the guest's
 * EOI; a pulse that comes before that is lost, as with KVM's I/O APIC.
 *
 * Any thread. One lock guards everything. A pulse takes it with priority over register accesses
 * (core/base/lock.h), since it may come from the loop thread.
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

/* Whether a pulse now would become an interrupt of its own: the entry is neither masked nor waiting
 * for an EOI, and apic_keeps is true of its message. `input` is below IOAPIC_INPUTS. Takes the lock
 * with priority, as a pulse does: the caller may hold a lock that the loop thread waits for. */
bool ioapic_keeps(struct ioapic *io, unsigned input);

/* A local APIC ended a level-triggered interrupt. */
void ioapic_eoi(struct ioapic *io, uint8_t vector);

#endif
