#ifndef EMU_X86_SEG_INTR_INTERNAL_H
#define EMU_X86_SEG_INTR_INTERNAL_H
/*
 * The two kinds of delivery, inside and outside IA-32e mode, and what they share.
 */
#include <stdbool.h>
#include <stdint.h>

#include "core/x86/bits.h"
#include "emu/x86/cpu/cpu.h"

#define INTR_ERROR_EXT 1u
#define INTR_ERROR_IDT 2u

/* Faults, after which the instruction is executed again: #DE #BR #UD #NM #TS #NP #SS #GP #PF #MF
 * #AC #XM. RF is set in their frames, so that a breakpoint on the instruction counts only once (SDM
 * 3B, 18.3.1.1). */
#define INTR_FAULTS 0x000b7ce1u

struct event {
    uint8_t vector;
    bool has_error;
    bool software;  /* INT n, INT3, INTO: the gate's DPL is checked */
    uint8_t length; /* from rip to the return address */
    uint32_t error;
};

/* The RFLAGS to push into the event's frame. */
static inline uint64_t intr_flags_pushed(const struct cpu *c, const struct event *ev)
{
    bool again = !ev->software && ev->vector < 32 && (INTR_FAULTS >> ev->vector & 1u);

    return cpu_rflags(c) | (again ? X86_RFLAGS_RF : 0);
}

/* CS, SS and rSP of the interrupted code. */
struct intr_from {
    uint16_t cs;
    uint16_t ss;
    uint64_t sp;
};

/* The flags that IRET may change: all that are defined except VM, VIF and VIP (CPUID does not offer
 * the virtual-8086 extensions). */
#define INTR_RETURN_MASK UINT64_C(0x257fd5)

/* RFLAGS after an IRET that popped this value with this operand size (SDM 2A, "IRET"). */
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

/* intr_long.c: enter an event's handler, and return from it with IRET. False: the fault is recorded
 * and nothing has changed. */
bool intr_enter_long(struct cpu *c, const struct event *ev);
bool intr_return_long(struct cpu *c, unsigned size);

/* intr_legacy.c: the same. */
bool intr_enter_legacy(struct cpu *c, const struct event *ev);
bool intr_return_legacy(struct cpu *c, unsigned size);

#endif
