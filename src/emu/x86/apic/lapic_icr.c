/* The interrupt command register: sending messages (SDM 3A, 11.6.1). */
#include <stddef.h>

#include "emu/x86/apic/apic_message.h"
#include "emu/x86/apic/lapic.h"
#include "emu/x86/apic/lapic_internal.h"
#include "emu/x86/cpu/cpu.h"

#define ESR_SEND (1u << 5)

void lapic_command(struct lapic *l)
{
    enum {
        SHORTHAND_NONE,
        SHORTHAND_SELF,
        SHORTHAND_ALL,
        SHORTHAND_OTHERS,
    };
    unsigned shorthand = l->icr_low >> 18 & 3u;
    bool assert = l->icr_low & 1u << 14;
    struct apic_message msg = {
        .destination = lapic_is_x2apic(l) ? l->icr_high : l->icr_high >> 24,
        .logical = l->icr_low & 1u << 11,
        .wide = lapic_is_x2apic(l),
        .vector = (uint8_t)l->icr_low,
        .delivery = (enum apic_delivery)(l->icr_low >> 8 & 7u),
    };

    if (msg.delivery == APIC_INIT && !assert) /* INIT Level De-assert: obsolete, ignored */
        return;
    if (msg.vector < 16 && msg.delivery <= APIC_LOWEST) {
        __atomic_fetch_or(&l->esr, ESR_SEND, __ATOMIC_RELAXED);
        return;
    }
    if (shorthand == SHORTHAND_SELF)
        lapic_raise(l, msg.vector, false);
    else if (shorthand == SHORTHAND_NONE)
        apic_send(l->cpu->emu, &msg);
    else
        apic_broadcast(l->cpu->emu, &msg, shorthand == SHORTHAND_OTHERS ? l : NULL);
}
