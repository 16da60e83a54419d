/*
 * Moves that cannot run natively (LEA, segment registers, absolute addresses, XLAT), and those that
 * are so frequent that the cost of a thunk shows.
 */
#include <stddef.h>

#include "emu/x86/op/build.h"
#include "emu/x86/op/op_mem.h"
#include "emu/x86/seg/seg.h"

static void op_lea64(struct cpu *c, const struct op *op)
{
    *op_r64(c, op->reg) = op_address(c, op);
    OP_NEXT(c, op);
}

/* LEA: op->imm masks the address, op->aux is the operand size. */
static void op_lea(struct cpu *c, const struct op *op)
{
    uint64_t value = op_address(c, op) & op->imm;

    if (op->aux == 2)
        *op_r16(c, op->reg) = (uint16_t)value;
    else
        *op_r64(c, op->reg) = op->aux == 4 ? (uint32_t)value : value;
    OP_NEXT(c, op);
}

static void op_mov_rr64(struct cpu *c, const struct op *op)
{
    *op_r64(c, op->reg) = *op_r64(c, op->rm);
    OP_NEXT(c, op);
}

static void op_mov_rr32(struct cpu *c, const struct op *op)
{
    *op_r64(c, op->reg) = *op_r32(c, op->rm);
    OP_NEXT(c, op);
}

static void op_mov_imm64(struct cpu *c, const struct op *op)
{
    *op_r64(c, op->reg) = op->imm;
    OP_NEXT(c, op);
}

#define LOAD(bits)                                                                   \
    static void op_load##bits(struct cpu *c, const struct op *op)                    \
    {                                                                                \
        *op_r##bits(c, op->reg) = OP_LOAD(c, op, uint##bits##_t, op_address(c, op)); \
        OP_NEXT(c, op);                                                              \
    }

