/*
 * BT, BTS, BTR, BTC of memory with the bit number in a register.
 *
 * The number is signed and can reach beyond the operand: it moves the address, and only its low
 * bits select a bit there (SDM 2A, 3.1.1.9). An op in front moves the base. The handler then takes
 * the number modulo the operand's width.
 */
#include <stddef.h>

#include "emu/x86/op/build.h"
#include "emu/x86/op/op_mem.h"

/* op->aux is the operand's width in bytes, op->imm the base-2 logarithm of its width in bits. */
static void op_bit_base(struct cpu *c, const struct op *op)
{
    uint64_t number = *op_r64(c, op->reg);
    int64_t bits = op->aux == 2   ? (int16_t)number
                   : op->aux == 4 ? (int32_t)number
                                  : (int64_t)number;

    c->gpr[CPU_ADDRESS] = *op_r64(c, op->base) + (uint64_t)((bits >> op->imm) * op->aux);
    OP_NEXT(c, op);
}

#define TEST(W)                                                             \
    static void op_bt##W(struct cpu *c, const struct op *op)                \
    {                                                                       \
        uint##W##_t value = OP_LOAD(c, op, uint##W##_t, op_address(c, op)); \
                                                                            \
        op_flag_set(c, FLAGS_CF, value >> *op_r64(c, op->reg) % W & 1u);    \
        OP_NEXT(c, op);                                                     \
    }

#define CHANGE(name, insn, modify, W)                                \
    static void op_##name##W(struct cpu *c, const struct op *op)     \
    {                                                                \
        uint##W##_t number = (uint##W##_t)(*op_r64(c, op->reg) % W); \
        bool was;                                                    \
                                                                     \
        modify(c, op, uint##W##_t, op_address(c, op), at,            \
               __asm__ volatile(insn " %[number],(%[at])"            \
                                : "=@ccc"(was)                       \
                                : [number] "r"(number), [at] "r"(at) \
                                : "memory"));                        \
        op_flag_set(c, FLAGS_CF, was);                               \
        OP_NEXT(c, op);                                              \
    }

#define CHANGES(W, suffix)                                   \
    CHANGE(bts, "bts" suffix, OP_MODIFY, W)                  \
    CHANGE(btr, "btr" suffix, OP_MODIFY, W)                  \
    CHANGE(btc, "btc" suffix, OP_MODIFY, W)                  \
    CHANGE(lock_bts, "lock bts" suffix, OP_MODIFY_LOCKED, W) \
    CHANGE(lock_btr, "lock btr" suffix, OP_MODIFY_LOCKED, W) \
    CHANGE(lock_btc, "lock btc" suffix, OP_MODIFY_LOCKED, W)

/* clang-format off */
TEST(16)
TEST(32)
TEST(64)
CHANGES(16, "w")
CHANGES(32, "l")
CHANGES(64, "q")
/* clang-format on */

/* By width: 16, 32, 64. */
#define WIDTHS(name)                                \
    {                                               \
        op_##name##16, op_##name##32, op_##name##64 \
    }

static op_fn *bits_handler(const struct build *b)
{
    static op_fn *const bt[] = WIDTHS(bt);
    static op_fn *const changes[][2][3] = {
        { WIDTHS(bts), WIDTHS(lock_bts) },
        { WIDTHS(btr), WIDTHS(lock_btr) },
        { WIDTHS(btc), WIDTHS(lock_btc) },
    };
    unsigned width = b->insn.osize / 4u;
    unsigned locked = b->insn.flags & INSN_LOCK ? 1 : 0;

    switch (b->row->mnemonic) {
    case MN_BT:
        return bt[width];
    case MN_BTS:
        return changes[0][locked][width];
    case MN_BTR:
        return changes[1][locked][width];
    case MN_BTC:
        return changes[2][locked][width];
    default:
        return NULL;
    }
}

bool build_bits(struct build *b)
{
    op_fn *run = bits_handler(b);
    struct op *base;

    if (!run || !(b->insn.flags & INSN_MEM) || b->row->operand[1] != OPERAND_Gv)
        return false;
    base = build_op_bare(b, op_bit_base);
    build_address_fields(b, base);
    base->aux = b->insn.osize;
    base->imm = 3u + (unsigned)__builtin_ctz(b->insn.osize);
    if (b->insn.base == INSN_RIP)
        b->insn.disp += b->at + b->insn.len;
    b->insn.base = CPU_ADDRESS;
    (void)build_op(b, run);
    return true;
}
