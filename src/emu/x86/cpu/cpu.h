#ifndef EMU_X86_CPU_CPU_H
#define EMU_X86_CPU_CPU_H
/*
 * One software processor: its architectural state and what the emulator keeps beside it.
 *
 * Everything belongs to that vCPU's thread, save `request`, through which any thread asks for
 * attention. The processor looks at it between blocks of instructions.
 *
 * Vector and x87 state: the XMM/YMM registers are in `vec`; x87, MMX and MXCSR live in the host's
 * own registers while the thread is inside run (the emulator's C code uses none of them) and in
 * `fx` otherwise.
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

/* CPUID leaf 1 EAX: what RDX holds after reset. Family 6; the model is nobody's. */
#define CPU_SIGNATURE 0x000006f0u

/* Physical address bits that CPUID leaf 0x80000008 shows; the bits above are reserved in page
 * tables. */
#define CPU_PHYSICAL_BITS 46

struct cpu_vec {
    uint8_t ymm[32];
} __attribute__((aligned(32)));

struct cpu {
    struct accel_vcpu accel; /* first member */

    /* Hot: what nearly every instruction touches. */
    uint64_t gpr[CPU_GPRS];
    uint64_t rip; /* true between blocks; inside one it is gpr[CPU_BLOCK_RIP] plus the instruction's
                     offset */
    flags_t flags;
    uint8_t cpl;
    uint8_t leave;          /* enum cpu_leave */
    uint8_t alone;          /* enum cpu_alone */
    uint32_t mode;          /* what decoded blocks depend on, besides their address (block.h) */
    uint32_t request;       /* enum cpu_request; atomic, any thread */
    bool in_guest;          /* others wait for its answers (code_pages.h); atomic */
    uint32_t code_answered; /* atomic */
    struct code_drops code_drops;
    bool halted;           /* in cpu_wait; atomic */
    uint32_t turns;        /* with CPU_REQ_TURNS: how often the loop in exec.c goes round before run
                              returns; a turn is a block, a piece of a REP, or one delivery */
    const struct tlb *tlb; /* of the present mode (mode.c) */
    uint64_t executed;     /* instructions, REP iterations not counted */

    struct cpu_fault fault;
    const char *unable; /* with CPU_UNABLE: the thing, as the log is to name it */

    /* System state. */
    uint64_t rflags; /* all but the arithmetic flags */
    struct x86_segment seg[X86_SEGS];
    struct x86_segment tr;
    struct x86_segment ldt;
    struct x86_table gdt;
    struct x86_table idt;
    uint64_t cr0, cr2, cr3, cr4;
    uint64_t dr[8];
    uint16_t debug_met; /* what the present instruction, or MOV SS before it, owes to DR6 */
    uint64_t efer;
    uint64_t xcr0;
    uint64_t star, lstar, cstar, fmask, kernel_gs_base;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
    uint64_t pat, misc_enable, tsc_aux, tsc_adjust;
    uint64_t kvmclock; /* MSR_KVM_SYSTEM_TIME_NEW; with emu.kvmclock_lock */
    uint32_t kvmclock_version;
    uint64_t tsc_offset; /* guest TSC = host TSC + this; written atomically, any thread reads */
    bool nmi_blocked;
    bool halted_by_guest; /* HLT, until an interrupt comes */
    bool waiting_for_sipi;
    uint8_t sipi_vector;

    struct cpu_vec vec[16];
    uint8_t fx[512]
        __attribute__((aligned(16))); /* FXSAVE image: x87 and MXCSR while outside run */

    /* An operand that is not plain RAM (it crosses a page, or is a device's) is worked on here and
     * written back to where it was found. */
    uint8_t bounce[64] __attribute__((aligned(64)));
    struct pieces operand; /* of the slow door (mmu.h) */

    struct cpuid_table cpuid;
    uint64_t offered;            /* bit n: enum table_feature n, from cpuid */
    const struct vendor *vendor; /* by cpuid, where processors differ */
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

/* What the processor cannot do, named as a noun: the run ends there and the log says so. False, as
 * cpu_refuse. */
bool cpu_unable(struct cpu *c, const char *what);

/* Records the fault, with the error code where its vector has one. False, for a caller whose own
 * answer that is. */
static inline bool cpu_refuse(struct cpu *c, enum cpu_vector vector, uint32_t error)
{
    if (cpu_vector_has_error(vector))
        cpu_fault_error(c, vector, error);
    else
        cpu_fault(c, vector);
    return false;
}

/* The full RFLAGS, as PUSHF would see it; and back, all bits taken as given. */
uint64_t cpu_rflags(const struct cpu *c);
void cpu_rflags_set(struct cpu *c, uint64_t rflags);

/* Whether CPUID shows the feature (enum table_feature). */
static inline bool cpu_offers(const struct cpu *c, unsigned feature)
{
    return c->offered >> feature & 1u;
}

#endif
