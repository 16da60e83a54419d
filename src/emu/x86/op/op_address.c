/*
 * Addresses that need more than a sum: 32- and 16-bit wrap-around, segment limits outside 64-bit
 * mode (SDM 3A, 5.3).
 */
#include "emu/x86/cpu/mode.h"
#include "emu/x86/op/build.h"
#include "emu/x86/seg/seg.h"

static uint64_t op_address_offset(const struct cpu *c, const struct op *op)
{
    const uint8_t *r = (const uint8_t *)c->gpr;
    uint64_t sum = *(const uint64_t *)(r + op->base) +
                   (*(const uint64_t *)(r + op->index) << op->scale) + (uint64_t)(int64_t)op->disp;

    return sum & op->imm;
}

/* 64-bit mode with a 32-bit address: the sum wraps before the segment base is added. */
static void op_address_wrapped(struct cpu *c, const struct op *op)
{
    c->gpr[CPU_ADDRESS] = op_address_offset(c, op) + *op_r64(c, op->seg);
    OP_NEXT(c, op);
}

/* 32- and 16-bit code with flat segments. */
static void op_address_flat(struct cpu *c, const struct op *op)
{
    c->gpr[CPU_ADDRESS] = (uint32_t)(op_address_offset(c, op) + *op_r64(c, op->seg));
    OP_NEXT(c, op);
}

/* As op_address_flat, with a limit check; op->reg is the segment. The upper half of op->imm, which
 * a mask of 32 bits leaves free, holds the operand's width, up to 576. */
static void op_address_limited(struct cpu *c, const struct op *op)
{
    uint32_t offset = (uint32_t)op_address_offset(c, op);

    if (!seg_within_limit(&c->seg[op->reg], offset, (unsigned)(op->imm >> 32))) {
        cpu_fault_error(c, op->reg == X86_SS ? CPU_SS : CPU_GP, 0);
        return op_leave(c, op);
    }
    c->gpr[CPU_ADDRESS] = (uint32_t)(offset + *op_r64(c, op->seg));
    OP_NEXT(c, op);
}

/* The width in bytes of the instruction's memory operand. 0 if there is none, or if it has no fixed
 * width (SIZE_0). */
static unsigned build_memory_width(const struct build *b)
{
    for (unsigned i = 0; i < TABLE_OPERANDS; i++) {
        enum operand_place place = (enum operand_place)operand_kinds[b->row->operand[i]].place;

        if ((place == PLACE_RM && (b->insn.flags & INSN_MEM)) || place == PLACE_MOFFS)
            return operand_bytes(&b->insn, b->row->operand[i]);
    }
    return 0;
}

void build_address_op(const struct build *b, struct op *op)
{
    bool plain_segment = b->insn.seg != X86_FS && b->insn.seg != X86_GS;

    op->imm = b->insn.asize == 8 ? UINT64_MAX : b->insn.asize == 4 ? UINT32_MAX : UINT16_MAX;
    op->reg = b->insn.seg;
    if (b->block->mode & MODE_64) {
        op->run = op_address_wrapped;
    } else if ((b->block->mode & MODE_FLAT) && plain_segment) {
        op->run = op_address_flat;
    } else {
        op->run = op_address_limited;
        op->imm |= (uint64_t)build_memory_width(b) << 32;
    }
}
