#ifndef EMU_X86_CPU_REQUEST_H
#define EMU_X86_CPU_REQUEST_H
/*
 * Requests of other threads to a processor, such as an interrupt from a device. They are bits of
 * cpu.request, which the processor looks at between blocks of instructions.
 */
#include <stdint.h>

struct cpu;

/* Bits of cpu.request. */
enum cpu_request {
    CPU_REQ_KICK = 1u << 0,      /* leave run with VCPU_KICKED */
    CPU_REQ_INTERRUPT = 1u << 1, /* local APIC or 8259 pair may have an interrupt */
    CPU_REQ_NMI = 1u << 2,
    CPU_REQ_INIT = 1u << 3,
    CPU_REQ_SIPI = 1u << 4,
    CPU_REQ_CODE = 1u << 5,  /* call code_pages_enter, which does what others asked for */
    CPU_REQ_TIMER = 1u << 6, /* a host timer has expired: the local APIC's or the PIT's */
    CPU_REQ_TURNS = 1u << 7, /* leave run when cpu.turns is 0 or instead of sleeping; stays set */
};

/* Any thread, also from a signal handler: sets these bits and wakes a processor that waits. */
void cpu_request(struct cpu *c, uint32_t bits);

/* That vCPU's thread: clears these bits and returns those that were set. */
uint32_t cpu_requests_take(struct cpu *c, uint32_t bits);

/* That vCPU's thread: sleeps until one of these bits is set. May return early. */
void cpu_wait(struct cpu *c, uint32_t bits);

#endif
