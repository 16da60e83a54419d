/*
 * Building blocks.
 *
 * Some instructions end a block: those that do not simply continue at the next byte, those that may
 * change the mode or enable interrupts, those that take long, and the serializing ones (order.h).
 * For the first three kinds the build functions end the block; for the serializing ones this file
 * does.
 */
#include "emu/x86/block_build.h"

#include <stddef.h>

#include "emu/x86/cpu/cpu.h"
#include "emu/x86/cpu/mode.h"
#include "emu/x86/decode/decode.h"
#include "emu/x86/decode/order.h"
#include "emu/x86/decode/vendor.h"
#include "emu/x86/native/native.h"
#include "emu/x86/op/build.h"

static void op_nop(struct cpu *c, const struct op *op)
{
    OP_NEXT(c, op);
}

static void op_order(struct cpu *c, const struct op *op)
{
    order_all();
    OP_NEXT(c, op);
}

static void block_build_nop(struct build *b)
{
    (void)build_append(b, op_nop);
}

/* Whether this is PREFETCH with a register operand and the guest's processor has no such
 * instruction: it is undefined on AMD's processors and a NOP on Intel's. */
static bool block_prefetch_undefined(const struct build *b)
{
    return b->row->map == MAP_0F && b->insn.opcode == 0x0d && !(b->insn.flags & INSN_MEM) &&
           !b->cpu->vendor->prefetch_register;
}

/* The exception that this instruction always raises in this mode: its vector, or 0 for none. */
static unsigned block_insn_forbidden(const struct build *b)
{
    uint32_t mode = b->block->mode;

    if (b->row->class == CLASS_UD || !cpu_offers(b->cpu, table_feature(&b->insn)) ||
        block_prefetch_undefined(b))
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

static bool (*const block_families[])(struct build *b) = {
    build_move, build_branch, build_stack, build_flags,  build_string, build_system, build_tables,
    build_port, build_state,  build_x87,   build_masked, build_bits,   build_legacy, build_native,
};

/* Whether this is PAUSE with REX.B (F3 41 90), on a processor that ignores the REX.B there, as
 * Intel's do. AMD's execute it as XCHG. */
static bool block_insn_is_pause(const struct build *b)
{
    return b->row->mnemonic == MN_XCHG && b->insn.opcode == 0x90 && (b->insn.flags & INSN_REP) &&
           b->cpu->vendor->pause_rex_b;
}

static void block_build_insn(struct build *b)
{
    unsigned vector = block_insn_forbidden(b);

    if (vector) {
        build_fault(b, (enum cpu_vector)vector);
        return;
    }
    if (b->row->class == CLASS_NOP || block_insn_is_pause(b)) {
        block_build_nop(b);
        return;
    }
    if (order_serializes(b->row)) {
        (void)build_append(b, op_order);
        b->last = true;
    }
    for (unsigned i = 0; !block_families[i](b); i++)
        ;
}

static enum decode_mode block_decode_mode(const struct cpu *c, uint32_t mode)
{
    if (mode & MODE_64)
        return c->vendor->near_66 ? DECODE_64_AMD : DECODE_64;
    return mode & MODE_CODE32 ? DECODE_32 : DECODE_16;
}

bool block_build(struct cpu *c, struct block *block, const uint8_t *code, unsigned room)
{
    unsigned most = block->mode & MODE_STEP ? 1 : BLOCK_INSNS_MAX;
    struct build b = { .cpu = c, .block = block };

    block->count = block->op_count = 0;
    while (block->count < most && !b.ends && !b.last) {
        enum decode_result r =
            decode(&b.insn, code + b.at, room - b.at, block_decode_mode(c, block->mode));

        b.bytes = code + b.at;
        if (r == DECODE_MORE)
            break;
        if (r != DECODE_OK) {
            b.insn = (struct insn){ .len = 1 };
            build_fault(&b, r == DECODE_TOO_LONG ? CPU_GP : CPU_UD);
        } else {
            b.row = &table_rows[b.insn.row];
            block_build_insn(&b);
        }
        b.at = (uint16_t)(b.at + b.insn.len);
        block->count++;
    }
    block->len = b.at;
    if (block->count && !b.ends) {
        b.insn.len = 0;
        (void)build_append(&b, op_end);
    }
    return block->count != 0;
}
