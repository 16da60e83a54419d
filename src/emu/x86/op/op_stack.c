/*
 * PUSH, POP and their relatives.
 *
 * The 64-bit forms with general registers and immediates are by far the most frequent and have
 * handlers of their own. Everything else goes through stack.h.
 */
#include <stddef.h>

#include "core/x86/bits.h"
#include "emu/x86/cpu/mode.h"
#include "emu/x86/decode/vendor.h"
#include "emu/x86/mem/copy.h"
#include "emu/x86/op/build.h"
#include "emu/x86/op/op_mem.h"
#include "emu/x86/seg/seg.h"
#include "emu/x86/seg/stack.h"

/* The flags that POPF takes from the stack: all that are defined except VM, VIF, VIP and RF. It
 * clears RF. */
#define RFLAGS_POPF UINT64_C(0x247fd5)

static void op_push64(struct cpu *c, const struct op *op)
{
    uint64_t sp = c->gpr[X86_RSP] - 8;

    OP_STORE(c, op, uint64_t, sp, *op_r64(c, op->reg));
    c->gpr[X86_RSP] = sp;
    OP_NEXT(c, op);
}

static void op_push64_imm(struct cpu *c, const struct op *op)
{
    uint64_t sp = c->gpr[X86_RSP] - 8;

    OP_STORE(c, op, uint64_t, sp, op->imm);
    c->gpr[X86_RSP] = sp;
    OP_NEXT(c, op);
}

static void op_pop64(struct cpu *c, const struct op *op)
{
    uint64_t value = OP_LOAD(c, op, uint64_t, c->gpr[X86_RSP]);

    c->gpr[X86_RSP] += 8;
    *op_r64(c, op->reg) = value; /* last, so that POP RSP keeps the value popped */
    OP_NEXT(c, op);
}

/* The other forms. op->aux is the operand size. */

static void push_value(struct cpu *c, const struct op *op, uint64_t value)
{
    uint64_t sp = stack_pointer(c);

    if (!stack_push(c, &sp, value, op->aux))
        return op_leave(c, op);
    stack_commit(c, sp);
    OP_NEXT(c, op);
}

static void op_push(struct cpu *c, const struct op *op)
{
    push_value(c, op, *op_r64(c, op->reg));
}

static void op_push_imm(struct cpu *c, const struct op *op)
{
    push_value(c, op, op->imm);
}

static void op_push_mem(struct cpu *c, const struct op *op)
{
    const void *from = mmu_read_at(c, op_address(c, op), op->aux);
    uint64_t value = 0;

    if (!from)
        return op_leave(c, op);
    copy_once(&value, from, op->aux);
    push_value(c, op, value);
}

static void op_push_seg(struct cpu *c, const struct op *op)
{
    push_value(c, op, c->seg[op->reg].selector);
}

/* Takes 32 bits of the stack and writes the lower 16 (vendor.def). */
static void op_push_seg_word(struct cpu *c, const struct op *op)
{
    uint64_t sp = stack_pointer(c) - 2;

    if (!stack_push(c, &sp, c->seg[op->reg].selector, 2))
        return op_leave(c, op);
    stack_commit(c, sp);
    OP_NEXT(c, op);
}

static void op_pop(struct cpu *c, const struct op *op)
{
    uint64_t sp = stack_pointer(c);
    uint64_t value;

    if (!stack_pop(c, &sp, &value, op->aux))
        return op_leave(c, op);
    stack_commit(c, sp);
    memcpy(op_r8(c, op->reg), &value, op->aux);
    if (op->aux == 4) /* outside 64-bit mode, where the upper half is kept 0 */
        *op_r64(c, op->reg) = (uint32_t)value;
    OP_NEXT(c, op);
}

/* In front of POP to memory with an rSP-based address, which is computed after rSP is incremented
 * (SDM 2B, "POP"): what rSP will be. */
