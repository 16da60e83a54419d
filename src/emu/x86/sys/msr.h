#ifndef EMU_X86_SYS_MSR_H
#define EMU_X86_SYS_MSR_H
/*
 * Model-specific registers and control registers. That vCPU's thread, inside the instruction;
 * false: the fault is recorded.
 */
#include <stdbool.h>
#include <stdint.h>

struct cpu;

bool msr_read(struct cpu *c, uint32_t msr, uint64_t *value);
bool msr_write(struct cpu *c, uint32_t msr, uint64_t value);

/* RDPMC, where CPL and CR4.PCE allow it. */
bool msr_counter_read(struct cpu *c, uint32_t counter, uint64_t *value);

/* MOV to and from CR0, 2, 3, 4, 8. */
bool control_read(struct cpu *c, unsigned number, uint64_t *value);
bool control_write(struct cpu *c, unsigned number, uint64_t value);

/* XSETBV of XCR0. */
bool xcr0_write(struct cpu *c, uint64_t value);

#endif
