/*
 * System instructions: control, debug and model-specific registers, CPUID, time, HLT.
 *
 * An instruction that may change the mode, the translations or which interrupts can be delivered
 * ends its block.
 */
#include <sched.h>
#include <stddef.h>

#include "core/x86/bits.h"
#include "emu/x86/cpu/debug.h"
#include "emu/x86/cpu/machine.h"
#include "emu/x86/cpu/mode.h"
#include "emu/x86/decode/order.h"
#include "emu/x86/op/build.h"
#include "emu/x86/op/op_mem.h"
#include "emu/x86/sys/cpuid.h"
#include "emu/x86/sys/hypercall.h"
#include "emu/x86/sys/msr.h"
#include "emu/x86/time/tsc.h"

static void edx_eax_set(struct cpu *c, uint64_t value)
{
    c->gpr[X86_RAX] = (uint32_t)value;
    c->gpr[X86_RDX] = value >> 32;
}

static uint64_t edx_eax_get(const struct cpu *c)
{
    return (uint32_t)c->gpr[X86_RAX] | c->gpr[X86_RDX] << 32;
}

static void op_hlt(struct cpu *c, const struct op *op)
{
    c->leave = CPU_HALT;
    op_done(c, op);
}

static void op_pause(struct cpu *c, const struct op *op)
{
    if (c->emu->cpu_count > 1)
        (void)sched_yield();
    op_done(c, op);
}

static void op_cpuid(struct cpu *c, const struct op *op)
{
    emu_cpuid(c);
    OP_NEXT(c, op);
}

static void op_hypercall(struct cpu *c, const struct op *op)
{
    hypercall(c);
    OP_NEXT(c, op);
}

static bool tsc_allowed(struct cpu *c)
{
    return c->cpl == 0 || !(c->cr4 & X86_CR4_TSD) || cpu_refuse(c, CPU_GP, 0);
}

static void op_rdtsc(struct cpu *c, const struct op *op)
{
    if (!tsc_allowed(c))
        return op_leave(c, op);
    edx_eax_set(c, tsc_guest(c));
    OP_NEXT(c, op);
}

static void op_rdtscp(struct cpu *c, const struct op *op)
{
    if (!tsc_allowed(c))
        return op_leave(c, op);
    order_loads();
    edx_eax_set(c, tsc_guest(c));
    c->gpr[X86_RCX] = c->tsc_aux;
    OP_NEXT(c, op);
}

static void op_rdpid(struct cpu *c, const struct op *op)
{
    *op_r64(c, op->rm) = c->tsc_aux;
    OP_NEXT(c, op);
}

static void op_rdpmc(struct cpu *c, const struct op *op)
{
    uint64_t value;

    if (c->cpl != 0 && !(c->cr4 & X86_CR4_PCE)) {
        cpu_fault_error(c, CPU_GP, 0);
        return op_leave(c, op);
    }
    if (!msr_counter_read(c, (uint32_t)c->gpr[X86_RCX], &value))
        return op_leave(c, op);
    edx_eax_set(c, value);
    OP_NEXT(c, op);
}

static void op_rdmsr(struct cpu *c, const struct op *op)
{
    uint64_t value;

    if (!msr_read(c, (uint32_t)c->gpr[X86_RCX], &value))
        return op_leave(c, op);
    edx_eax_set(c, value);
    OP_NEXT(c, op);
}

static void op_wrmsr(struct cpu *c, const struct op *op)
{
    op_finish(c, op, msr_write(c, (uint32_t)c->gpr[X86_RCX], edx_eax_get(c)));
}

/* MOV to and from CRn and DRn: op->aux is n, op->rm the general register. Outside 64-bit mode they
 * are 32 bits wide. */

static uint64_t mov_width_mask(const struct cpu *c)
{
    return c->mode & MODE_64 ? UINT64_MAX : UINT32_MAX;
}

static void op_mov_from_cr(struct cpu *c, const struct op *op)
{
    uint64_t value;

    if (!control_read(c, op->aux, &value))
        return op_leave(c, op);
    *op_r64(c, op->rm) = value & mov_width_mask(c);
    OP_NEXT(c, op);
}

static void op_mov_to_cr(struct cpu *c, const struct op *op)
{
    op_finish(c, op, control_write(c, op->aux, *op_r64(c, op->rm) & mov_width_mask(c)));
}

