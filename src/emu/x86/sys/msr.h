#ifndef EMU_X86_SYS_MSR_H
#define EMU_X86_SYS_MSR_H
/*
 * Model-specific registers and control registers.
 *
 * This room is what system software sees of a processor besides segments and memory: MSRs, control
 * registers, CPUID, port permissions, hypercalls, and the state after RESET and INIT. It knows the
 * processor's state (cpu/), memory (mem/), the local APIC, the clocks (time/) and, of decode/, the
 * vendors and the feature bits; it must not know segment loads, ops, blocks or devices.
 *
 * All functions run on that vCPU's thread, inside the instruction. False means that the fault is
 * recorded.
 */
#include <stdbool.h>
#include <stdint.h>

struct cpu;

bool msr_read(struct cpu *c, uint32_t msr, uint64_t *value);
bool msr_write(struct cpu *c, uint32_t msr, uint64_t value);

/* Reads the counter for an RDPMC that CPL and CR4.PCE allow. */
bool msr_counter_read(struct cpu *c, uint32_t counter, uint64_t *value);

/* MOV to and from CR0, 2, 3, 4, 8. */
bool control_read(struct cpu *c, unsigned number, uint64_t *value);
bool control_write(struct cpu *c, unsigned number, uint64_t value);

/* XSETBV to XCR0. */
bool xcr0_write(struct cpu *c, uint64_t value);

#endif
