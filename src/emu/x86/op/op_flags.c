/* Instructions that set and clear flags of cpu.rflags: direction, interrupt, alignment check. */
#include <stddef.h>

#include "core/x86/bits.h"
#include "emu/x86/mem/mmu.h"
#include "emu/x86/op/build.h"

static void op_cld(struct cpu *c, const struct op *op)
{
    c->rflags &= ~X86_RFLAGS_DF;
    OP_NEXT(c, op);
}

static void op_std(struct cpu *c, const struct op *op)
{
    c->rflags |= X86_RFLAGS_DF;
    OP_NEXT(c, op);
}

/* CLI and STI need CPL <= IOPL, except in real mode. */
static bool cli_sti_allowed(struct cpu *c)
{
    if (c->cpl <= (c->rflags >> 12 & 3u) || !(c->cr0 & X86_CR0_PE))
        return true;
    return cpu_refuse(c, CPU_GP, 0);
}

static void op_cli(struct cpu *c, const struct op *op)
{
    if (__builtin_expect(!cli_sti_allowed(c), 0))
        return op_leave(c, op);
    c->rflags &= ~X86_RFLAGS_IF;
    OP_NEXT(c, op);
}

/* If interrupts were off, they stay off for one more instruction (SDM 2B, "STI"). */
static void op_sti(struct cpu *c, const struct op *op)
{
    if (__builtin_expect(!cli_sti_allowed(c), 0))
        return op_leave(c, op);
    if (!(c->rflags & X86_RFLAGS_IF))
        c->alone |= CPU_ALONE_NO_INTERRUPT;
    c->rflags |= X86_RFLAGS_IF;
    op_done(c, op);
}

/* STAC and CLAC choose the supervisor's translation table (SMAP). Blocks do not depend on AC. */
static void op_stac(struct cpu *c, const struct op *op)
{
    c->rflags |= X86_RFLAGS_AC;
    c->tlb = &c->tlbs->table[TLB_SUPERVISOR_AC];
    OP_NEXT(c, op);
}

static void op_clac(struct cpu *c, const struct op *op)
{
    c->rflags &= ~X86_RFLAGS_AC;
    c->tlb = &c->tlbs->table[TLB_SUPERVISOR];
    OP_NEXT(c, op);
}

bool build_flags(struct build *b)
{
    op_fn *run;

    switch (b->row->mnemonic) {
    case MN_CLD:
        run = op_cld;
        break;
    case MN_STD:
        run = op_std;
        break;
    case MN_CLI:
        run = op_cli;
        break;
    case MN_STI:
        run = op_sti;
        b->ends = true;
        break;
    case MN_STAC:
        run = op_stac;
        break;
    case MN_CLAC:
        run = op_clac;
        break;
    default:
        return false;
    }
    (void)build_op_bare(b, run);
    return true;
}
