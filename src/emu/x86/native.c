/*
 * Instructions that run natively: the handlers around thunks, and the choice between them.
 *
 * Without a memory operand the thunk itself is the handler. With one, the handler finds the
 * operand's host address as the kind of access demands and calls the thunk on it.
 *
 * Faults the host raises inside a thunk (#DE, #MF, #XM: all SIGFPE) are recorded by fault_signal.c,
 * which makes a register-form thunk end in op_leave and a memory-form one return early.
 */
#include <assert.h>
#include <stddef.h>

#include "emu/x86/build.h"
#include "emu/x86/op_mem.h"
#include "emu/x86/thunk.h"

static void call(struct cpu *c, const struct op *op, void *operand)
{
    ((thunk_memory_fn *)(uintptr_t)op->imm)(c, op, operand);
}

/* Legacy SSE operands of 16 bytes and CMPXCHG16B's must be aligned; op->aux is the size, op->reg
 * says whether. */
static bool misaligned(struct cpu *c, const struct op *op, uint64_t va)
{
    if (!op->reg || va % op->aux == 0)
        return false;
    cpu_fault_error(c, CPU_GP, 0);
    return true;
}

static void op_native_read(struct cpu *c, const struct op *op)
{
    uint64_t va = op_address(c, op);
    const void *from = misaligned(c, op, va) ? NULL : mmu_read_at(c, va, op->aux);

    if (__builtin_expect(!from, 0))
        return op_leave(c, op);
    call(c, op, (void *)(uintptr_t)from);
    if (__builtin_expect(c->leave, 0))
        return op_leave(c, op);
    OP_NEXT(c, op);
}

/* Write-only: where the operand is a device's, nothing must be read from it first. */
static void op_native_write(struct cpu *c, const struct op *op)
{
    uint64_t va = op_address(c, op);
    void *to;

    if (__builtin_expect(misaligned(c, op, va), 0))
        return op_leave(c, op);
    to = mmu_write_hit(c, va, op->aux);
    call(c, op, to ? to : c->bounce);
    if (__builtin_expect(c->leave || (!to && !mmu_write_slow(c, va, c->bounce, op->aux)), 0))
        return op_leave(c, op);
    OP_NEXT(c, op);
}

static void op_native_modify(struct cpu *c, const struct op *op)
{
    uint64_t va = op_address(c, op);
    bool slow = false;
    void *at;

    if (__builtin_expect(misaligned(c, op, va), 0))
        return op_leave(c, op);
    at = mmu_write_hit(c, va, op->aux);
    if (__builtin_expect(!at, 0)) {
        slow = true;
        at = mmu_modify_slow(c, va, op->aux);
        if (!at)
            return op_leave(c, op);
    }
    call(c, op, at);
    if (slow)
        mmu_modify_end(c, va, op->aux, at);
    OP_NEXT(c, op);
}

static void op_native_locked(struct cpu *c, const struct op *op)
{
    uint64_t va = op_address(c, op);
    void *at;

    if (__builtin_expect(misaligned(c, op, va), 0))
        return op_leave(c, op);
    at = mmu_write_hit(c, va, op->aux);
    if (__builtin_expect(at != NULL, 1)) {
        call(c, op, at);
        OP_NEXT(c, op);
    }
    mmu_split_lock(c);
    at = mmu_modify_slow(c, va, op->aux);
    if (at) {
        call(c, op, at);
        mmu_modify_end(c, va, op->aux, at);
    }
    mmu_split_unlock(c);
    if (!at)
        return op_leave(c, op);
    OP_NEXT(c, op);
}

static op_fn *handler_for(enum table_access access, bool locked)
{
    if (locked)
        return op_native_locked;
    switch (access) {
    case ACCESS_R:
        return op_native_read;
    case ACCESS_W:
        return op_native_write;
    default:
        return op_native_modify;
    }
}

static int memory_operand(const struct build *b)
{
    for (unsigned i = 0; i < TABLE_OPERANDS; i++)
        if ((b->insn.flags & INSN_MEM) && operand_kinds[b->row->operand[i]].place == PLACE_RM)
            return (int)i;
    return -1;
}

bool build_native(struct build *b)
{
    int memory = memory_operand(b);
    const void *thunk = thunk_for(b->cpu->thunks, b);
    unsigned size;
    bool locked;
    struct op *op;

    assert(thunk); /* block.c looked for room before it started the block */
    if (memory < 0) {
        (void)build_op_bare(b, (op_fn *)(uintptr_t)thunk);
        return true;
    }
    size = operand_bytes(&b->insn, b->row->operand[memory]);
    locked = (b->insn.flags & INSN_LOCK) || b->row->mnemonic == MN_XCHG;
    assert(size && size <= sizeof(b->cpu->bounce));
    op = build_op(b, handler_for(table_access(b->row, (unsigned)memory), locked));
    op->imm = (uintptr_t)thunk;
    op->aux = (uint8_t)size;
    op->reg = (b->row->attr & ATTR_ALIGN) != 0;
    return true;
}
