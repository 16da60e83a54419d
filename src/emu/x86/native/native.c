/*
 * Instructions that run natively: the handlers around thunks, and the choice between them.
 *
 * Without a memory operand the thunk itself is the handler. With one, the handler finds the
 * operand's host address, as the kind of access demands, and calls the thunk on it.
 *
 * fault_signal.c records the faults that the host raises inside a thunk (#DE, #MF, #XM: all
 * SIGFPE). It makes a register-form thunk end in op_leave, and a memory-form one return early.
 */
#include "emu/x86/native/native.h"

#include <assert.h>
#include <stddef.h>

#include "emu/x86/cpu/fpu.h"
#include "emu/x86/decode/vendor.h"
#include "emu/x86/native/thunk.h"
#include "emu/x86/op/build.h"
#include "emu/x86/op/op_mem.h"

#define FSW_EXCEPTIONS 0x3fu /* each has its mask in the same bit of the control word */
#define FSW_PE         0x20u

static void thunk_call(struct cpu *c, const struct op *op, void *operand)
{
    ((thunk_memory_fn *)(uintptr_t)op->imm)(c, op, operand);
}

/* Bits of op->reg. */
enum {
    NATIVE_ALIGNED = 1u << 0, /* #GP unless the operand is aligned to its size (ATTR_ALIGN) */
    NATIVE_WAITS = 1u << 1, /* x87 and MMX: a pending x87 exception comes before any other fault */
    NATIVE_MMX = 1u << 2,   /* the register operand is MMX; only with NATIVE_WAITS */
    NATIVE_XM = 1u << 3,    /* may raise SIMD floating-point exceptions, or set their flags */
};

/* Whether the operand has to be aligned and is not; #GP is recorded then. op->aux is its size. */
static bool operand_misaligned(struct cpu *c, const struct op *op, uint64_t va)
{
    if (!(op->reg & NATIVE_ALIGNED) || va % op->aux == 0)
        return false;
    cpu_fault_error(c, CPU_GP, 0);
    return true;
}

static bool x87_exception_pends(void)
{
    uint16_t fsw;

    __asm__ volatile("fnstsw %0" : "=a"(fsw));
    return fsw & FPU_FSW_ES;
}

/* Leaves the instruction: its operand cannot be accessed. A pending x87 exception comes first. */
static void native_leave_unaccessed(struct cpu *c, const struct op *op)
{
    if ((op->reg & NATIVE_WAITS) && x87_exception_pends())
        cpu_fault(c, CPU_MF);
    op_leave(c, op);
}

/* The same for a store. Before the fault, Intel's processors have already set the top of the x87
 * stack to 0 if the register is an MMX one (the tags are as before), and set the flags of a
 * conversion in MXCSR. To get these flags, the thunk runs on the bounce buffer. */
static void native_leave_unwritable(struct cpu *c, const struct op *op)
{
    struct cpu_fault fault = c->fault;

    if (c->vendor->faulted_top && (op->reg & NATIVE_MMX) && !x87_exception_pends())
        fpu_top_clear();
    if (c->vendor->faulted_mxcsr && (op->reg & NATIVE_XM)) {
        c->leave = CPU_ON;
        thunk_call(c, op, c->bounce);
        if (!c->leave)
            c->fault = fault;
        c->leave = CPU_FAULT;
    }
    native_leave_unaccessed(c, op);
}

static void op_native_read(struct cpu *c, const struct op *op)
{
    uint64_t va = op_address(c, op);
    const void *from = operand_misaligned(c, op, va) ? NULL : mmu_read_at(c, va, op->aux);

    if (__builtin_expect(!from, 0))
        return native_leave_unaccessed(c, op);
    thunk_call(c, op, (void *)(uintptr_t)from);
    if (__builtin_expect(c->leave, 0))
        return op_leave(c, op);
    OP_NEXT(c, op);
}

/* Write-only: the operand must not be read first, since it may be a device's. Whether it may be
 * written is checked before the instruction runs, which may change more than its operand: an MMX
 * store changes the x87 tags. */
static void op_native_write(struct cpu *c, const struct op *op)
{
    uint64_t va = op_address(c, op);
    bool slow = false;
    void *to;

    if (__builtin_expect(operand_misaligned(c, op, va), 0))
        return native_leave_unaccessed(c, op);
    to = mmu_write_hit(c, va, op->aux);
    if (__builtin_expect(!to, 0)) {
        slow = true;
        to = mmu_fill_slow(c, va, op->aux);
        if (!to)
            return native_leave_unwritable(c, op);
    }
    thunk_call(c, op, to);
    if (__builtin_expect(c->leave, 0))
        return op_leave(c, op);
    if (slow)
        mmu_modify_end(c, to);
    OP_NEXT(c, op);
}

