/* How a block ends. */
#include "emu/x86/op/op.h"

static void op_stop_before(struct cpu *c, const struct op *op)
{
    c->rip = op_rip(c, op);
    c->executed += op->nth;
}

void op_leave(struct cpu *c, const struct op *op)
{
    op_stop_before(c, op);
    if (c->fault.address_fault && op->seg == CPU_SS_BASE * sizeof(uint64_t))
        c->fault.vector = CPU_SS;
}

void op_stale(struct cpu *c, const struct op *op)
{
    op_stop_before(c, op);
}

void op_end(struct cpu *c, const struct op *op)
{
    op_stop_before(c, op);
}

void op_done(struct cpu *c, const struct op *op)
{
    op_go(c, op, op_next_rip(c, op));
}
