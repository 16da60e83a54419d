/*
 * Instructions that 64-bit mode does not have, so that the host cannot run them: decimal adjustment
 * (SDM 1, 7.3.4), SALC, BOUND, ARPL.
 *
 * Flags that the manuals leave undefined get the values that processors agree on: SF, ZF and PF
 * follow AL, the others are clear.
 */
#include <stddef.h>

#include "emu/x86/op/build.h"
#include "emu/x86/op/op_mem.h"

#define RPL_MASK 3u

static uint8_t *reg_al(struct cpu *c)
{
    return op_r8(c, 0);
}

static uint8_t *reg_ah(struct cpu *c)
{
    return op_r8(c, 1);
}

static flags_t flags_of_byte(uint8_t value)
{
    flags_t f = 0;

    if (value & 0x80u)
        f |= FLAGS_SF;
    if (value == 0)
        f |= FLAGS_ZF;
    if (!__builtin_parity(value))
        f |= FLAGS_PF;
    return f;
}

/* DAA and DAS add or subtract 6 for each digit that is beyond 9 or has carried. */
static void decimal_adjust(struct cpu *c, bool subtract)
{
    uint8_t before = *reg_al(c);
    bool low = (before & 0xfu) > 9 || (c->flags & FLAGS_AF);
    bool high = before > 0x99 || (c->flags & FLAGS_CF);
    unsigned fix = (low ? 6u : 0) + (high ? 0x60u : 0);
    bool borrow = low && (subtract ? before < 6 : before > 0xf9);

    *reg_al(c) = (uint8_t)(subtract ? before - fix : before + fix);
    c->flags = flags_of_byte(*reg_al(c));
    if (low)
        c->flags |= FLAGS_AF;
    if (high || borrow)
        c->flags |= FLAGS_CF;
}

static void op_daa(struct cpu *c, const struct op *op)
{
    decimal_adjust(c, false);
    OP_NEXT(c, op);
}

static void op_das(struct cpu *c, const struct op *op)
{
    decimal_adjust(c, true);
    OP_NEXT(c, op);
}

/* AAA and AAS adjust one unpacked digit; the carry or borrow goes into AH. */
static void ascii_adjust(struct cpu *c, uint16_t fix)
{
    bool adjust = (*reg_al(c) & 0xfu) > 9 || (c->flags & FLAGS_AF);

    if (adjust)
        *op_r16(c, 0) = (uint16_t)(*op_r16(c, 0) + fix);
    *reg_al(c) &= 0xfu;
    c->flags = flags_of_byte(*reg_al(c));
    if (adjust)
        c->flags |= FLAGS_AF | FLAGS_CF;
}

static void op_aaa(struct cpu *c, const struct op *op)
{
    ascii_adjust(c, 0x106);
    OP_NEXT(c, op);
}

static void op_aas(struct cpu *c, const struct op *op)
{
    ascii_adjust(c, (uint16_t)-0x106);
    OP_NEXT(c, op);
}

/* AAM and AAD. op->imm is the base of the number system, usually 10. */

static void op_aam(struct cpu *c, const struct op *op)
{
    uint8_t base = (uint8_t)op->imm;
    uint8_t value = *reg_al(c);

    if (base == 0) {
        cpu_fault(c, CPU_DE);
        return op_leave(c, op);
    }
    *reg_ah(c) = value / base;
    *reg_al(c) = value % base;
    c->flags = flags_of_byte(*reg_al(c));
    OP_NEXT(c, op);
}

static void op_aad(struct cpu *c, const struct op *op)
{
    *op_r16(c, 0) = (uint8_t)(*reg_al(c) + *reg_ah(c) * op->imm);
    c->flags = flags_of_byte(*reg_al(c));
    OP_NEXT(c, op);
}

static void op_salc(struct cpu *c, const struct op *op)
{
    *reg_al(c) = c->flags & FLAGS_CF ? 0xff : 0;
    OP_NEXT(c, op);
}

/* The bounds are signed, and the index may equal either. */
static void bound_check(struct cpu *c, const struct op *op, int32_t index, int32_t lower,
                        int32_t upper)
{
    if (index < lower || index > upper) {
        cpu_fault(c, CPU_BR);
        return op_leave(c, op);
    }
    OP_NEXT(c, op);
}

static void op_bound16(struct cpu *c, const struct op *op)
{
    uint32_t bounds = OP_LOAD(c, op, uint32_t, op_address(c, op));

    bound_check(c, op, (int16_t)*op_r16(c, op->reg), (int16_t)bounds, (int16_t)(bounds >> 16));
}

static void op_bound32(struct cpu *c, const struct op *op)
{
    uint64_t bounds = OP_LOAD(c, op, uint64_t, op_address(c, op));

    bound_check(c, op, (int32_t)*op_r32(c, op->reg), (int32_t)bounds, (int32_t)(bounds >> 32));
}

/* ARPL raises the selector's RPL to the other's, if that is higher; ZF says whether it did. */

static bool rpl_must_raise(uint16_t selector, uint16_t other)
{
    return (selector & RPL_MASK) < (other & RPL_MASK);
}

static uint16_t rpl_raised(uint16_t selector, uint16_t other)
{
    return (uint16_t)((selector & ~RPL_MASK) | (other & RPL_MASK));
}

static void op_arpl(struct cpu *c, const struct op *op)
{
    uint16_t other = *op_r16(c, op->reg);
    uint16_t *selector = op_r16(c, op->rm);
    bool raise = rpl_must_raise(*selector, other);

    if (raise)
        *selector = rpl_raised(*selector, other);
    op_flag_set(c, FLAGS_ZF, raise);
    OP_NEXT(c, op);
}

static void op_arpl_mem(struct cpu *c, const struct op *op)
{
    uint16_t other = *op_r16(c, op->reg);
    uint16_t selector = OP_LOAD(c, op, uint16_t, op_address(c, op));
    bool raise = rpl_must_raise(selector, other);

    if (raise)
        OP_STORE(c, op, uint16_t, op_address(c, op), rpl_raised(selector, other));
    op_flag_set(c, FLAGS_ZF, raise);
    OP_NEXT(c, op);
}

static op_fn *legacy_handler(const struct build *b)
{
    switch (b->row->mnemonic) {
    case MN_DAA:
        return op_daa;
    case MN_DAS:
        return op_das;
    case MN_AAA:
        return op_aaa;
    case MN_AAS:
        return op_aas;
    case MN_AAM:
        return op_aam;
    case MN_AAD:
        return op_aad;
    case MN_SALC:
        return op_salc;
    case MN_BOUND:
        return b->insn.osize == 2 ? op_bound16 : op_bound32;
    case MN_ARPL:
        return b->insn.flags & INSN_MEM ? op_arpl_mem : op_arpl;
    default:
        return NULL;
    }
}

bool build_legacy(struct build *b)
{
    op_fn *run = legacy_handler(b);

    if (!run)
        return false;
    (void)build_op(b, run);
    return true;
}
