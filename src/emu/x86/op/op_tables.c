/*
 * Descriptor tables and what they describe: LGDT, SIDT, LTR, STR, VERR, LAR and their kin, and
 * SMSW, which has the same form as STR.
 */
#include <stddef.h>

#include "core/x86/bits.h"
#include "emu/x86/cpu/mode.h"
#include "emu/x86/op/build.h"
#include "emu/x86/op/op_mem.h"
#include "emu/x86/seg/seg.h"

/* LGDT, LIDT: the limit, then 8 bytes of base in 64-bit mode, otherwise 4. If op->reg is set, the
 * operand size is 16 bits and only 3 of the 4 count. */
static bool table_load(struct cpu *c, const struct op *op, struct x86_table *t)
{
    unsigned size = c->mode & MODE_64 ? 8 : 4;
    const uint8_t *from = mmu_read_at(c, op_address(c, op), 2 + size);
    uint64_t base = 0;

    if (!from)
        return false;
    memcpy(&t->limit, from, 2);
    memcpy(&base, from + 2, size);
    t->base = op->reg && size == 4 ? base & 0xffffff : base;
    return size == 4 || mmu_is_canonical(base) || cpu_refuse(c, CPU_GP, 0);
}

static void op_lgdt(struct cpu *c, const struct op *op)
{
    struct x86_table t;
    bool done = table_load(c, op, &t);

    if (done)
        c->gdt = t;
    op_finish(c, op, done);
}

static void op_lidt(struct cpu *c, const struct op *op)
{
    struct x86_table t;
    bool done = table_load(c, op, &t);

    if (done)
        c->idt = t;
    op_finish(c, op, done);
}

/* CR4.UMIP: user code may not read what reveals where the kernel's tables are (SDM 3A, 2.5). */
static bool umip_allows(struct cpu *c)
{
    return c->cpl == 0 || !(c->cr4 & X86_CR4_UMIP) || cpu_refuse(c, CPU_GP, 0);
}

static bool table_store(struct cpu *c, const struct op *op, const struct x86_table *t)
{
    unsigned size = c->mode & MODE_64 ? 8 : 4;
    uint8_t bytes[10];

    if (!umip_allows(c))
        return false;
    memcpy(bytes, &t->limit, 2);
    memcpy(bytes + 2, &t->base, 8);
    return mmu_write_slow(c, op_address(c, op), bytes, 2 + size);
}

static void op_sgdt(struct cpu *c, const struct op *op)
{
    op_finish(c, op, table_store(c, op, &c->gdt));
}

static void op_sidt(struct cpu *c, const struct op *op)
{
    op_finish(c, op, table_store(c, op, &c->idt));
}

/* SLDT, STR, SMSW: op->aux says which, op->imm is the operand size of a register. */
enum {
    STORE_LDT,
    STORE_TR,
    STORE_MSW,
};

static uint64_t stored_word(const struct cpu *c, unsigned which)
{
    if (which == STORE_LDT)
        return c->ldt.selector;
    return which == STORE_TR ? c->tr.selector : c->cr0;
}

static void op_store_word(struct cpu *c, const struct op *op)
{
    uint64_t value = stored_word(c, op->aux);

    if (!umip_allows(c))
        return op_leave(c, op);
    if (op->imm == 2)
        *op_r16(c, op->rm) = (uint16_t)value;
    else
        *op_r64(c, op->rm) = op->imm == 4 ? (uint32_t)value : value;
    OP_NEXT(c, op);
}

static void op_store_word_mem(struct cpu *c, const struct op *op)
{
    if (!umip_allows(c))
        return op_leave(c, op);
    OP_STORE(c, op, uint16_t, op_address(c, op), (uint16_t)stored_word(c, op->aux));
    OP_NEXT(c, op);
}

/* LLDT, LTR, VERR, VERW, LAR and LSL take a selector from memory if op->imm is set, otherwise from
 * a register. */