static void op_mov_from_dr(struct cpu *c, const struct op *op)
{
    uint64_t value;

    if (!debug_read(c, op->aux, &value))
        return op_leave(c, op);
    *op_r64(c, op->rm) = value & mov_width_mask(c);
    OP_NEXT(c, op);
}

static void op_mov_to_dr(struct cpu *c, const struct op *op)
{
    op_finish(c, op, debug_write(c, op->aux, *op_r64(c, op->rm) & mov_width_mask(c)));
}

static void op_clts(struct cpu *c, const struct op *op)
{
    c->cr0 &= ~X86_CR0_TS;
    cpu_mode_update(c);
    op_done(c, op);
}

/* LMSW sets the low four bits of CR0 and cannot clear PE. */
static void lmsw_write(struct cpu *c, const struct op *op, uint16_t value)
{
    op_finish(c, op, control_write(c, 0, (c->cr0 & ~UINT64_C(0xe)) | (value & 0xfu)));
}

static void op_lmsw(struct cpu *c, const struct op *op)
{
    lmsw_write(c, op, *op_r16(c, op->rm));
}

static void op_lmsw_mem(struct cpu *c, const struct op *op)
{
    lmsw_write(c, op, OP_LOAD(c, op, uint16_t, op_address(c, op)));
}

static void op_invlpg(struct cpu *c, const struct op *op)
{
    mmu_flush_page(c, op_address(c, op));
    op_done(c, op);
}

static void op_swapgs(struct cpu *c, const struct op *op)
{
    uint64_t base = c->seg[X86_GS].base;

    c->seg[X86_GS].base = c->gpr[CPU_GS_BASE] = c->kernel_gs_base;
    c->kernel_gs_base = base;
    OP_NEXT(c, op);
}

/* RDFSBASE and its kin: op->aux is the segment, op->imm the operand size. */
static bool fsgsbase_enabled(struct cpu *c)
{
    if (c->cr4 & X86_CR4_FSGSBASE)
        return true;
    return cpu_refuse(c, CPU_UD, 0);
}

static void op_rdbase(struct cpu *c, const struct op *op)
{
    uint64_t base = c->seg[op->aux].base;

    if (!fsgsbase_enabled(c))
        return op_leave(c, op);
    *op_r64(c, op->rm) = op->imm == 8 ? base : (uint32_t)base;
    OP_NEXT(c, op);
}

static void op_wrbase(struct cpu *c, const struct op *op)
{
    uint64_t base = op->imm == 8 ? *op_r64(c, op->rm) : *op_r32(c, op->rm);

    if (!fsgsbase_enabled(c))
        return op_leave(c, op);
    if (!mmu_is_canonical(base)) {
        cpu_fault_error(c, CPU_GP, 0);
        return op_leave(c, op);
    }
    c->seg[op->aux].base = base;
    c->gpr[CPU_ES_BASE + op->aux] = base;
    OP_NEXT(c, op);
}

static bool xsave_enabled(struct cpu *c)
{
    if (c->cr4 & X86_CR4_OSXSAVE)
        return true;
    return cpu_refuse(c, CPU_UD, 0);
}

/* XGETBV: register 0 is XCR0. Register 1 is the components of XCR0 that are in use: here, all. */
static void op_xgetbv(struct cpu *c, const struct op *op)
{
    uint32_t which = (uint32_t)c->gpr[X86_RCX];

    if (!xsave_enabled(c))
        return op_leave(c, op);
    if (which > 1) {
        cpu_fault_error(c, CPU_GP, 0);
        return op_leave(c, op);
    }
    edx_eax_set(c, c->xcr0);
    OP_NEXT(c, op);
}

/* If CR4.OSXSAVE is clear, XSETBV is #UD, even where it would also be #GP. */
static void op_xsetbv(struct cpu *c, const struct op *op)
{
    bool allowed = c->cpl == 0 && (uint32_t)c->gpr[X86_RCX] == 0;
    bool done =
        xsave_enabled(c) && (allowed || cpu_refuse(c, CPU_GP, 0)) && xcr0_write(c, edx_eax_get(c));

    op_finish(c, op, done);
}

