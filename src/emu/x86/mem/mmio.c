/*
 * A processor's accesses to devices.
 *
 * During an access to a device on a bus the processor counts as outside guest code (code_pages.h).
 * Otherwise there could be a deadlock: the device waits for a lock, whose holder waits for
 * emu.code_lock, whose holder is a processor that waits for this one to answer.
 */
#include "emu/x86/mem/mmio.h"

#include <string.h>
#include <unistd.h>

#include "core/vm/bus.h"
#include "core/x86/layout.h"
#include "emu/x86/apic/ioapic.h"
#include "emu/x86/apic/lapic.h"
#include "emu/x86/apic/legacy.h"
#include "emu/x86/cpu/cpu.h"
#include "emu/x86/cpu/machine.h"
#include "emu/x86/decode/order.h"
#include "emu/x86/mem/code_pages.h"

/* APIC registers are 32 bits at 16-byte steps; accesses of another size or alignment are undefined
 * (SDM 3A, 11.4.1). */
static bool mmio_is_lapic(const struct cpu *c, gpa_t gpa, unsigned size, uint32_t *offset)
{
    *offset = (uint32_t)(gpa & 0xff0u);
    return lapic_claims(c->lapic, gpa) && size == 4 && gpa % 16 == 0;
}

static bool mmio_is_ioapic(gpa_t gpa, unsigned size, uint32_t *offset)
{
    *offset = (uint32_t)(gpa - LAYOUT_IOAPIC);
    return gpa >= LAYOUT_IOAPIC && gpa < LAYOUT_IOAPIC + IOAPIC_LEN && size == 4;
}

/* To be called after an MMIO access. If the device kicked the processor, no further instruction may
 * run (core/vm/accel.h), so the block has to end. Instructions that access ports always end it. */
static void mmio_stop_if_kicked(struct cpu *c)
{
    if (__atomic_load_n(&c->request, __ATOMIC_RELAXED) & CPU_REQ_KICK)
        c->code->stop(c);
}

static void mmio_bus_read(struct cpu *c, const struct bus *b, uint64_t at, void *data,
                          unsigned size)
{
    code_pages_exit(c);
    (void)bus_read(b, at, data, size);
    code_pages_return(c);
}

static void mmio_bus_write(struct cpu *c, const struct bus *b, uint64_t at, const void *data,
                           unsigned size)
{
    code_pages_exit(c);
    (void)bus_write(b, at, data, size);
    code_pages_return(c);
}

void port_read(struct cpu *c, uint16_t port, void *data, unsigned size)
{
    order_all();
    if (legacy_claims(port, size))
        *(uint8_t *)data = legacy_read(c->emu->legacy, port);
    else
        mmio_bus_read(c, c->emu->ports, port, data, size);
}

void port_write(struct cpu *c, uint16_t port, const void *data, unsigned size)
{
    order_all();
    if (legacy_claims(port, size))
        legacy_write(c->emu->legacy, port, *(const uint8_t *)data);
    else
        mmio_bus_write(c, c->emu->ports, port, data, size);
}

void mmio_read(struct emu *m, struct cpu *c, gpa_t gpa, void *data, unsigned size)
{
    uint32_t offset, value;

    order_all();
    if (mmio_is_lapic(c, gpa, size, &offset))
        value = lapic_read(c->lapic, offset);
    else if (mmio_is_ioapic(gpa, size, &offset))
        value = ioapic_read(m->ioapic, offset);
    else {
        mmio_bus_read(c, m->mmio, gpa, data, size);
        mmio_stop_if_kicked(c);
        return;
    }
    memcpy(data, &value, sizeof(value));
}

static bool mmio_doorbell_ring(const struct emu *m, gpa_t gpa, const void *data, unsigned size)
{
    const uint64_t one = 1;
    uint64_t value = 0;

    memcpy(&value, data, size);
    for (unsigned i = 0; i < m->doorbell_count; i++) {
        const struct doorbell *d = &m->doorbells[i];

        if (d->addr == gpa && d->size == size && d->value == value) {
            (void)!write(d->eventfd, &one, sizeof(one));
            return true;
        }
    }
    return false;
}

void mmio_write(struct emu *m, struct cpu *c, gpa_t gpa, const void *data, unsigned size)
{
    uint32_t offset, value = 0;

    memcpy(&value, data, size < sizeof(value) ? size : sizeof(value));
    order_all();
    if (mmio_is_lapic(c, gpa, size, &offset))
        lapic_write(c->lapic, offset, value);
    else if (mmio_is_ioapic(gpa, size, &offset))
        ioapic_write(m->ioapic, offset, value);
    else if (!mmio_doorbell_ring(m, gpa, data, size)) {
        mmio_bus_write(c, m->mmio, gpa, data, size);
        mmio_stop_if_kicked(c);
    }
}