static void op_native_modify(struct cpu *c, const struct op *op)
{
    uint64_t va = op_address(c, op);
    bool slow = false;
    void *at;

    if (__builtin_expect(operand_misaligned(c, op, va), 0))
        return native_leave_unaccessed(c, op);
    at = mmu_write_hit(c, va, op->aux);
    if (__builtin_expect(!at, 0)) {
        slow = true;
        at = mmu_modify_slow(c, va, op->aux);
        if (!at)
            return native_leave_unaccessed(c, op);
    }
    thunk_call(c, op, at);
    if (__builtin_expect(c->leave, 0))
        return op_leave(c, op);
    if (slow)
        mmu_modify_end(c, at);
    OP_NEXT(c, op);
}

/* For an x87 store whose operand cannot be accessed: executes it on the bounce buffer. True: it has
 * raised an unmasked exception other than precision, and so stores nothing. Intel's processors do
 * not access its operand then: there is no fault, and the instruction is done. False: the x87 state
 * and the fault recorded are as before. */
static bool x87_stores_nothing(struct cpu *c, const struct op *op)
{
    struct cpu_fault fault = c->fault;
    struct fpu_image before, after;

    if (!c->vendor->x87_unstored || !(op->reg & NATIVE_WAITS) || x87_exception_pends())
        return false;
    fpu_get(&before);
    c->leave = CPU_ON;
    thunk_call(c, op, c->bounce);
    fpu_get(&after);
    if (after.fsw & ~after.fcw & FSW_EXCEPTIONS & ~FSW_PE)
        return true;
    fpu_put(&before);
    c->fault = fault;
    c->leave = CPU_FAULT;
    return false;
}

/* The operand is read first: an x87 store that raises an unmasked exception leaves it alone, and
 * mmu_modify_end must then write the old value back. */
static void op_x87_store(struct cpu *c, const struct op *op)
{
    uint64_t va = op_address(c, op);
    void *slow = NULL, *at = mmu_write_hit(c, va, op->aux);

    if (__builtin_expect(!at, 0)) {
        at = slow = mmu_modify_slow(c, va, op->aux);
        if (!at && x87_stores_nothing(c, op))
            OP_NEXT(c, op);
        if (!at)
            return native_leave_unaccessed(c, op);
    }
    thunk_call(c, op, at);
    if (__builtin_expect(c->leave, 0))
        return op_leave(c, op);
    if (slow)
        mmu_modify_end(c, slow);
    OP_NEXT(c, op);
}

static void op_native_locked(struct cpu *c, const struct op *op)
{
    uint64_t va = op_address(c, op);
    void *at;

    if (__builtin_expect(operand_misaligned(c, op, va), 0))
        return native_leave_unaccessed(c, op);
    at = mmu_locked_hit(c, va, op->aux);
    if (__builtin_expect(at != NULL, 1)) {
        thunk_call(c, op, at);
        OP_NEXT(c, op);
    }
    at = mmu_locked_slow(c, va, op->aux);
    if (!at)
        return native_leave_unaccessed(c, op);
    thunk_call(c, op, at);
    mmu_locked_end(c, at);
    OP_NEXT(c, op);
}

static op_fn *native_handler(const struct table_row *row, enum table_access access, bool locked)
{
    if (locked)
        return op_native_locked;
    if (row->class == CLASS_X87 && access == ACCESS_W)
        return op_x87_store;
    switch (access) {
    case ACCESS_R:
        return op_native_read;
    case ACCESS_W:
        return op_native_write;
    default:
        return op_native_modify;
    }
}

static int native_memory_operand(const struct build *b)
{
    for (unsigned i = 0; i < TABLE_OPERANDS; i++)
        if ((b->insn.flags & INSN_MEM) && operand_kinds[b->row->operand[i]].place == PLACE_RM)
            return (int)i;
    return -1;
}

static uint8_t native_attributes(const struct table_row *row)
{
    uint8_t attr = row->attr & ATTR_ALIGN ? NATIVE_ALIGNED : 0;

    if (row->class == CLASS_X87)
        return attr | (row->attr & ATTR_NOWAIT ? 0 : NATIVE_WAITS);
    if (row->attr & ATTR_XM)
        attr |= NATIVE_XM;
    if (row->class == CLASS_MMX || operand_kinds[row->operand[0]].file == FILE_MMX)
        attr |= NATIVE_WAITS | NATIVE_MMX;
    return attr;
}

bool build_native(struct build *b)
{
    int memory = native_memory_operand(b);
    const void *thunk = thunk_for(b->cpu->thunks, b);
    unsigned size;
    bool locked;
    struct op *op;

    assert(thunk); /* block.c has made sure of room before the block began */
    if (memory < 0) {
        (void)build_op_bare(b, (op_fn *)(uintptr_t)thunk);
        return true;
    }
    size = operand_bytes(&b->insn, b->row->operand[memory]);
    locked = (b->insn.flags & INSN_LOCK) || b->row->mnemonic == MN_XCHG;
    assert(size && size <= sizeof(b->cpu->bounce));
    op = build_op(b, native_handler(b->row, table_access(b->row, (unsigned)memory), locked));
    op->imm = (uintptr_t)thunk;
    op->aux = (uint8_t)size;
    op->reg = native_attributes(b->row);
    return true;
}