/* CLFLUSH and its kin: the address must be readable, and nothing else happens. */
static void op_clflush(struct cpu *c, const struct op *op)
{
    (void)OP_LOAD(c, op, uint8_t, op_address(c, op));
    OP_NEXT(c, op);
}

static void op_nothing(struct cpu *c, const struct op *op)
{
    op_done(c, op);
}

/* The handler of a mnemonic, and the aux of its op. */
struct system_row {
    uint16_t mnemonic;
    uint8_t aux;
    bool ends;
    op_fn *run;
    op_fn *run_mem; /* for a memory operand, or NULL if that makes no difference */
};

static const struct system_row system_rows[] = {
    { MN_HLT, 0, true, op_hlt, NULL },
    { MN_PAUSE, 0, true, op_pause, NULL },
    { MN_VMCALL, 0, false, op_hypercall, NULL },
    { MN_VMMCALL, 0, false, op_hypercall, NULL },
    { MN_CPUID, 0, false, op_cpuid, NULL },
    { MN_RDTSC, 0, false, op_rdtsc, NULL },
    { MN_RDTSCP, 0, false, op_rdtscp, NULL },
    { MN_RDPID, 0, false, op_rdpid, NULL },
    { MN_RDPMC, 0, false, op_rdpmc, NULL },
    { MN_RDMSR, 0, false, op_rdmsr, NULL },
    { MN_WRMSR, 0, true, op_wrmsr, NULL },
    { MN_CLTS, 0, true, op_clts, NULL },
    { MN_LMSW, 0, true, op_lmsw, op_lmsw_mem },
    { MN_INVLPG, 0, true, op_invlpg, op_invlpg },
    { MN_INVD, 0, true, op_nothing, NULL },
    { MN_WBINVD, 0, true, op_nothing, NULL },
    { MN_SERIALIZE, 0, true, op_nothing, NULL },
    { MN_SWAPGS, 0, false, op_swapgs, NULL },
    { MN_RDFSBASE, X86_FS, false, op_rdbase, NULL },
    { MN_RDGSBASE, X86_GS, false, op_rdbase, NULL },
    { MN_WRFSBASE, X86_FS, false, op_wrbase, NULL },
    { MN_WRGSBASE, X86_GS, false, op_wrbase, NULL },
    { MN_XGETBV, 0, false, op_xgetbv, NULL },
    { MN_XSETBV, 0, true, op_xsetbv, NULL },
    { MN_CLFLUSH, 0, false, op_clflush, op_clflush },
    { MN_CLFLUSHOPT, 0, false, op_clflush, op_clflush },
    { MN_CLWB, 0, false, op_clflush, op_clflush },
};

/* MOV with a control or debug register on one side. */
static bool build_mov_control(struct build *b)
{
    enum operand_file first = (enum operand_file)operand_kinds[b->row->operand[0]].file;
    enum operand_file second = (enum operand_file)operand_kinds[b->row->operand[1]].file;
    struct op *op;
    op_fn *run;

    if (first == FILE_CR)
        run = op_mov_to_cr;
    else if (first == FILE_DR)
        run = op_mov_to_dr;
    else if (second == FILE_CR)
        run = op_mov_from_cr;
    else if (second == FILE_DR)
        run = op_mov_from_dr;
    else
        return false;
    op = build_op_bare(b, run);
    op->rm = (uint8_t)(b->insn.rm * sizeof(uint64_t));
    op->aux = b->insn.reg;
    b->ends = run == op_mov_to_cr || run == op_mov_to_dr;
    return true;
}

bool build_system(struct build *b)
{
    bool memory = b->insn.flags & INSN_MEM;

    if (b->row->mnemonic == MN_MOV)
        return build_mov_control(b);
    for (unsigned i = 0; i < sizeof(system_rows) / sizeof(system_rows[0]); i++) {
        const struct system_row *row = &system_rows[i];
        struct op *op;

        if (row->mnemonic != b->row->mnemonic)
            continue;
        op = build_op(b, memory && row->run_mem ? row->run_mem : row->run);
        op->aux = row->aux;
        op->imm = b->insn.osize;
        if (!memory)
            op->rm = (uint8_t)(b->insn.rm * sizeof(uint64_t));
        b->ends = row->ends;
        return true;
    }
    return false;
}
