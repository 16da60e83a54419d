#ifndef EMU_X86_SEG_INTR_INTERNAL_H
#define EMU_X86_SEG_INTR_INTERNAL_H
/*
 * The two kinds of delivery, in IA-32e mode and outside it, and what they share.
 */
#include <stdbool.h>
#include <stdint.h>

#include "core/x86/bits.h"
#include "emu/x86/cpu/cpu.h"

#define INTR_ERROR_EXT 1u
#define INTR_ERROR_IDT 2u

/* Exceptions after which the instruction is executed again: #DE #BR #UD #NM #TS #NP #SS #GP #PF #MF
 * #AC #XM. In their frames RF is set, so that a breakpoint on it counts once (SDM 3B, 17.3.1.1). */
#define INTR_FAULTS 0x000b7ce1u

struct event {
    uint8_t vector;
    bool has_error;
    bool software;
    uint8_t length; /* from rip to where the handler returns to */
    uint32_t error;
};

/* The RFLAGS that go into the event's frame. */
static inline uint64_t intr_flags_pushed(const struct cpu *c, const struct event *ev)
{
    bool again = !ev->software && ev->vector < 32 && (INTR_FAULTS >> ev->vector & 1u);

    return cpu_rflags(c) | (again ? X86_RFLAGS_RF : 0);
}

/* Who was interrupted. */
struct intr_from {
    uint16_t cs;
    uint16_t ss;
    uint64_t sp;
};

/* What IRET may change: everything defined but VM, VIF and VIP (virtual-8086 extensions are not
 * offered). */
#define INTR_RETURN_MASK UINT64_C(0x257fd5)

/* The RFLAGS that IRET leaves, given those it popped and who executes it (SDM 2A, "IRET"). */
static inline uint64_t intr_flags_returned(const struct cpu *c, uint64_t popped, unsigned size)
{
    uint64_t change = INTR_RETURN_MASK;
    unsigned iopl = (unsigned)(c->rflags >> 12 & 3u);

    if (size == 2)
        change &= 0xffffu;
    if (c->cpl != 0)
        change &= ~X86_RFLAGS_IOPL;
    if (c->cpl > iopl)
        change &= ~X86_RFLAGS_IF;
    return (cpu_rflags(c) & ~change) | (popped & change);
}

/* intr_long.c: enters the handler of an event, leaves it with IRET. False: the fault is recorded and
 * nothing has changed. */
bool intr_enter_long(struct cpu *c, const struct event *ev);
bool intr_return_long(struct cpu *c, unsigned size);

/* intr_legacy.c: the same. */
bool intr_enter_legacy(struct cpu *c, const struct event *ev);
bool intr_return_legacy(struct cpu *c, unsigned size);

#endif
