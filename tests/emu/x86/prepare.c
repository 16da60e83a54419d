/* Drawing and bending the state before an instruction. */
#include "emu/x86/prepare.h"

#include <stddef.h>
#include <string.h>

#include "core/x86/bits.h"

#define RFLAGS_ARITH 0x8d5u
#define RFLAGS_USER  0x202u    /* always set in ring 3: bit 1, and IF */
#define RFLAGS_POP   0x203ed5u /* the flags that POPF may load: TF, NT or AC would end the test */

/* Offsets in the FXSAVE image. */
enum { FX_FCW = 0, FX_FSW = 2, FX_FTW = 4, FX_MXCSR = 24, FX_ST = 32 };

#define FCW_DEFAULT   0x037fu
#define FSW_SUMMARY   0x8080u /* ES, and B that follows it */
#define FP_EXCEPTIONS 0x3fu
#define MXCSR_DEFAULT 0x1f80u
#define MXCSR_MASKS   0x1f80u
#define MXCSR_DEFINED 0xffffu

static uint64_t *gpr(struct aim *a, unsigned n)
{
    return &a->t->before.gpr[n];
}

static uint64_t draw_rip(struct pick *p)
{
    if (pick_chance(p, 80))
        return CASE_CODE + 64 * (4 + pick_below(p, 30));
    return CASE_CODE + CASE_PAGE - pick_below(p, 20);
}

static uint32_t draw_mxcsr(struct pick *p)
{
    uint32_t mxcsr = (uint32_t)pick_bits(p) & MXCSR_DEFINED;

    if (pick_chance(p, 50))
        return MXCSR_DEFAULT;
    return pick_chance(p, 85) ? mxcsr | MXCSR_MASKS : mxcsr;
}

/* Any rounding and precision; sometimes an unmasked exception, seldom a pending one. */
static void draw_x87(struct pick *p, uint8_t *fx)
{
    uint16_t fcw = pick_chance(p, 50) ? FCW_DEFAULT : (uint16_t)((pick_bits(p) & 0xf3f) | 0x40);
    uint16_t fsw = (uint16_t)pick_bits(p) & (uint16_t)~FSW_SUMMARY;
    uint32_t mxcsr = draw_mxcsr(p);

    if (pick_chance(p, 70))
        fcw |= FP_EXCEPTIONS;
    if (pick_chance(p, 95))
        fsw &= (uint16_t)(fcw | ~FP_EXCEPTIONS);
    if (fsw & ~fcw & FP_EXCEPTIONS)
        fsw |= FSW_SUMMARY;
    memcpy(fx + FX_FCW, &fcw, sizeof(fcw));
    memcpy(fx + FX_FSW, &fsw, sizeof(fsw));
    memcpy(fx + FX_MXCSR, &mxcsr, sizeof(mxcsr));
    fx[FX_FTW] = pick_chance(p, 70) ? 0xff : (uint8_t)pick_bits(p);
    for (unsigned i = 0; i < 8; i++) {
        uint8_t *st = fx + FX_ST + 16 * i;

        pick_extended(p, st);
        if (pick_chance(p, 25)) { /* as MMX leaves it */
            pick_operand(p, st, 8);
            memset(st + 8, 0xff, 2);
        }
    }
}

static void draw(struct aim *a)
{
    struct case_state *s = &a->t->before;
    struct pick *p = a->p;

    *s = (struct case_state){ .rip = draw_rip(p) };
    for (unsigned i = 0; i < X86_GPRS; i++)
        s->gpr[i] = pick_integer(p);
    s->rflags = RFLAGS_USER | (pick_bits(p) & RFLAGS_ARITH);
    if (pick_chance(p, 12))
        s->rflags |= X86_RFLAGS_DF;
    draw_x87(p, s->fx);
    for (unsigned i = 0; i < 16; i++)
        pick_operand(p, s->vec[i], sizeof(s->vec[i]));
}

/* Makes repetitions end soon. Above the address size the counter may hold anything. */
static void bend_count(struct aim *a)
{
    uint64_t count = pick_below(a->p, pick_chance(a->p, 95) ? 24 : 1200);

    if (a->t->insn.asize == 4)
        count |= pick_bits(a->p) << 32;
    *gpr(a, X86_RCX) = count;
}

