/* IN and OUT. They end the block, since the device may have changed anything. */
#include <stddef.h>

#include "emu/x86/mem/mmio.h"
#include "emu/x86/op/build.h"
#include "emu/x86/op/op_mem.h"
#include "emu/x86/sys/port.h"

/* The port is DX if op->reg is set, otherwise op->imm; op->aux is the width. */
static uint16_t op_port_number(const struct cpu *c, const struct op *op)
{
    return op->reg ? (uint16_t)c->gpr[X86_RDX] : (uint16_t)op->imm;
}

static void op_in(struct cpu *c, const struct op *op)
{
    uint16_t port = op_port_number(c, op);
    uint32_t value = 0;

    if (!port_allowed(c, port, op->aux))
        return op_leave(c, op);
    port_read(c, port, &value, op->aux);
    if (op->aux == 4)
        c->gpr[X86_RAX] = value;
    else
        memcpy(&c->gpr[X86_RAX], &value, op->aux);
    op_done(c, op);
}

static void op_out(struct cpu *c, const struct op *op)
{
    uint16_t port = op_port_number(c, op);

    if (!port_allowed(c, port, op->aux))
        return op_leave(c, op);
    port_write(c, port, &c->gpr[X86_RAX], op->aux);
    op_done(c, op);
}

/* The port is an immediate byte or DX; the width is the accumulator's. */
bool build_port(struct build *b)
{
    bool in = b->row->mnemonic == MN_IN;
    unsigned accumulator = in ? 0 : 1;
    struct op *op;

    if (!in && b->row->mnemonic != MN_OUT)
        return false;
    op = build_op_bare(b, in ? op_in : op_out);
    op->reg = operand_kinds[b->row->operand[1 - accumulator]].place == PLACE_FIXED;
    op->aux = (uint8_t)operand_bytes(&b->insn, b->row->operand[accumulator]);
    b->ends = true;
    return true;
}
