#ifndef EMU_X86_APIC_APIC_MESSAGE_H
#define EMU_X86_APIC_APIC_MESSAGE_H
/*
 * Interrupt messages: from a local APIC's command register or the I/O APIC to local APICs (SDM
 * 3A, 11.6).
 */
#include <stdbool.h>
#include <stdint.h>

struct emu;
struct lapic;

/* Delivery modes of the ICR, the LVT and I/O APIC entries (SDM 3A, 11.6.1). */
enum apic_delivery {
    APIC_FIXED = 0,
    APIC_LOWEST = 1,
    APIC_SMI = 2,
    APIC_NMI = 4,
    APIC_INIT = 5,
    APIC_SIPI = 6,
    APIC_EXTINT = 7,
};

/* An interrupt on its way to one or more local APICs. */
struct apic_message {
    uint32_t destination; /* APIC id or logical mask */
    bool logical;
    bool wide;  /* the destination is x2APIC's, of 32 bits; else of 8 */
    bool level; /* level-triggered: its EOI goes to the I/O APIC */
    uint8_t vector;
    enum apic_delivery delivery;
};

/* Any thread. To every local APIC the message names; to one of them where the delivery mode is
 * lowest priority. */
void apic_send(struct emu *m, const struct apic_message *msg);

/* Any thread. Whether a fixed or lowest-priority message would be an interrupt of its own to one of
 * those it names, and not fold into one that waits there. False for the other kinds. */
bool apic_keeps(struct emu *m, const struct apic_message *msg);

/* To every local APIC but `except`, or to all where that is NULL. */
void apic_broadcast(struct emu *m, const struct apic_message *msg, const struct lapic *except);

#endif
