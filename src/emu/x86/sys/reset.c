/* RESET, INIT and the feature bits. */
#include "emu/x86/sys/reset.h"

#include <stddef.h>
#include <string.h>

#include "core/x86/bits.h"
#include "emu/x86/cpu/cpu.h"
#include "emu/x86/cpu/descriptor.h"
#include "emu/x86/cpu/mode.h"
#include "emu/x86/decode/table.h"
#include "emu/x86/decode/vendor.h"
#include "emu/x86/mem/mmu.h"

/* The FXSAVE image after RESET (SDM 3A, table 10-1). FCW is 0x40, not the 0x37f of FNINIT. */
static void fx_reset(struct cpu *c)
{
    static const uint8_t fcw[2] = { 0x40, 0x00 };
    static const uint8_t mxcsr[4] = { 0x80, 0x1f, 0, 0 };

    memset(c->fx, 0, sizeof(c->fx));
    memcpy(c->fx, fcw, sizeof(fcw));
    memcpy(c->fx + 24, mxcsr, sizeof(mxcsr));
}

void cpu_reset(struct cpu *c, bool init)
{
    const uint16_t data = SEG_P | SEG_S | SEG_WRITABLE | SEG_ACCESSED;
    const struct cpuid_entry *shown = cpuid_find(&c->cpuid, 1, 0);
    uint64_t cache_bits = init ? c->cr0 & 0x60000000u : 0x60000000u;

    memset(c->gpr, 0, sizeof(c->gpr));
    c->gpr[X86_RDX] = shown ? shown->eax : CPU_SIGNATURE;
    for (unsigned i = 0; i < X86_SEGS; i++)
        c->seg[i] = (struct x86_segment){ .limit = 0xffff, .access = data };
    c->seg[X86_CS] = (struct x86_segment){
        .base = 0xffff0000, .limit = 0xffff, .selector = 0xf000, .access = data | SEG_CODE
    };
    c->tr = (struct x86_segment){ .limit = 0xffff, .access = SEG_P | SEG_TYPE_TSS_BUSY };
    c->ldt = (struct x86_segment){ .limit = 0xffff, .access = SEG_P | SEG_TYPE_LDT };
    c->gdt = c->idt = (struct x86_table){ .limit = 0xffff };
    c->rip = 0xfff0;
    c->cr0 = cache_bits | X86_CR0_ET;
    c->cr2 = c->cr3 = c->cr4 = c->efer = 0;
    memset(c->dr, 0, sizeof(c->dr));
    c->dr[6] = 0xffff0ff0;
    c->dr[7] = 0x400;
    c->cpl = 0;
    c->leave = CPU_ON;
    c->alone = 0;
    c->debug_met = 0;
    c->nmi_blocked = false;
    cpu_rflags_set(c, X86_RFLAGS_R1);
    if (!init) {
        memset(c->vec, 0, sizeof(c->vec));
        fx_reset(c);
        c->xcr0 = 1;
        c->pat = UINT64_C(0x0007040600070406);
        c->misc_enable = 1;
        c->tsc_adjust = c->tsc_aux = 0;
        c->star = c->lstar = c->cstar = c->fmask = c->kernel_gs_base = 0;
        c->sysenter_cs = c->sysenter_esp = c->sysenter_eip = 0;
    }
    c->waiting_for_sipi = c->accel.id != 0;
    mmu_flush(c, true);
    cpu_mode_update(c);
}

void cpu_features_update(struct cpu *c)
{
    _Static_assert(FEATURES <= 64, "offered has a bit for each");
    c->offered = 1; /* bit 0 is for instructions that need no feature */
    for (unsigned f = 1; f < FEATURES; f++) {
        struct table_feature_bit bit = table_feature_bit((enum table_feature)f);
        const struct cpuid_entry *e = cpuid_find(&c->cpuid, bit.leaf, bit.subleaf);
        const uint32_t regs[] = { e ? e->eax : 0, e ? e->ebx : 0, e ? e->ecx : 0, e ? e->edx : 0 };

        c->offered |= (uint64_t)(regs[bit.reg] >> bit.bit & 1u) << f;
    }
    c->vendor = vendor_shown(&c->cpuid);
}