static bool selector_operand(struct cpu *c, const struct op *op, uint16_t *selector)
{
    const void *from = op->imm ? mmu_read_at(c, op_address(c, op), 2) : op_r16(c, op->rm);

    if (from)
        memcpy(selector, from, 2);
    return from;
}

static void op_lldt(struct cpu *c, const struct op *op)
{
    uint16_t selector;

    op_finish(c, op, selector_operand(c, op, &selector) && seg_load_ldt(c, selector));
}

static void op_ltr(struct cpu *c, const struct op *op)
{
    uint16_t selector;

    op_finish(c, op, selector_operand(c, op, &selector) && seg_load_tr(c, selector));
}

static void op_verify(struct cpu *c, const struct op *op)
{
    uint16_t selector;
    bool ok;

    if (!selector_operand(c, op, &selector) || !seg_verify(c, selector, op->aux, &ok))
        return op_leave(c, op);
    op_flag_set(c, FLAGS_ZF, ok);
    OP_NEXT(c, op);
}

/* LAR and LSL: op->aux is the operand size. */
static void selector_describe(struct cpu *c, const struct op *op, bool rights)
{
    uint16_t selector;
    uint32_t value;
    bool ok;

    if (!selector_operand(c, op, &selector) || !seg_describe(c, selector, rights, &value, &ok))
        return op_leave(c, op);
    op_flag_set(c, FLAGS_ZF, ok);
    if (ok && op->aux == 2)
        *op_r16(c, op->reg) = (uint16_t)value;
    else if (ok)
        *op_r64(c, op->reg) = value;
    OP_NEXT(c, op);
}

static void op_lar(struct cpu *c, const struct op *op)
{
    selector_describe(c, op, true);
}

static void op_lsl(struct cpu *c, const struct op *op)
{
    selector_describe(c, op, false);
}

struct table_row_ops {
    uint16_t mnemonic;
    uint8_t aux;
    bool ends;
    op_fn *run;
    op_fn *run_mem;
};

static const struct table_row_ops rows[] = {
    { MN_SMSW, STORE_MSW, false, op_store_word, op_store_word_mem },
    { MN_SLDT, STORE_LDT, false, op_store_word, op_store_word_mem },
    { MN_STR, STORE_TR, false, op_store_word, op_store_word_mem },
    { MN_LGDT, 0, true, op_lgdt, op_lgdt },
    { MN_LIDT, 0, true, op_lidt, op_lidt },
    { MN_SGDT, 0, true, op_sgdt, op_sgdt },
    { MN_SIDT, 0, true, op_sidt, op_sidt },
    { MN_LLDT, 0, true, op_lldt, op_lldt },
    { MN_LTR, 0, true, op_ltr, op_ltr },
    { MN_VERR, false, false, op_verify, op_verify },
    { MN_VERW, true, false, op_verify, op_verify },
    { MN_LAR, 0, false, op_lar, op_lar },
    { MN_LSL, 0, false, op_lsl, op_lsl },
};

/* Fills in what the handlers find in the op besides the row's aux. */
static void build_table_details(const struct build *b, struct op *op)
{
    bool memory = b->insn.flags & INSN_MEM;

    switch (b->row->mnemonic) {
    case MN_LGDT:
    case MN_LIDT:
        op->reg = b->insn.osize == 2;
        break;
    case MN_LAR:
    case MN_LSL:
        op->aux = b->insn.osize;
        op->imm = memory;
        break;
    case MN_SMSW:
    case MN_SLDT:
    case MN_STR:
        op->imm = b->insn.osize;
        break;
    default:
        op->imm = memory;
        break;
    }
    if (!memory)
        op->rm = (uint8_t)(b->insn.rm * sizeof(uint64_t));
}

bool build_tables(struct build *b)
{
    bool memory = b->insn.flags & INSN_MEM;

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct op *op;

        if (rows[i].mnemonic != b->row->mnemonic)
            continue;
        op = build_op(b, memory ? rows[i].run_mem : rows[i].run);
        op->aux = rows[i].aux;
        b->ends = rows[i].ends;
        build_table_details(b, op);
        return true;
    }
    return false;
}