static void op_pop_base(struct cpu *c, const struct op *op)
{
    uint64_t before = c->gpr[X86_RSP];

    stack_commit(c, stack_pointer(c) + op->aux);
    c->gpr[CPU_ADDRESS] = c->gpr[X86_RSP];
    c->gpr[X86_RSP] = before;
    OP_NEXT(c, op);
}

static void op_pop_mem(struct cpu *c, const struct op *op)
{
    uint64_t sp = stack_pointer(c);
    uint64_t value;

    if (!stack_pop(c, &sp, &value, op->aux) ||
        !mmu_write_slow(c, op_address(c, op), &value, op->aux))
        return op_leave(c, op);
    stack_commit(c, sp);
    OP_NEXT(c, op);
}

static void op_pop_seg(struct cpu *c, const struct op *op)
{
    uint64_t sp = stack_pointer(c);
    uint64_t value;

    if (!stack_pop(c, &sp, &value, op->aux) || !seg_load(c, (enum x86_seg)op->reg, (uint16_t)value))
        return op_leave(c, op);
    stack_commit(c, sp);
    if (op->reg == X86_SS)
        c->alone |= CPU_ALONE_NO_INTERRUPT | CPU_ALONE_NO_DEBUG;
    op_done(c, op);
}

static void op_pushf(struct cpu *c, const struct op *op)
{
    push_value(c, op, cpu_rflags(c) & ~(X86_RFLAGS_RF | X86_RFLAGS_VM));
}

static void op_popf(struct cpu *c, const struct op *op)
{
    unsigned iopl = (unsigned)(c->rflags >> 12 & 3u);
    uint64_t change = op->aux == 2 ? RFLAGS_POPF & 0xffffu : RFLAGS_POPF;
    uint64_t sp = stack_pointer(c);
    uint64_t value;

    if (!stack_pop(c, &sp, &value, op->aux))
        return op_leave(c, op);
    if (c->cpl != 0)
        change &= ~X86_RFLAGS_IOPL;
    if (c->cpl > iopl)
        change &= ~X86_RFLAGS_IF;
    stack_commit(c, sp);
    cpu_rflags_set(c, (cpu_rflags(c) & ~(change | X86_RFLAGS_RF)) | (value & change));
    cpu_mode_update(c);
    op_done(c, op);
}

static void op_pusha(struct cpu *c, const struct op *op)
{
    uint64_t sp = stack_pointer(c);

    if (!stack_push_all(c, &sp, c->gpr, 8, op->aux))
        return op_leave(c, op);
    stack_commit(c, sp);
    OP_NEXT(c, op);
}

static void op_popa(struct cpu *c, const struct op *op)
{
    uint64_t sp = stack_pointer(c);
    uint64_t value[8];

    for (unsigned n = 8; n-- > 0;)
        if (!stack_pop(c, &sp, &value[n], op->aux))
            return op_leave(c, op);
    for (unsigned n = 0; n < 8; n++)
        if (n != X86_RSP)
            memcpy(&c->gpr[n], &value[n], op->aux);
    stack_commit(c, sp);
    OP_NEXT(c, op);
}

/* Checks all accesses of ENTER, in the order in which it makes them: each frame pointer of the
 * outer procedures is read just before its copy is pushed. Last, the new top of the stack must be
 * writable, though nothing is written there. */
static bool enter_allowed(struct cpu *c, const struct op *op)
{
    uint64_t sp = stack_pointer(c);
    uint64_t at, link;

    for (unsigned i = 0; i <= op->reg; i++) {
        at = c->gpr[X86_RBP] - (uint64_t)i * op->aux;
        if (i > 0 && i < op->reg && !stack_pop(c, &at, &link, op->aux))
            return false;
        sp -= op->aux;
        if (!stack_writable(c, sp, op->aux))
            return false;
    }
    return stack_writable(c, sp - op->imm, op->aux);
}

