/*
 * Control transfer.
 *
 * After a conditional jump that is not taken the guest goes on inside the block. In 64-bit mode the
 * target is a plain sum. In the other modes, and after a 66 prefix on AMD's processors, it wraps at
 * the operand size: see the *_wrapped and *_indirect handlers, and op_loop, which does either.
 */
#include <stddef.h>

#include "emu/x86/cpu/mode.h"
#include "emu/x86/mem/copy.h"
#include "emu/x86/op/build.h"
#include "emu/x86/op/op_mem.h"
#include "emu/x86/seg/far.h"
#include "emu/x86/seg/intr.h"
#include "emu/x86/seg/stack.h"
#include "emu/x86/seg/syscall.h"

static uint64_t branch_target(const struct cpu *c, const struct op *op)
{
    return c->gpr[CPU_BLOCK_RIP] + op->imm;
}

static uint64_t branch_wrap(const struct op *op, uint64_t rip)
{
    return rip & (uint32_t)op->disp;
}

#define JCC(cc)                                                 \
    static void op_jcc_##cc(struct cpu *c, const struct op *op) \
    {                                                           \
        if (flags_meet(c->flags, 0x##cc))                       \
            return op_go(c, op, branch_target(c, op));          \
        OP_NEXT(c, op);                                         \
    }

JCC(0)
JCC(1)
JCC(2)
JCC(3)
JCC(4)
JCC(5)
JCC(6)
JCC(7)
JCC(8)
JCC(9)
JCC(a)
JCC(b)
JCC(c)
JCC(d)
JCC(e)
JCC(f)

static void op_jmp(struct cpu *c, const struct op *op)
{
    op_go(c, op, branch_target(c, op));
}

static void op_call(struct cpu *c, const struct op *op)
{
    uint64_t sp = c->gpr[X86_RSP] - 8;

    OP_STORE(c, op, uint64_t, sp, op_next_rip(c, op));
    c->gpr[X86_RSP] = sp;
    op_go(c, op, branch_target(c, op));
}

static void branch_go_canonical(struct cpu *c, const struct op *op, uint64_t rip)
{
    if (__builtin_expect(!mmu_is_canonical(rip), 0)) {
        cpu_fault_error(c, CPU_GP, 0);
        return op_leave(c, op);
    }
    op_go(c, op, rip);
}

static void op_jmp_reg(struct cpu *c, const struct op *op)
{
    branch_go_canonical(c, op, *op_r64(c, op->rm));
}

static void op_jmp_mem(struct cpu *c, const struct op *op)
{
    branch_go_canonical(c, op, OP_LOAD(c, op, uint64_t, op_address(c, op)));
}

static void branch_call(struct cpu *c, const struct op *op, uint64_t rip)
{
    uint64_t sp = c->gpr[X86_RSP];

    if (__builtin_expect(!mmu_is_canonical(rip), 0)) {
        if (stack_writable(c, sp - 8, 8))
            cpu_fault_error(c, CPU_GP, 0);
        return op_leave(c, op);
    }
    /* Not OP_STORE: after a fault it has op_leave look at op->seg, which here is the segment that
     * the target was read from, not SS. */
    if (!stack_push(c, &sp, op_next_rip(c, op), 8))
        return op_leave(c, op);
    c->gpr[X86_RSP] = sp;
    op_go(c, op, rip);
}

static void op_call_reg(struct cpu *c, const struct op *op)
{
    branch_call(c, op, *op_r64(c, op->rm));
}

static void op_call_mem(struct cpu *c, const struct op *op)
{
    branch_call(c, op, OP_LOAD(c, op, uint64_t, op_address(c, op)));
}

/* op->imm is how many bytes of arguments to drop. */
static void op_ret(struct cpu *c, const struct op *op)
{
    uint64_t rip = OP_LOAD(c, op, uint64_t, c->gpr[X86_RSP]);

    if (__builtin_expect(!mmu_is_canonical(rip), 0)) {
        cpu_fault_error(c, CPU_GP, 0);
        return op_leave(c, op);
    }
    c->gpr[X86_RSP] += 8 + op->imm;
    op_go(c, op, rip);
}

/* The handlers of branches outside 64-bit mode, and of those in 64-bit mode with an operand size of
 * 2. op->aux is the operand size, or the condition. op->disp is the mask of a relative target;
 * op->reg says whether an indirect one is in memory. A target beyond the limit of CS faults at the
 * jump, not at the fetch. */

static bool rip_within_limit(const struct cpu *c, uint64_t rip)
{
    return (c->mode & (MODE_64 | MODE_FLAT)) || rip <= c->seg[X86_CS].limit;
}

static void branch_go_within_limit(struct cpu *c, const struct op *op, uint64_t rip)
{
    if (__builtin_expect(!rip_within_limit(c, rip), 0)) {
        cpu_fault_error(c, CPU_GP, 0);
        return op_leave(c, op);
    }
    op_go(c, op, rip);
}

static void op_jcc_wrapped(struct cpu *c, const struct op *op)
{
    if (flags_meet(c->flags, op->aux))
        return branch_go_within_limit(c, op, branch_wrap(op, branch_target(c, op)));
    OP_NEXT(c, op);
}

static void op_jmp_wrapped(struct cpu *c, const struct op *op)
{
    branch_go_within_limit(c, op, branch_wrap(op, branch_target(c, op)));
}

static void branch_call_wrapped(struct cpu *c, const struct op *op, uint64_t rip)
{
    uint64_t sp = stack_pointer(c);

    if (__builtin_expect(!rip_within_limit(c, rip), 0)) {
        if (stack_writable(c, sp - op->aux, op->aux))
            cpu_fault_error(c, CPU_GP, 0);
        return op_leave(c, op);
    }
    if (!stack_push(c, &sp, op_next_rip(c, op), op->aux))
        return op_leave(c, op);
    stack_commit(c, sp);
    op_go(c, op, rip);
}

static void op_call_wrapped(struct cpu *c, const struct op *op)
{
    branch_call_wrapped(c, op, branch_wrap(op, branch_target(c, op)));
}

static bool branch_operand_load(struct cpu *c, const struct op *op, uint64_t *value)
{
    const void *from = mmu_read_at(c, op_address(c, op), op->aux);

    *value = 0;
    if (from)
        copy_once(value, from, op->aux);
    return from;
}

static void op_jmp_indirect(struct cpu *c, const struct op *op)
{
    uint64_t mask = op->aux == 2 ? UINT16_MAX : UINT32_MAX;
    uint64_t rip = *op_r64(c, op->rm) & mask;

    if (op->reg && !branch_operand_load(c, op, &rip))
        return op_leave(c, op);
    branch_go_within_limit(c, op, rip);
}

static void op_call_indirect(struct cpu *c, const struct op *op)
{
    uint64_t mask = op->aux == 2 ? UINT16_MAX : UINT32_MAX;
    uint64_t rip = *op_r64(c, op->rm) & mask;

    if (op->reg && !branch_operand_load(c, op, &rip))
        return op_leave(c, op);
    branch_call_wrapped(c, op, rip);
}

static void op_ret_wrapped(struct cpu *c, const struct op *op)
{
    uint64_t sp = stack_pointer(c);
    uint64_t rip;

    if (!stack_pop(c, &sp, &rip, op->aux))
        return op_leave(c, op);
    if (rip_within_limit(c, rip))
        stack_commit(c, sp + op->imm);
    branch_go_within_limit(c, op, rip);
}

/* LOOP, LOOPE, LOOPNE, JRCXZ: op->reg says which, op->aux is the width of the count register. */

enum {
    LOOP_ALWAYS,
    LOOP_EQUAL,
    LOOP_NOT_EQUAL,
    LOOP_IF_ZERO, /* JRCXZ: jumps if the count is 0, and does not count down */
};

static void op_loop(struct cpu *c, const struct op *op)
{
    uint64_t mask = op->aux == 8 ? UINT64_MAX : op->aux == 4 ? UINT32_MAX : UINT16_MAX;
    uint64_t keep = op->aux == 2 ? ~mask : 0;
    uint64_t before = c->gpr[X86_RCX];
    uint64_t count = before & mask;
    bool go = count == 0;
    uint64_t rip;

    if (op->reg != LOOP_IF_ZERO) {
        count = (count - 1) & mask;
        c->gpr[X86_RCX] = (before & keep) | count;
        go = count != 0;
        if (op->reg == LOOP_EQUAL)
            go = go && (c->flags & FLAGS_ZF);
        else if (op->reg == LOOP_NOT_EQUAL)
            go = go && !(c->flags & FLAGS_ZF);
    }
    if (!go)
        OP_NEXT(c, op);
    rip = op->disp < 0 && (c->mode & MODE_64) ? branch_target(c, op)
                                              : branch_wrap(op, branch_target(c, op));
    if (__builtin_expect(!rip_within_limit(c, rip), 0))
        c->gpr[X86_RCX] = before;
    branch_go_within_limit(c, op, rip);
}

/* INT n, INT3, INTO, INT1: op->aux is the vector. op->imm is false for INT1, whose gate's privilege
 * level is not checked, and true for the others. */
static void op_int(struct cpu *c, const struct op *op)
{
    c->fault = (struct cpu_fault){ .vector = op->aux, .software = op->imm, .length = op->len };
    c->leave = CPU_FAULT;
    op_go(c, op, op_rip(c, op));
}

static void op_into(struct cpu *c, const struct op *op)
{
    if (c->flags & FLAGS_OF)
        return op_int(c, op);
    OP_NEXT(c, op);
}

/* Transfers by seg/, whose functions set cpu.rip or record a fault. op->aux is the operand size. */

static void transfer_finish(struct cpu *c, const struct op *op, bool done)
{
    if (!done)
        return op_leave(c, op);
    op_go(c, op, c->rip);
}

static void op_iret(struct cpu *c, const struct op *op)
{
    transfer_finish(c, op, intr_return(c, op->aux));
}

static void op_syscall(struct cpu *c, const struct op *op)
{
    transfer_finish(c, op, syscall_enter(c, op_next_rip(c, op)));
}

static void op_sysret(struct cpu *c, const struct op *op)
{
    transfer_finish(c, op, syscall_return(c, op->aux == 8 ? 8 : 4));
}

static void op_sysenter(struct cpu *c, const struct op *op)
{
    transfer_finish(c, op, sysenter(c));
}

static void op_sysexit(struct cpu *c, const struct op *op)
{
    transfer_finish(c, op, sysexit(c, op->aux == 8 ? 8 : 4));
}

/* op->disp is the selector, op->imm the offset, op->reg is true for a call. */
static void op_far_direct(struct cpu *c, const struct op *op)
{
    uint16_t selector = (uint16_t)op->disp;

    if (op->reg)
        transfer_finish(c, op, far_call(c, selector, op->imm, op->aux, op_next_rip(c, op)));
    else
        transfer_finish(c, op, far_jump(c, selector, op->imm));
}

/* op->imm is the size of the offset in memory, op->reg is true for a call. */
static void op_far_mem(struct cpu *c, const struct op *op)
{
    const uint8_t *from = mmu_read_at(c, op_address(c, op), (unsigned)op->imm + 2u);
    uint64_t offset = 0;
    uint16_t selector;

    if (!from)
        return op_leave(c, op);
    memcpy(&offset, from, op->imm);
    memcpy(&selector, from + op->imm, sizeof(selector));
    if (op->reg)
        transfer_finish(c, op, far_call(c, selector, offset, op->aux, op_next_rip(c, op)));
    else
        transfer_finish(c, op, far_jump(c, selector, offset));
}

static void op_far_ret(struct cpu *c, const struct op *op)
{
    transfer_finish(c, op, far_return(c, op->aux, (uint16_t)op->imm));
}

/* Whether the branch is one of 64-bit mode with an operand size of 8. On AMD's processors a 66
 * prefix makes it 2 (decode.h). */
static bool branch_is_64(const struct build *b)
{
    return (b->block->mode & MODE_64) && b->insn.osize == 8;
}

/* Appends a relative branch: imm is the target from the block's start, disp the wrap mask. */
static struct op *build_relative(struct build *b, op_fn *run)
{
    struct op *op = build_op_bare(b, run);

    op->imm = b->insn.imm + b->at + b->insn.len;
    op->disp = b->insn.osize == 2 ? 0xffff : -1;
    op->aux = b->insn.osize;
    op->seg = CPU_SS_BASE * sizeof(uint64_t);
    return op;
}

static op_fn *const jcc[16] = {
    op_jcc_0, op_jcc_1, op_jcc_2, op_jcc_3, op_jcc_4, op_jcc_5, op_jcc_6, op_jcc_7,
    op_jcc_8, op_jcc_9, op_jcc_a, op_jcc_b, op_jcc_c, op_jcc_d, op_jcc_e, op_jcc_f,
};

static void build_jcc(struct build *b)
{
    unsigned cc = b->insn.opcode & 0xfu;

    build_relative(b, branch_is_64(b) ? jcc[cc] : op_jcc_wrapped)->aux = (uint8_t)cc;
}

static bool branch_is_relative(const struct build *b)
{
    return operand_kinds[b->row->operand[0]].place == PLACE_REL;
}

static void build_near(struct build *b, bool call)
{
    bool memory = b->insn.flags & INSN_MEM;
    struct op *op;

    b->ends = true;
    if (branch_is_relative(b)) {
        (void)build_relative(b, branch_is_64(b) ? (call ? op_call : op_jmp)
                                : call          ? op_call_wrapped
                                                : op_jmp_wrapped);
        return;
    }
    if (branch_is_64(b))
        op = build_op(b, memory ? (call ? op_call_mem : op_jmp_mem)
                         : call ? op_call_reg
                                : op_jmp_reg);
    else
        op = build_op(b, call ? op_call_indirect : op_jmp_indirect);
    op->reg = memory;
    op->aux = b->insn.osize;
}

static void build_far(struct build *b, bool call)
{
    bool direct = operand_kinds[b->row->operand[0]].place == PLACE_FAR;
    struct op *op = direct ? build_op_bare(b, op_far_direct) : build_op(b, op_far_mem);

    if (direct)
        op->disp = b->insn.imm2;
    else
        op->imm = build_far_offset(b);
    op->reg = call;
    op->aux = b->insn.osize;
    b->ends = true;
}

static void build_loop(struct build *b, unsigned kind)
{
    struct op *op = build_relative(b, op_loop);

    op->reg = (uint8_t)kind;
    op->aux = b->insn.asize;
}

static struct op *build_ending(struct build *b, op_fn *run)
{
    struct op *op = build_op_bare(b, run);

    op->aux = b->insn.osize;
    op->seg = CPU_SS_BASE * sizeof(uint64_t);
    b->ends = true;
    return op;
}

static void build_int(struct build *b, op_fn *run, uint8_t vector)
{
    struct op *op = build_ending(b, run);

    op->aux = vector;
    op->imm = b->row->mnemonic != MN_INT1;
}

/* The handler of a transfer that ends its block and needs only the operand size, or NULL. */
static op_fn *branch_ending_handler(const struct build *b)
{
    switch (b->row->mnemonic) {
    case MN_RET:
        return branch_is_64(b) ? op_ret : op_ret_wrapped;
    case MN_RETF:
        return op_far_ret;
    case MN_IRET:
        return op_iret;
    case MN_SYSCALL:
        return op_syscall;
    case MN_SYSRET:
        return op_sysret;
    case MN_SYSENTER:
        return op_sysenter;
    case MN_SYSEXIT:
        return op_sysexit;
    default:
        return NULL;
    }
}

bool build_branch(struct build *b)
{
    op_fn *ending = branch_ending_handler(b);

    if (ending) {
        (void)build_ending(b, ending);
        return true;
    }
    switch (b->row->mnemonic) {
    case MN_JCC:
        build_jcc(b);
        return true;
    case MN_JMP:
    case MN_CALL:
        build_near(b, b->row->mnemonic == MN_CALL);
        return true;
    case MN_JMPF:
    case MN_CALLF:
        build_far(b, b->row->mnemonic == MN_CALLF);
        return true;
    case MN_LOOP:
        build_loop(b, LOOP_ALWAYS);
        return true;
    case MN_LOOPE:
        build_loop(b, LOOP_EQUAL);
        return true;
    case MN_LOOPNE:
        build_loop(b, LOOP_NOT_EQUAL);
        return true;
    case MN_JRCXZ:
        build_loop(b, LOOP_IF_ZERO);
        return true;
    case MN_INT:
        build_int(b, op_int, (uint8_t)b->insn.imm);
        return true;
    case MN_INT1:
        build_int(b, op_int, CPU_DB);
        return true;
    case MN_INT3:
        build_int(b, op_int, CPU_BP);
        return true;
    case MN_INTO:
        build_int(b, op_into, CPU_OF);
        b->ends = false; /* if OF is clear the guest goes on in the block */
        return true;
    default:
        return false;
    }
}
