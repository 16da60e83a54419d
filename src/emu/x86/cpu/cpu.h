#ifndef EMU_X86_CPU_CPU_H
#define EMU_X86_CPU_CPU_H
/*
 * One software processor: its architectural state and what the emulator keeps beside it.
 *
 * All of it belongs to the vCPU's own thread, except for fields marked atomic or guarded by a lock.
 *
 * Vector and x87 state: the XMM/YMM registers are in `vec`; x87, MMX and MXCSR live in the host's
 * own registers while the thread is inside run (the emulator's C code uses none of them) and in
 * `fx` otherwise.
 *
 * This room is the state of one processor, what follows from that state alone, and what processors
 * share (machine.h). It must not know how guest memory, instructions, interrupt controllers or the
 * loop work: the rooms above it do.
 */
#include <stdbool.h>
#include <stdint.h>

#include "core/vm/accel.h"
#include "core/x86/cpuid.h"
#include "core/x86/regs.h"
#include "emu/x86/cpu/code_cache.h"
#include "emu/x86/cpu/flags.h"
#include "emu/x86/cpu/gpr.h"
#include "emu/x86/cpu/leave.h"
#include "emu/x86/cpu/pieces.h"
#include "emu/x86/cpu/request.h"
#include "emu/x86/cpu/vector.h"

struct block_cache;
struct emu;
struct lapic;
struct thunks;
struct tlb;
struct tlbs;
struct vendor;

/* EAX of CPUID leaf 1 and RDX after reset, whatever the host's are, unless vendor_pretend changes
 * them: family 6, model 15, stepping 0. */
#define CPU_SIGNATURE 0x000006f0u

/* Physical address bits as in CPUID leaf 0x80000008; page table bits above are reserved. */
#define CPU_PHYSICAL_BITS 46

struct cpu_vec {
    uint8_t ymm[32];
} __attribute__((aligned(32)));

struct cpu {
    struct accel_vcpu accel; /* first member */

    /* Hot: what nearly every instruction touches. */
    uint64_t gpr[CPU_GPRS];
    uint64_t rip; /* valid between blocks; inside one, RIP is gpr[CPU_BLOCK_RIP] + op.at */
    flags_t flags;
    uint8_t cpl;
    uint8_t leave;                /* enum cpu_leave */
    uint8_t alone;                /* enum cpu_alone */
    uint32_t mode;                /* enum cpu_mode: the mode that blocks are decoded for */
    uint32_t request;             /* enum cpu_request; atomic, any thread sets bits */
    bool in_guest;                /* in guest code: others wait for it (code_pages.h); atomic */
    uint32_t code_answered;       /* the emu.code_epoch it answered last; atomic */
    struct code_drops code_drops; /* guarded by emu.code_lock */
    bool halted;                  /* asleep in cpu_wait; atomic */
    /* With CPU_REQ_TURNS: how many more times the loop in exec.c goes round before run returns. A
     * turn is at most one block or one piece of a REP, with the deliveries before and after it. */
    uint32_t turns;
    const struct tlb *tlb; /* the table of the present mode (mode.c) */
    uint64_t executed;     /* instructions; iterations of a REP are not counted */

    struct cpu_fault fault;
    const char *unable; /* with CPU_UNABLE: what the guest wants, as a noun for the log */

    /* System state. */
    uint64_t rflags; /* all but the arithmetic flags */
    struct x86_segment seg[X86_SEGS];
    struct x86_segment tr;
    struct x86_segment ldt;
    struct x86_table gdt;
    struct x86_table idt;
    uint64_t cr0, cr2, cr3, cr4;
    uint64_t dr[8];
    uint16_t debug_met; /* DR6 bits of a #DB that is due, also from a MOV SS just before */
    uint64_t efer;
    uint64_t xcr0;
    uint64_t star, lstar, cstar, fmask, kernel_gs_base;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
    uint64_t pat, misc_enable, tsc_aux, tsc_adjust;
    uint64_t kvmclock;         /* MSR_KVM_SYSTEM_TIME_NEW; guarded by emu.kvmclock_lock */
    uint32_t kvmclock_version; /* guarded by emu.kvmclock_lock */
    uint64_t tsc_offset;       /* guest TSC = host TSC + this; atomic, any thread reads */
    bool nmi_blocked;
    bool halted_by_guest; /* HLT, until an interrupt comes */
    bool waiting_for_sipi;
    uint8_t sipi_vector; /* atomic; the sender writes it before CPU_REQ_SIPI */

    struct cpu_vec vec[16];
    uint8_t fx[512] __attribute__((aligned(16))); /* FXSAVE image: x87 and MXCSR outside run */

    /* A copy of an operand that instructions cannot use in place (mmu.h). */
    uint8_t bounce[64] __attribute__((aligned(64)));
    struct pieces operand; /* where the operand of the last access on the slow path is */

    struct cpuid_table cpuid;
    uint64_t offered;            /* bit n: cpuid shows enum table_feature n */
    const struct vendor *vendor; /* how processors of the vendor in cpuid behave (vendor.h) */
    bool has_run;

    struct emu *emu; /* the machine: memory, buses, interrupt controllers, the other processors */
    struct lapic *lapic;
    const struct code_cache_ops *code; /* block.c */
    struct block_cache *blocks;
    struct thunks *thunks;
    struct tlbs *tlbs;
};

/* That vCPU's thread, inside an instruction: records the fault. The instruction then returns
 * without further effect. */
void cpu_fault(struct cpu *c, enum cpu_vector vector);
void cpu_fault_error(struct cpu *c, enum cpu_vector vector, uint32_t error);
void cpu_fault_page(struct cpu *c, uint64_t address, uint32_t error);

/* The guest wants `what`, a noun for the log, which the software CPU does not have: run fails at
 * this instruction. Returns false, as cpu_refuse does. */
bool cpu_unable(struct cpu *c, const char *what);

/* Records the fault, with the error code if its vector has one. Returns false, so that a caller can
 * return the call itself. */
static inline bool cpu_refuse(struct cpu *c, enum cpu_vector vector, uint32_t error)
{
    if (cpu_vector_has_error(vector))
        cpu_fault_error(c, vector, error);
    else
        cpu_fault(c, vector);
    return false;
}

/* cpu_rflags returns the full RFLAGS, RF and VM included. cpu_rflags_set sets every bit as given,
 * except bit 1, which is always 1; if RF is set, the next instruction has CPU_ALONE_RESUMED. */
uint64_t cpu_rflags(const struct cpu *c);
void cpu_rflags_set(struct cpu *c, uint64_t rflags);

/* Whether CPUID shows the feature (enum table_feature). */
static inline bool cpu_offers(const struct cpu *c, unsigned feature)
{
    return c->offered >> feature & 1u;
}

#endif
