/* Model-specific registers. An unknown one is #GP, which Linux takes as "does not exist". */
#include "emu/x86/sys/msr.h"

#include <stddef.h>

#include "core/x86/bits.h"
#include "emu/x86/apic/lapic.h"
#include "emu/x86/cpu/cpu.h"
#include "emu/x86/cpu/mode.h"
#include "emu/x86/decode/vendor.h"
#include "emu/x86/mem/mmu.h"
#include "emu/x86/time/kvmclock.h"
#include "emu/x86/time/tsc.h"

enum {
    MSR_TSC = 0x10,
    MSR_TSC_ADJUST = 0x3b,
    MSR_UCODE_REV = 0x8b,
    MSR_MTRRCAP = 0xfe,
    MSR_SYSENTER_CS = 0x174,
    MSR_SYSENTER_ESP = 0x175,
    MSR_SYSENTER_EIP = 0x176,
    MSR_MCG_CAP = 0x179,
    MSR_MCG_STATUS = 0x17a,
    MSR_MISC_ENABLE = 0x1a0,
    MSR_PAT = 0x277,
    MSR_MTRR_DEF_TYPE = 0x2ff,
    MSR_KVM_WALL_CLOCK = 0x4b564d00,
    MSR_KVM_SYSTEM_TIME = 0x4b564d01,
    MSR_EFER = 0xc0000080,
    MSR_STAR = 0xc0000081,
    MSR_LSTAR = 0xc0000082,
    MSR_CSTAR = 0xc0000083,
    MSR_FMASK = 0xc0000084,
    MSR_FS_BASE = 0xc0000100,
    MSR_GS_BASE = 0xc0000101,
    MSR_KERNEL_GS_BASE = 0xc0000102,
    MSR_TSC_AUX = 0xc0000103,
    MSR_AMD_FIRST = 0xc0010000,
    MSR_AMD_COUNTERS_END = 0xc0010008, /* four selectors, four counters */
    MSR_AMD_SYSCFG = 0xc0010010,
    MSR_AMD_HWCR = 0xc0010015,
    MSR_AMD_PATCH_LEVEL_WRITE = 0xc0010020,
    MSR_AMD_DE_CFG = 0xc0011029,
    MSR_AMD_LAST = 0xc001ffff,
};

/* Enabled, with write-back as the default type; there are no ranges that differ (MSR_MTRRCAP). */
#define MTRR_DEF_TYPE UINT64_C(0xc06)

#define HWCR_TSC_FREQ_SEL (UINT64_C(1) << 24) /* the TSC always counts at the frequency of P0 */
#define DE_CFG_LFENCE     (UINT64_C(1) << 1)  /* LFENCE is dispatch serializing */

/* The field of a register that only stores its value, or NULL. *address says whether the value must
 * be a canonical address. */
static uint64_t *msr_plain(struct cpu *c, uint32_t msr, bool *address)
{
    *address = false;
    switch (msr) {
    case MSR_SYSENTER_CS:
        return &c->sysenter_cs;
    case MSR_MISC_ENABLE:
        return &c->misc_enable;
    case MSR_STAR:
        return &c->star;
    case MSR_FMASK:
        return &c->fmask;
    default:
        break;
    }
    *address = true;
    switch (msr) {
    case MSR_SYSENTER_ESP:
        return &c->sysenter_esp;
    case MSR_SYSENTER_EIP:
        return &c->sysenter_eip;
    case MSR_LSTAR:
        return &c->lstar;
    case MSR_CSTAR:
        return &c->cstar;
    case MSR_FS_BASE:
        return &c->seg[X86_FS].base;
    case MSR_GS_BASE:
        return &c->seg[X86_GS].base;
    case MSR_KERNEL_GS_BASE:
        return &c->kernel_gs_base;
    default:
        return NULL;
    }
}

/* Whether only the other vendor's processors have the register. */
static bool msr_is_foreign(const struct cpu *c, uint32_t msr)
{
    if (c->vendor->amd_registers)
        return msr == MSR_MISC_ENABLE;
    return msr >= MSR_AMD_FIRST && msr <= MSR_AMD_LAST;
}

/*
 * AMD's four oldest performance counters, which no CPUID bit can hide. They accept every write and
 * always read as 0. Kernels that test them see from this that they do not count, and do not use
 * them.
 */
#define AMD_COUNTERS 4u

static bool msr_is_amd_counter(uint32_t msr)
{
    return msr >= MSR_AMD_FIRST && msr < MSR_AMD_COUNTERS_END;
}

bool msr_counter_read(struct cpu *c, uint32_t counter, uint64_t *value)
{
    if (!c->vendor->amd_registers || counter >= AMD_COUNTERS)
        return cpu_refuse(c, CPU_GP, 0);
    *value = 0;
    return true;
}

