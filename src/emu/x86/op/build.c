/* Appending ops, and laying out their registers, immediates and addresses. */
#include "emu/x86/op/build.h"

#include <assert.h>
#include <stddef.h>

#include "emu/x86/cpu/cpu.h"
#include "emu/x86/cpu/mode.h"
#include "emu/x86/decode/vendor.h"

static void op_fault(struct cpu *c, const struct op *op)
{
    if (op->aux == CPU_GP)
        cpu_fault_error(c, CPU_GP, 0);
    else
        cpu_fault(c, op->aux);
    op_leave(c, op);
}

struct op *build_append(struct build *b, op_fn *run)
{
    struct block *block = b->block;
    struct op *op = &block->ops[block->op_count++];

    assert(block->op_count <= BLOCK_OPS_MAX);
    *op = (struct op){ .run = run, .at = b->at, .len = b->insn.len, .nth = (uint8_t)block->count };
    op->base = op->index = op->seg = CPU_ZERO * sizeof(uint64_t);
    return op;
}

/* The byte offset into cpu.gpr of a general register operand of this width in bytes. */
static uint8_t build_gpr(const struct build *b, unsigned number, unsigned width)
{
    if (width == 1 && number >= 4 && !(b->insn.flags & INSN_REX))
        return (uint8_t)((number - 4) * sizeof(uint64_t) + 1);
    return (uint8_t)(number * sizeof(uint64_t));
}

/* The width in bytes of the first operand in this place, or 8. */
static unsigned build_operand_width(const struct build *b, enum operand_place place)
{
    for (unsigned i = 0; i < TABLE_OPERANDS; i++)
        if (operand_kinds[b->row->operand[i]].place == place)
            return operand_bytes(&b->insn, b->row->operand[i]);
    return 8;
}

struct op *build_op_bare(struct build *b, op_fn *run)
{
    struct op *op = build_append(b, run);
    bool in_opcode = b->row->span == 7;

    op->reg =
        build_gpr(b, b->insn.reg, build_operand_width(b, in_opcode ? PLACE_OPCODE : PLACE_REG));
    if (!(b->insn.flags & INSN_MEM))
        op->rm = build_gpr(b, b->insn.rm, build_operand_width(b, PLACE_RM));
    op->imm = b->insn.imm;
    return op;
}

static uint8_t gpr_offset(unsigned gpr)
{
    return (uint8_t)(gpr * sizeof(uint64_t));
}

void build_address_fields(const struct build *b, struct op *op)
{
    const struct insn *insn = &b->insn;
    static const uint8_t bases[] = {
        [X86_ES] = CPU_ES_BASE, [X86_CS] = CPU_CS_BASE, [X86_SS] = CPU_SS_BASE,
        [X86_DS] = CPU_DS_BASE, [X86_FS] = CPU_FS_BASE, [X86_GS] = CPU_GS_BASE,
    };

    op->disp = insn->disp;
    op->seg = gpr_offset(bases[insn->seg]);
    op->scale = insn->scale;
    if (insn->base == INSN_RIP) {
        op->base = gpr_offset(CPU_BLOCK_RIP);
        op->disp += b->at + insn->len;
    } else if (insn->base != INSN_NONE) {
        op->base = gpr_offset(insn->base);
    }
    if (insn->index != INSN_NONE)
        op->index = gpr_offset(insn->index);
}

/* For a 64-bit absolute address, which does not fit in op.disp. */
static void op_address_constant(struct cpu *c, const struct op *op)
{
    c->gpr[CPU_ADDRESS] = op->imm + *op_r64(c, op->seg);
    OP_NEXT(c, op);
}

/* Whether the sum of the address fields is the address, with no wrap-around or limit (op.h). */
static bool address_is_plain(const struct build *b)
{
    return (b->block->mode & MODE_64) && b->insn.asize == 8;
}

struct op *build_op(struct build *b, op_fn *run)
{
    struct op *op;

    if (!(b->insn.flags & INSN_MEM))
        return build_op_bare(b, run);
    if (address_is_plain(b)) {
        op = build_op_bare(b, run);
        build_address_fields(b, op);
        return op;
    }
    op = build_append(b, NULL);
    build_address_fields(b, op);
    build_address_op(b, op);
    op = build_op_bare(b, run);
    op->base = gpr_offset(CPU_ADDRESS);
    op->seg = gpr_offset(CPU_ZERO);
    return op;
}

struct op *build_absolute(struct build *b, op_fn *run)
{
    struct op *op = build_append(b, run);

    build_address_fields(b, op);
    op->base = op->index = gpr_offset(CPU_ZERO);
    op->disp = (int32_t)b->insn.imm;
    if (address_is_plain(b) && (uint64_t)op->disp == b->insn.imm)
        return op;
    if (address_is_plain(b)) {
        op->run = op_address_constant;
        op->imm = b->insn.imm;
    } else {
        build_address_op(b, op);
    }
    op = build_append(b, run);
    op->base = gpr_offset(CPU_ADDRESS);
    return op;
}

unsigned build_far_offset(const struct build *b)
{
    return b->insn.osize == 8 && !b->cpu->vendor->far_64 ? 4 : b->insn.osize;
}

void build_fault(struct build *b, enum cpu_vector vector)
{
    build_append(b, op_fault)->aux = (uint8_t)vector;
    b->ends = true;
}