#define LOAD_ZERO(bits, name)                                                    \
    static void op_load##name(struct cpu *c, const struct op *op)                \
    {                                                                            \
        *op_r64(c, op->reg) = OP_LOAD(c, op, uint##bits##_t, op_address(c, op)); \
        OP_NEXT(c, op);                                                          \
    }

#define STORE(bits)                                                                  \
    static void op_store##bits(struct cpu *c, const struct op *op)                   \
    {                                                                                \
        OP_STORE(c, op, uint##bits##_t, op_address(c, op), *op_r##bits(c, op->reg)); \
        OP_NEXT(c, op);                                                              \
    }                                                                                \
    static void op_store_imm##bits(struct cpu *c, const struct op *op)               \
    {                                                                                \
        OP_STORE(c, op, uint##bits##_t, op_address(c, op), (uint##bits##_t)op->imm); \
        OP_NEXT(c, op);                                                              \
    }

LOAD(8)
LOAD(16)
LOAD(64)
LOAD_ZERO(32, 32)
LOAD_ZERO(8, _zero8)
LOAD_ZERO(16, _zero16)
STORE(8)
STORE(16)
STORE(32)
STORE(64)

static unsigned size_log2(unsigned bytes)
{
    return (unsigned)__builtin_ctz(bytes);
}

static op_fn *const loads[] = { op_load8, op_load16, op_load32, op_load64 };
static op_fn *const stores[] = { op_store8, op_store16, op_store32, op_store64 };
static op_fn *const stores_imm[] = { op_store_imm8, op_store_imm16, op_store_imm32,
                                     op_store_imm64 };

/* MOV from a segment register stores 16 bits in memory, or zero-extends them in a register to the
 * operand size, op->imm. op->aux is the segment. */
static void op_store_seg(struct cpu *c, const struct op *op)
{
    OP_STORE(c, op, uint16_t, op_address(c, op), c->seg[op->aux].selector);
    OP_NEXT(c, op);
}

static void op_mov_from_seg(struct cpu *c, const struct op *op)
{
    if (op->imm == 2)
        *op_r16(c, op->rm) = c->seg[op->aux].selector;
    else
        *op_r64(c, op->rm) = c->seg[op->aux].selector;
    OP_NEXT(c, op);
}

static void seg_load_finish(struct cpu *c, const struct op *op, uint16_t selector)
{
    if (!seg_load(c, (enum x86_seg)op->aux, selector))
        return op_leave(c, op);
    if (op->aux == X86_SS)
        c->alone |= CPU_ALONE_NO_INTERRUPT | CPU_ALONE_NO_DEBUG;
    op_done(c, op);
}

static void op_load_seg(struct cpu *c, const struct op *op)
{
    seg_load_finish(c, op, OP_LOAD(c, op, uint16_t, op_address(c, op)));
}

static void op_mov_to_seg(struct cpu *c, const struct op *op)
{
    seg_load_finish(c, op, *op_r16(c, op->rm));
}

/* LDS, LES, LFS, LGS, LSS: op->aux is the segment, op->imm the size of the offset in memory. */
static void op_load_far(struct cpu *c, const struct op *op)
{
    unsigned size = (unsigned)op->imm;
    const uint8_t *from = mmu_read_at(c, op_address(c, op), size + 2);
    uint64_t offset = 0;
    uint16_t selector;

    if (!from)
        return op_leave(c, op);
    memcpy(&offset, from, size);
    memcpy(&selector, from + size, sizeof(selector));
    if (!seg_load(c, (enum x86_seg)op->aux, selector))
        return op_leave(c, op);
    if (size == 2)
        *op_r16(c, op->reg) = (uint16_t)offset;
    else
        *op_r64(c, op->reg) = offset;
    op_done(c, op);
}

/* The operand is at seg:(rBX + AL); op->imm masks the sum. */
static void op_xlat(struct cpu *c, const struct op *op)
{
    uint64_t offset = (c->gpr[X86_RBX] + *op_r8(c, 0)) & op->imm;

    *op_r8(c, 0) = OP_LOAD(c, op, uint8_t, offset + *op_r64(c, op->seg));
    OP_NEXT(c, op);
}

static bool operand_is_gpr(const struct build *b, unsigned operand)
{
    return operand_kinds[b->row->operand[operand]].file == FILE_GPR;
}

static bool operand_is_at(const struct build *b, unsigned operand, enum operand_place place)
{
    return operand_kinds[b->row->operand[operand]].place == place;
}

static bool operand_is_imm(const struct build *b, unsigned operand)
{
    return operand_is_at(b, operand, PLACE_IMM) || operand_is_at(b, operand, PLACE_SIMM);
}

static void build_lea(struct build *b)
{
    struct op *op = build_op_bare(b, b->insn.osize == 8 && b->insn.asize == 8 ? op_lea64 : op_lea);

    build_address_fields(b, op);
    op->seg = CPU_ZERO * sizeof(uint64_t);
    op->imm = b->insn.asize == 8 ? UINT64_MAX : b->insn.asize == 4 ? UINT32_MAX : UINT16_MAX;
    op->aux = b->insn.osize;
}

/* MOV between AL, AX, EAX, RAX and an absolute address. */
static void build_moffs(struct build *b, bool load)
{
    unsigned size = operand_bytes(&b->insn, b->row->operand[load ? 1 : 0]);
    struct op *op = build_absolute(b, (load ? loads : stores)[size_log2(size)]);

    op->reg = 0;
}

static bool build_mov_seg(struct build *b)
{
    bool to = operand_kinds[b->row->operand[0]].file == FILE_SEG;
    bool memory = b->insn.flags & INSN_MEM;
    struct op *op;

    if (to && (b->insn.reg == X86_CS || b->insn.reg > X86_GS)) {
        build_fault(b, CPU_UD);
        return true;
    }
    if (to)
        op = build_op(b, memory ? op_load_seg : op_mov_to_seg);
    else
        op = build_op(b, memory ? op_store_seg : op_mov_from_seg);
    if (!memory) {
        op->rm = (uint8_t)(b->insn.rm * sizeof(uint64_t));
        op->imm = b->insn.osize;
    }
    op->aux = b->insn.reg;
    b->ends = to;
    return true;
}

static bool build_load(struct build *b)
{
    unsigned size = operand_bytes(&b->insn, b->row->operand[1]);

    (void)build_op(b, loads[size_log2(size)]);
    return true;
}

static bool build_store(struct build *b)
{
    unsigned size = operand_bytes(&b->insn, b->row->operand[0]);
    struct op *op = build_op(b, (operand_is_imm(b, 1) ? stores_imm : stores)[size_log2(size)]);

    op->imm = b->insn.imm;
    return true;
}

/* MOV of a register or an immediate to a register, 32 or 64 bits wide: the destination is op->reg,
 * a source register op->rm. False: a thunk does it. */
static bool build_mov_register(struct build *b)
{
    unsigned size = operand_bytes(&b->insn, b->row->operand[0]);
    bool from_rm = operand_is_at(b, 1, PLACE_RM);
    struct op *op;

    if (size < 4 || !operand_is_gpr(b, 0) || !(operand_is_gpr(b, 1) || operand_is_imm(b, 1)))
        return false;
    if (operand_is_imm(b, 1)) {
        op = build_op_bare(b, op_mov_imm64);
        if (operand_is_at(b, 0, PLACE_RM))
            op->reg = op->rm;
        op->imm = size == 4 ? (uint32_t)b->insn.imm : b->insn.imm;
        return true;
    }
    op = build_op_bare(b, size == 8 ? op_mov_rr64 : op_mov_rr32);
    if (!from_rm) {
        uint8_t source = op->reg;

        op->reg = op->rm;
        op->rm = source;
    }
    return true;
}

static bool build_mov(struct build *b)
{
    enum operand_file first = (enum operand_file)operand_kinds[b->row->operand[0]].file;
    enum operand_file second = (enum operand_file)operand_kinds[b->row->operand[1]].file;

    if (first == FILE_CR || first == FILE_DR || second == FILE_CR || second == FILE_DR)
        return false; /* op_system.c */
    if (first == FILE_SEG || second == FILE_SEG)
        return build_mov_seg(b);
    if (operand_is_at(b, 0, PLACE_MOFFS) || operand_is_at(b, 1, PLACE_MOFFS)) {
        build_moffs(b, operand_is_at(b, 1, PLACE_MOFFS));
        return true;
    }
    if (!(b->insn.flags & INSN_MEM))
        return build_mov_register(b);
    return operand_is_at(b, 0, PLACE_RM) ? build_store(b) : build_load(b);
}

static bool build_movzx(struct build *b)
{
    unsigned from = operand_bytes(&b->insn, b->row->operand[1]);

    if (!(b->insn.flags & INSN_MEM) || b->insn.osize < 4)
        return false;
    (void)build_op(b, from == 1 ? op_load_zero8 : op_load_zero16);
    return true;
}

static void build_far_pointer(struct build *b, enum x86_seg seg)
{
    struct op *op = build_op(b, op_load_far);

    op->aux = (uint8_t)seg;
    op->imm = build_far_offset(b);
    b->ends = true;
}

static void build_xlat(struct build *b)
{
    struct op *op = build_op_bare(b, op_xlat);

    build_address_fields(b, op);
    op->imm = b->insn.asize == 8 ? UINT64_MAX : b->insn.asize == 4 ? UINT32_MAX : UINT16_MAX;
}

bool build_move(struct build *b)
{
    switch (b->row->mnemonic) {
    case MN_MOV:
        return build_mov(b);
    case MN_MOVZX:
        return build_movzx(b);
    case MN_LEA:
        build_lea(b);
        return true;
    case MN_XLAT:
        build_xlat(b);
        return true;
    case MN_LDS:
        build_far_pointer(b, X86_DS);
        return true;
    case MN_LES:
        build_far_pointer(b, X86_ES);
        return true;
    case MN_LFS:
        build_far_pointer(b, X86_FS);
        return true;
    case MN_LGS:
        build_far_pointer(b, X86_GS);
        return true;
    case MN_LSS:
        build_far_pointer(b, X86_SS);
        return true;
    default:
        return false;
    }
}