/* ENTER: op->imm is the frame's size, op->reg the nesting level. */
static void op_enter(struct cpu *c, const struct op *op)
{
    uint64_t sp = stack_pointer(c);
    uint64_t bp = c->gpr[X86_RBP];
    uint64_t frame, link, at;

    if (!enter_allowed(c, op) || !stack_push(c, &sp, bp, op->aux))
        return op_leave(c, op);
    frame = sp;
    for (unsigned i = 1; i < op->reg; i++) {
        at = bp - (uint64_t)i * op->aux;
        if (!stack_pop(c, &at, &link, op->aux) || !stack_push(c, &sp, link, op->aux))
            return op_leave(c, op);
    }
    if (op->reg && !stack_push(c, &sp, frame, op->aux))
        return op_leave(c, op);
    memcpy(&c->gpr[X86_RBP], &frame, op->aux);
    stack_commit(c, sp - op->imm);
    OP_NEXT(c, op);
}

static void op_leave_frame(struct cpu *c, const struct op *op)
{
    uint64_t sp = c->gpr[X86_RBP];
    uint64_t value;

    if (!stack_pop(c, &sp, &value, op->aux))
        return op_leave(c, op);
    memcpy(&c->gpr[X86_RBP], &value, op->aux);
    stack_commit(c, sp);
    OP_NEXT(c, op);
}

static enum operand_place operand_place_of(const struct build *b, enum operand_file *file)
{
    const struct operand_kind *k = &operand_kinds[b->row->operand[0]];

    *file = (enum operand_file)k->file;
    return (enum operand_place)k->place;
}

static struct op *build_pop_mem(struct build *b)
{
    if (b->insn.base == X86_RSP) {
        build_append(b, op_pop_base)->aux = b->insn.osize;
        b->insn.base = CPU_ADDRESS;
    }
    return build_op(b, op_pop_mem);
}

static void build_push_pop(struct build *b, bool pop)
{
    bool wide = (b->block->mode & MODE_64) && b->insn.osize == 8;
    enum operand_file file;
    enum operand_place place = operand_place_of(b, &file);
    struct op *op;

    if (file == FILE_SEG) {
        bool word = b->insn.osize == 4 && b->cpu->vendor->push_seg_word;

        op = build_op_bare(b, pop ? op_pop_seg : word ? op_push_seg_word : op_push_seg);
        op->reg = operand_kinds[b->row->operand[0]].fixed;
        b->ends = pop;
    } else if (b->insn.flags & INSN_MEM) {
        op = pop ? build_pop_mem(b) : build_op(b, op_push_mem);
    } else if (place == PLACE_RM || place == PLACE_OPCODE) {
        op = build_op_bare(b, pop ? (wide ? op_pop64 : op_pop) : wide ? op_push64 : op_push);
        op->reg = (uint8_t)((place == PLACE_RM ? b->insn.rm : b->insn.reg) * sizeof(uint64_t));
        if (wide)
            op->seg = CPU_SS_BASE * sizeof(uint64_t);
    } else {
        op = build_op_bare(b, wide ? op_push64_imm : op_push_imm);
        if (wide)
            op->seg = CPU_SS_BASE * sizeof(uint64_t);
    }
    op->aux = b->insn.osize;
}

bool build_stack(struct build *b)
{
    op_fn *run;

    switch (b->row->mnemonic) {
    case MN_PUSH:
    case MN_POP:
        build_push_pop(b, b->row->mnemonic == MN_POP);
        return true;
    case MN_PUSHF:
        run = op_pushf;
        break;
    case MN_POPF:
        run = op_popf;
        b->ends = true;
        break;
    case MN_PUSHA:
        run = op_pusha;
        break;
    case MN_POPA:
        run = op_popa;
        break;
    case MN_ENTER:
        run = op_enter;
        break;
    case MN_LEAVE:
        run = op_leave_frame;
        break;
    default:
        return false;
    }
    struct op *op = build_op_bare(b, run);
    op->aux = b->insn.osize;
    op->reg = (uint8_t)(b->insn.imm2 & 31u);
    return true;
}
