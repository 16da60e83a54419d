/*
 * Building blocks.
 *
 * Which instructions end a block: those after which the next address is not simply the next byte,
 * and those that may change the mode, let an interrupt in or take long. Their build functions say
 * so. Serializing ones do too (order.h).
 */
#include "emu/x86/op/build.h"

#include <assert.h>
#include <stddef.h>

#include "emu/x86/cpu/cpu.h"
#include "emu/x86/cpu/mode.h"
#include "emu/x86/decode/decode.h"
#include "emu/x86/decode/order.h"
#include "emu/x86/decode/vendor.h"

_Static_assert(BUILD_INSN_MAX == DECODE_BYTES_MAX, "one longest instruction");

static void op_fault(struct cpu *c, const struct op *op)
{
    if (op->aux == CPU_GP)
        cpu_fault_error(c, CPU_GP, 0);
    else
        cpu_fault(c, op->aux);
    op_leave(c, op);
}

static struct op *append(struct build *b, op_fn *run)
{
    struct block *block = b->block;
    struct op *op = &block->ops[block->op_count++];

    assert(block->op_count <= BLOCK_OPS_MAX);
    *op = (struct op){ .run = run, .at = b->at, .len = b->insn.len, .nth = (uint8_t)block->count };
    op->base = op->index = op->seg = CPU_ZERO * sizeof(uint64_t);
    return op;
}

uint8_t build_gpr(const struct build *b, unsigned number, unsigned width)
{
    if (width == 1 && number >= 4 && !(b->insn.flags & INSN_REX))
        return (uint8_t)((number - 4) * sizeof(uint64_t) + 1);
    return (uint8_t)(number * sizeof(uint64_t));
}

/* Width in bytes of the first operand that stands in this place. */
static unsigned width_of(const struct build *b, enum operand_place place)
{
    for (unsigned i = 0; i < TABLE_OPERANDS; i++)
        if (operand_kinds[b->row->operand[i]].place == place)
            return operand_bytes(&b->insn, b->row->operand[i]);
    return 8;
}

struct op *build_op_bare(struct build *b, op_fn *run)
{
    struct op *op = append(b, run);
    bool in_opcode = b->row->span == 7;

    op->reg = build_gpr(b, b->insn.reg, width_of(b, in_opcode ? PLACE_OPCODE : PLACE_REG));
    if (!(b->insn.flags & INSN_MEM))
        op->rm = build_gpr(b, b->insn.rm, width_of(b, PLACE_RM));
    op->imm = b->insn.imm;
    return op;
}

static uint8_t offset_of(unsigned gpr)
{
    return (uint8_t)(gpr * sizeof(uint64_t));
}

/* The address as op.h has it: 64-bit, or without a base to wrap and a limit to check. */
void build_address_fields(const struct build *b, struct op *op)
{
    const struct insn *insn = &b->insn;
    static const uint8_t bases[] = {
        [X86_ES] = CPU_ES_BASE, [X86_CS] = CPU_CS_BASE, [X86_SS] = CPU_SS_BASE,
        [X86_DS] = CPU_DS_BASE, [X86_FS] = CPU_FS_BASE, [X86_GS] = CPU_GS_BASE,
    };

    op->disp = insn->disp;
    op->seg = offset_of(bases[insn->seg]);
    op->scale = insn->scale;
    if (insn->base == INSN_RIP) {
        op->base = offset_of(CPU_BLOCK_RIP);
        op->disp += b->at + insn->len;
    } else if (insn->base != INSN_NONE) {
        op->base = offset_of(insn->base);
    }
    if (insn->index != INSN_NONE)
        op->index = offset_of(insn->index);
}

/* A 64-bit absolute address is more than an op's displacement holds. */
static void op_address_constant(struct cpu *c, const struct op *op)
{
    c->gpr[CPU_ADDRESS] = op->imm + *op_r64(c, op->seg);
    OP_NEXT(c, op);
}

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
    op = append(b, NULL);
    build_address_fields(b, op);
    build_address_op(b, op);
    op = build_op_bare(b, run);
    op->base = offset_of(CPU_ADDRESS);
    op->seg = offset_of(CPU_ZERO);
    return op;
}

struct op *build_absolute(struct build *b, op_fn *run)
{
    struct op *op = append(b, run);

    build_address_fields(b, op);
    op->base = op->index = offset_of(CPU_ZERO);
    op->disp = (int32_t)b->insn.imm;
    if (address_is_plain(b) && (uint64_t)op->disp == b->insn.imm)
        return op;
    if (address_is_plain(b)) {
        op->run = op_address_constant;
        op->imm = b->insn.imm;
    } else {
        build_address_op(b, op);
    }
    op = append(b, run);
    op->base = offset_of(CPU_ADDRESS);
    return op;
}

