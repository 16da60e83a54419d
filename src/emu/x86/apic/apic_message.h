#ifndef EMU_X86_APIC_APIC_MESSAGE_H
#define EMU_X86_APIC_APIC_MESSAGE_H
/*
 * Interrupt messages that a local APIC's command register or the I/O APIC sends to local APICs (SDM
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
    bool wide;  /* the destination is a 32-bit x2APIC one, otherwise an 8-bit one */
    bool level; /* level-triggered: the I/O APIC is told of its EOI */
    uint8_t vector;
    enum apic_delivery delivery;
};

/* Any thread. */

/* Sends to every local APIC that the message names, or to the first of them if the delivery mode is
 * lowest priority. */
void apic_send(struct emu *m, const struct apic_message *msg);

/* Whether a fixed or lowest-priority message, sent now, would become an interrupt of its own in
 * some local APIC: one that it would go to, and that would keep it (lapic_keeps). False for the
 * other delivery modes. */
bool apic_keeps(struct emu *m, const struct apic_message *msg);

/* Sends to every local APIC but `except`, which may be NULL, whatever the destination. */
void apic_broadcast(struct emu *m, const struct apic_message *msg, const struct lapic *except);

#endif
