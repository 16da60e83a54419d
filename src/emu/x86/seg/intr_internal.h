#ifndef EMU_X86_SEG_INTR_INTERNAL_H
#define EMU_X86_SEG_INTR_INTERNAL_H
/*
 * What delivery in IA-32e mode (intr.c) and outside it (intr_legacy.c) share.
 */
#include <stdbool.h>
#include <stdint.h>

#include "emu/x86/cpu/cpu.h"

#define INTR_ERROR_EXT 1u
#define INTR_ERROR_IDT 2u

#define INTR_TF (UINT64_C(1) << 8)
#define INTR_IF (UINT64_C(1) << 9)
#define INTR_NT (UINT64_C(1) << 14)
#define INTR_RF (UINT64_C(1) << 16)
#define INTR_VM (UINT64_C(1) << 17)
#define INTR_AC (UINT64_C(1) << 18)

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

    return cpu_rflags(c) | (again ? INTR_RF : 0);
}

/* Who was interrupted. */
struct intr_from {
    uint16_t cs;
    uint16_t ss;
    uint64_t sp;
};

bool intr_enter_legacy(struct cpu *c, const struct event *ev);
bool intr_return_legacy(struct cpu *c, unsigned size);

/* The RFLAGS that IRET leaves, given those it popped and who executes it (SDM 2A, "IRET"). */
uint64_t intr_flags_returned(const struct cpu *c, uint64_t popped, unsigned size);

#endif