/* Keeps the bit that the offset selects near the operand's address. */
static void bend_bit_offset(struct aim *a)
{
    uint64_t mask = a->t->insn.osize == 8 ? UINT64_MAX : (UINT64_C(1) << 8 * a->t->insn.osize) - 1;
    uint64_t offset = (pick_bits(a->p) & 0x7fff) - 0x4000;

    *gpr(a, a->t->insn.reg) = (offset & mask) | (pick_bits(a->p) & ~mask);
}

/* Most dividends drawn at random overflow. */
static void bend_dividend(struct aim *a)
{
    if (pick_chance(a->p, 40))
        return;
    *gpr(a, X86_RDX) = pick_chance(a->p, 50) ? 0 : UINT64_MAX;
    if (operand_bytes(&a->t->insn, a->t->row->operand[0]) == 1)
        *gpr(a, X86_RAX) &= pick_chance(a->p, 50) ? 0xff : 0x1fff;
}

static void bend_gather(struct aim *a)
{
    uint8_t *index = a->t->before.vec[a->t->insn.index & 15u];
    bool wide = a->t->insn.opcode & 1u;

    for (unsigned i = 0; i < 32; i += wide ? 8 : 4) {
        int64_t value = (int64_t)pick_below(a->p, 512) - 256;

        memcpy(index + i, &value, wide ? 8 : 4);
    }
}

static void bend_registers(struct aim *a)
{
    const struct table_row *row = a->t->row;

    if (row->attr & (ATTR_REP | ATTR_REPZ))
        bend_count(a);
    if (row->needs & NEEDS_VSIB)
        bend_gather(a);
    switch (row->mnemonic) {
    case MN_BT:
    case MN_BTS:
    case MN_BTR:
    case MN_BTC:
        if (row->operand[1] == OPERAND_Gv && (a->t->insn.flags & INSN_MEM))
            bend_bit_offset(a);
        break;
    case MN_DIV:
    case MN_IDIV:
        bend_dividend(a);
        break;
    case MN_JMP:
    case MN_CALL:
        if (!(a->t->insn.flags & INSN_MEM) && row->operand[0] == OPERAND_Ev)
            *gpr(a, a->t->insn.rm) = pick_chance(a->p, 90) ? aim_branch_target(a) : pick_bits(a->p);
        break;
    default:
        break;
    }
}

static void put64(struct aim_memory *m, unsigned offset, uint64_t value)
{
    if (offset + 8 <= sizeof(m->bytes))
        memcpy(m->bytes + offset, &value, sizeof(value));
}

/* Chooses what the instruction finds in memory, if random bytes will not do. aim noted the operand
 * last. */
static void bend_memory(struct aim *a)
{
    struct aim_memory *m = &a->memory[a->count ? a->count - 1 : 0];
    uint32_t mxcsr = draw_mxcsr(a->p);
    uint64_t flags;

    switch (a->t->row->mnemonic) {
    case MN_RET:
        put64(&a->memory[0], 0, aim_branch_target(a));
        break;
    case MN_JMP:
    case MN_CALL:
        if (a->t->insn.flags & INSN_MEM)
            put64(m, 0, aim_branch_target(a));
        break;
    case MN_POPF:
        memcpy(&flags, a->memory[0].bytes, sizeof(flags));
        put64(&a->memory[0], 0, flags & RFLAGS_POP);
        break;
    case MN_LDMXCSR:
    case MN_VLDMXCSR:
        if (pick_chance(a->p, 10))
            mxcsr |= 1u << (18 + pick_below(a->p, 14)); /* 16 and 17 are some processors' own */
        memcpy(m->bytes, &mxcsr, sizeof(mxcsr));
        break;
    case MN_FXRSTOR:
        if (pick_chance(a->p, 5))
            mxcsr |= 1u << 31;
        memcpy(m->bytes + FX_MXCSR, &mxcsr, sizeof(mxcsr));
        break;
    case MN_CMPXCHG:
        if (pick_chance(a->p, 50))
            put64(m, 0, *gpr(a, X86_RAX));
        break;
    case MN_CMPXCHG8B:
    case MN_CMPXCHG16B:
        if (pick_chance(a->p, 50)) {
            put64(m, 0, *gpr(a, X86_RAX));
            put64(m, m->size / 2, *gpr(a, X86_RDX));
        }
        break;
    default:
        break;
    }
}

bool prepare(struct aim *a)
{
    a->count = 0;
    draw(a);
    bend_registers(a);
    if (!aim(a))
        return false;
    bend_memory(a);
    return true;
}
