#ifndef EMU_X86_CPU_REQUEST_H
#define EMU_X86_CPU_REQUEST_H
/*
 * What other threads, devices' interrupts among them, want of a running processor: bits that it
 * looks at between blocks of instructions.
 */
#include <stdint.h>

struct cpu;

/* Bits of cpu.request. */
enum cpu_request {
    CPU_REQ_KICK = 1u << 0,      /* leave run with VCPU_KICKED */
    CPU_REQ_INTERRUPT = 1u << 1, /* the local APIC may have something to deliver */
    CPU_REQ_NMI = 1u << 2,
    CPU_REQ_INIT = 1u << 3,
    CPU_REQ_SIPI = 1u << 4,
    CPU_REQ_CODE = 1u << 5,  /* pages changed under this processor's decoded blocks */
    CPU_REQ_TIMER = 1u << 6, /* the local APIC's timer ran out */
    CPU_REQ_TURNS = 1u << 7, /* stays: leave run once cpu.turns is used up, or rather than sleep */
};

/* Any thread, also a signal handler: sets bits of request and wakes a halted processor. */
void cpu_request(struct cpu *c, uint32_t bits);

/* That vCPU's thread: clears these bits and returns those that were set. */
uint32_t cpu_requests_take(struct cpu *c, uint32_t bits);

/* That vCPU's thread: sleeps while none of these bits is requested. May return early. */
void cpu_wait(struct cpu *c, uint32_t bits);

#endif