bool msr_read(struct cpu *c, uint32_t msr, uint64_t *value)
{
    bool address;
    const uint64_t *plain = msr_plain(c, msr, &address);

    if (msr_is_foreign(c, msr))
        return cpu_refuse(c, CPU_GP, 0);
    if (msr_is_amd_counter(msr)) {
        *value = 0;
        return true;
    }
    if (plain) {
        *value = *plain;
        return true;
    }
    if (lapic_has_msr(msr))
        return lapic_msr_read(c->lapic, msr, value) || cpu_refuse(c, CPU_GP, 0);
    switch (msr) {
    case MSR_TSC:
        *value = tsc_guest(c);
        return true;
    case MSR_TSC_ADJUST:
        *value = c->tsc_adjust;
        return true;
    case MSR_TSC_AUX:
        *value = c->tsc_aux;
        return true;
    case MSR_EFER:
        *value = c->efer;
        return true;
    case MSR_PAT:
        *value = c->pat;
        return true;
    case MSR_KVM_SYSTEM_TIME:
        *value = c->kvmclock;
        return true;
    case MSR_AMD_HWCR:
        *value = HWCR_TSC_FREQ_SEL;
        return true;
    case MSR_AMD_DE_CFG:
        *value = DE_CFG_LFENCE;
        return true;
    case MSR_MTRR_DEF_TYPE:
        *value = MTRR_DEF_TYPE;
        return true;
    case MSR_MTRRCAP: /* no variable ranges */
    case MSR_UCODE_REV:
    case MSR_MCG_CAP:
    case MSR_MCG_STATUS:
    case MSR_AMD_SYSCFG:
    case MSR_KVM_WALL_CLOCK:
        *value = 0;
        return true;
    default:
        return cpu_refuse(c, CPU_GP, 0);
    }
}

static bool efer_write(struct cpu *c, uint64_t value)
{
    uint64_t defined = X86_EFER_SCE | X86_EFER_LME | X86_EFER_LMA | X86_EFER_NXE;

    if ((value & ~defined) || ((c->cr0 & X86_CR0_PG) && ((value ^ c->efer) & X86_EFER_LME)))
        return cpu_refuse(c, CPU_GP, 0);
    c->efer = (value & ~X86_EFER_LMA) | (c->efer & X86_EFER_LMA);
    cpu_mode_update(c);
    return true;
}

/* Whether each of the eight bytes is one of the six memory types (SDM 3A, table 12-10). */
static bool pat_valid(uint64_t value)
{
    for (unsigned i = 0; i < 8; i++) {
        unsigned type = value >> i * 8 & 0xffu;

        if (type > 7 || type == 2 || type == 3)
            return false;
    }
    return true;
}

static bool msr_plain_write(struct cpu *c, uint64_t *plain, bool address, uint64_t value)
{
    if (address && !mmu_is_canonical(value))
        return cpu_refuse(c, CPU_GP, 0);
    *plain = value;
    cpu_mode_update(c); /* cpu.gpr has copies of the FS and GS bases */
    return true;
}

/* Moves the TSC and TSC_ADJUST together (SDM 3B, 18.17.3), and updates what was computed from the
 * old offset. The store is atomic because other processors read the offset (kvmclock.c). */
static void tsc_move(struct cpu *c, uint64_t by)
{
    c->tsc_adjust += by;
    __atomic_store_n(&c->tsc_offset, c->tsc_offset + by, __ATOMIC_RELAXED);
    kvmclock_update(c->emu);
    lapic_tsc_moved(c->lapic);
}

bool msr_write(struct cpu *c, uint32_t msr, uint64_t value)
{
    bool address;
    uint64_t *plain = msr_plain(c, msr, &address);

    if (msr_is_foreign(c, msr))
        return cpu_refuse(c, CPU_GP, 0);
    if (msr_is_amd_counter(msr))
        return true;
    if (!c->vendor->sysenter_64 && (msr == MSR_SYSENTER_ESP || msr == MSR_SYSENTER_EIP))
        value = (uint32_t)value;
    if (plain)
        return msr_plain_write(c, plain, address, value);
    if (lapic_has_msr(msr))
        return lapic_msr_write(c->lapic, msr, value) || cpu_refuse(c, CPU_GP, 0);
    switch (msr) {
    case MSR_TSC:
        tsc_move(c, value - tsc_guest(c));
        return true;
    case MSR_TSC_ADJUST:
        tsc_move(c, value - c->tsc_adjust);
        return true;
    case MSR_TSC_AUX:
        if (value >> 32)
            return cpu_refuse(c, CPU_GP, 0);
        c->tsc_aux = value;
        return true;
    case MSR_EFER:
        return efer_write(c, value);
    case MSR_PAT:
        if (!pat_valid(value))
            return cpu_refuse(c, CPU_GP, 0);
        c->pat = value;
        return true;
    case MSR_KVM_WALL_CLOCK:
        kvmclock_wall_write(c, value);
        return true;
    case MSR_KVM_SYSTEM_TIME:
        kvmclock_system_write(c, value);
        return true;
    case MSR_MTRR_DEF_TYPE: /* memory types have no effect here */
    case MSR_UCODE_REV:
    case MSR_MCG_STATUS:
    case MSR_AMD_HWCR:
    case MSR_AMD_DE_CFG:
    case MSR_AMD_PATCH_LEVEL_WRITE:
        return true;
    default:
        return cpu_refuse(c, CPU_GP, 0);
    }
}
