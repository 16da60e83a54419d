/*
 * Delivering interrupts and exceptions, and IRET: what IA-32e mode and the other modes share. The
 * rest is in intr_long.c and intr_legacy.c.
 */
#include "emu/x86/seg/intr.h"

#include "core/x86/bits.h"
#include "emu/x86/decode/order.h"
#include "emu/x86/seg/intr_internal.h"

static bool vector_is_contributory(uint8_t vector)
{
    return vector == CPU_DE || (vector >= CPU_TS && vector <= CPU_GP);
}

/* Whether a second fault, during the delivery of the first, makes a double fault (SDM 3A, tables
 * 6-4 and 6-5). */
static bool fault_doubles(uint8_t first, uint8_t second)
{
    if (first == CPU_PF)
        return second == CPU_PF || vector_is_contributory(second);
    return vector_is_contributory(first) && vector_is_contributory(second);
}

static bool event_deliver(struct cpu *c, struct event ev)
{
    order_all();
    c->leave = CPU_ON;
    while (!(c->efer & X86_EFER_LMA ? intr_enter_long(c, &ev) : intr_enter_legacy(c, &ev))) {
        struct cpu_fault f = c->fault;

        if (c->leave == CPU_UNABLE)
            return false;
        c->leave = CPU_ON;
        if (ev.vector == CPU_DF && !ev.software)
            return false;
        if (f.vector == CPU_PF)
            c->cr2 = f.address;
        if (!ev.software && fault_doubles(ev.vector, f.vector))
            f = (struct cpu_fault){ .vector = CPU_DF, .has_error = true };
        else if (!ev.software && f.has_error && f.vector != CPU_PF)
            f.error |= INTR_ERROR_EXT;
        ev = (struct event){ .vector = f.vector, .has_error = f.has_error, .error = f.error };
    }
    c->alone &= (uint8_t)~CPU_ALONE_ONCE;
    return true;
}

bool intr_deliver_fault(struct cpu *c)
{
    struct event ev = {
        .vector = c->fault.vector,
        .has_error = c->fault.has_error,
        .software = c->fault.software,
        .length = c->fault.length,
        .error = c->fault.error,
    };

    if (ev.vector == CPU_PF)
        c->cr2 = c->fault.address;
    return event_deliver(c, ev);
}

bool intr_deliver(struct cpu *c, uint8_t vector)
{
    return event_deliver(c, (struct event){ .vector = vector });
}

bool intr_return(struct cpu *c, unsigned size)
{
    bool is_long = c->efer & X86_EFER_LMA;

    if (!is_long)
        c->nmi_blocked = false; /* outside IA-32e mode even an IRET that faults unblocks NMIs */
    if (is_long ? !intr_return_long(c, size) : !intr_return_legacy(c, size))
        return false;
    c->nmi_blocked = false;
    return true;
}
