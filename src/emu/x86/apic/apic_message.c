/* Delivering interrupt messages to local APICs. */
#include "emu/x86/apic/apic_message.h"

#include <stddef.h>

#include "emu/x86/apic/lapic.h"
#include "emu/x86/apic/lapic_internal.h"
#include "emu/x86/cpu/cpu.h"
#include "emu/x86/cpu/machine.h"

static void apic_receive(struct lapic *l, const struct apic_message *msg)
{
    struct cpu *c = l->cpu;

    switch (msg->delivery) {
    case APIC_FIXED:
    case APIC_LOWEST:
        lapic_raise(l, msg->vector, msg->level);
        break;
    case APIC_NMI:
        cpu_request(c, CPU_REQ_NMI);
        break;
    case APIC_INIT:
        cpu_request(c, CPU_REQ_INIT);
        break;
    case APIC_SIPI:
        __atomic_store_n(&c->sipi_vector, msg->vector, __ATOMIC_RELEASE);
        cpu_request(c, CPU_REQ_SIPI);
        break;
    case APIC_SMI:
    case APIC_EXTINT:
        break; /* there is no SMM, and the 8259 pair is wired to LINT0 */
    }
}

static bool apic_is_addressed(const struct lapic *l, const struct apic_message *msg)
{
    if (msg->destination == (msg->wide ? UINT32_MAX : 0xffu)) /* broadcast */
        return true;
    return msg->logical ? lapic_matches_logical(l, msg->destination)
                        : lapic_id(l) == msg->destination;
}

void apic_send(struct emu *m, const struct apic_message *msg)
{
    for (unsigned i = 0; i < m->cpu_count; i++) {
        struct lapic *l = m->cpus[i]->lapic;

        if (!apic_is_addressed(l, msg))
            continue;
        apic_receive(l, msg);
        if (msg->delivery == APIC_LOWEST)
            return;
    }
}

bool apic_keeps(struct emu *m, const struct apic_message *msg)
{
    if (msg->delivery != APIC_FIXED && msg->delivery != APIC_LOWEST)
        return false;
    for (unsigned i = 0; i < m->cpu_count; i++) {
        const struct lapic *l = m->cpus[i]->lapic;

        if (!apic_is_addressed(l, msg))
            continue;
        if (lapic_keeps(l, msg->vector))
            return true;
        if (msg->delivery == APIC_LOWEST)
            return false;
    }
    return false;
}

void apic_broadcast(struct emu *m, const struct apic_message *msg, const struct lapic *except)
{
    for (unsigned i = 0; i < m->cpu_count; i++)
        if (m->cpus[i]->lapic != except)
            apic_receive(m->cpus[i]->lapic, msg);
}