unsigned build_far_offset(const struct build *b)
{
    return b->insn.osize == 8 && !b->cpu->vendor->far_64 ? 4 : b->insn.osize;
}

void build_fault(struct build *b, enum cpu_vector vector)
{
    append(b, op_fault)->aux = (uint8_t)vector;
    b->ends = true;
}

static void op_nop(struct cpu *c, const struct op *op)
{
    OP_NEXT(c, op);
}

static void op_order(struct cpu *c, const struct op *op)
{
    order_all();
    OP_NEXT(c, op);
}

static void build_nop(struct build *b)
{
    (void)append(b, op_nop);
}

/* PREFETCH of a register, as AMD's processors have it. */
static bool undefined_here(const struct build *b)
{
    return b->row->map == MAP_0F && b->insn.opcode == 0x0d && !(b->insn.flags & INSN_MEM) &&
           !b->cpu->vendor->prefetch_register;
}

/* What keeps the instruction from being executed at all in this mode: the vector, or 0. */
static unsigned forbidden(const struct build *b)
{
    uint32_t mode = b->block->mode;

    if (b->row->class == CLASS_UD || !cpu_offers(b->cpu, b->row->feature) || undefined_here(b))
        return CPU_UD;
    if ((b->row->priv == PRIV_pe || b->row->priv == PRIV_pe0 || b->row->priv == PRIV_peu) &&
        (mode & MODE_REAL))
        return CPU_UD;
    if (b->row->priv == PRIV_ud0 && !(mode & MODE_CPL0))
        return CPU_UD;
    if ((b->row->priv == PRIV_cpl0 || b->row->priv == PRIV_pe0) && !(mode & MODE_CPL0))
        return CPU_GP;
    switch (b->row->class) {
    case CLASS_X87:
        return mode & MODE_NO_X87 ? CPU_NM : 0;
    case CLASS_MMX:
        if (mode & MODE_EM)
            return CPU_UD;
        return mode & MODE_NO_X87 ? CPU_NM : 0;
    case CLASS_SSE:
        if (mode & MODE_NO_SSE)
            return CPU_UD;
        return mode & MODE_NO_X87 ? CPU_NM : 0;
    case CLASS_AVX:
        if (mode & MODE_NO_AVX)
            return CPU_UD;
        return mode & MODE_NO_X87 ? CPU_NM : 0;
    default:
        return 0;
    }
}

static bool (*const families[])(struct build *b) = {
    build_move, build_branch, build_stack, build_flags,  build_string, build_system, build_tables,
    build_port, build_state,  build_x87,   build_masked, build_bits,   build_legacy, build_native,
};

/* PAUSE with REX.B: only AMD's processors let the prefix make it XCHG. */
static bool is_pause(const struct build *b)
{
    return b->row->mnemonic == MN_XCHG && b->insn.opcode == 0x90 && (b->insn.flags & INSN_REP) &&
           b->cpu->vendor->pause_rex_b;
}

static void build_insn(struct build *b)
{
    unsigned vector = forbidden(b);

    if (vector) {
        build_fault(b, (enum cpu_vector)vector);
        return;
    }
    if (b->row->class == CLASS_NOP || is_pause(b)) {
        build_nop(b);
        return;
    }
    if (order_serializes(b->row)) {
        (void)append(b, op_order);
        b->last = true;
    }
    for (unsigned i = 0; !families[i](b); i++)
        ;
}

static enum decode_mode decode_mode_of(const struct cpu *c, uint32_t mode)
{
    if (mode & MODE_64)
        return c->vendor->near_66 ? DECODE_64_AMD : DECODE_64;
    return mode & MODE_CODE32 ? DECODE_32 : DECODE_16;
}

bool build_block(struct cpu *c, struct block *block, const uint8_t *code, unsigned room)
{
    unsigned most = block->mode & MODE_STEP ? 1 : BLOCK_INSNS_MAX;
    struct build b = { .cpu = c, .block = block };

    block->count = block->op_count = 0;
    while (block->count < most && !b.ends && !b.last) {
        enum decode_result r =
            decode(&b.insn, code + b.at, room - b.at, decode_mode_of(c, block->mode));

        b.bytes = code + b.at;
        if (r == DECODE_MORE)
            break;
        if (r != DECODE_OK) {
            b.insn = (struct insn){ .len = 1 };
            build_fault(&b, r == DECODE_TOO_LONG ? CPU_GP : CPU_UD);
        } else {
            b.row = &table_rows[b.insn.row];
            build_insn(&b);
        }
        b.at = (uint16_t)(b.at + b.insn.len);
        block->count++;
    }
    block->len = b.at;
    if (block->count && !b.ends) {
        b.insn.len = 0;
        (void)append(&b, op_end);
    }
    return block->count != 0;
}
