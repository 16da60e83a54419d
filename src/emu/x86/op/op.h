#ifndef EMU_X86_OP_OP_H
#define EMU_X86_OP_OP_H
/*
 * One decoded instruction, ready to run: the function that does it and its operands.
 *
 * A block is an array of these. Each handler ends with OP_NEXT, a sibling call of the one behind
 * it, so that a block runs as a chain of jumps with the processor and the operation in registers.
 * The last op of a block sets cpu.rip and returns to the loop in exec.c; so does a handler that
 * recorded a fault, through op_leave, with rip at its own instruction.
 *
 * Register operands are byte offsets into cpu.gpr, so that AH is as easy as AL. An address is
 *     gpr[base] + (gpr[index] << scale) + disp + gpr[seg]
 * where "none" is CPU_ZERO and RIP-relative is CPU_BLOCK_RIP with disp adjusted. An address that
 * needs more (16- or 32-bit wrap-around, a limit check) is computed by an op of its own in front,
 * into CPU_ADDRESS.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/vm/mem.h"
#include "emu/x86/cpu/cpu.h"

struct op;

typedef void op_fn(struct cpu *c, const struct op *op);

struct op {
    op_fn *run;
    uint64_t imm; /* immediate, branch target as offset from the block, thunk, ... by handler */
    int32_t disp;
    uint16_t at;  /* of the instruction's first byte, from the block's first */
    uint8_t len;  /* of the instruction */
    uint8_t reg;  /* byte offsets into cpu.gpr: ModRM.reg... */
    uint8_t rm;   /* ...and ModRM.rm when it is a register */
    uint8_t base; /* likewise */
    uint8_t index;
    uint8_t seg;
    uint8_t scale; /* shift, 0 to 3 */
    uint8_t aux;   /* by handler: condition code, size, REP prefix, ... */
    uint8_t nth;   /* instructions before this one in the block */
};

_Static_assert(sizeof(struct op) == 32, "two to a cache line");

/* A straight run of instructions (block.h). */
#define BLOCK_INSNS_MAX 64u
#define BLOCK_OPS_MAX \
    (3 * BLOCK_INSNS_MAX + 1) /* some take one or two ops in front; one to end it */

struct block {
    gpa_t pc;
    uint32_t mode;
    uint16_t count; /* instructions */
    uint16_t op_count;
    uint16_t len; /* bytes */
    struct block *hash_next;
    struct block *page_next; /* the blocks that begin on one physical page */
    struct op ops[];
};

#define OP_NEXT(c, op) return (op)[1].run((c), (op) + 1)

static inline uint64_t op_address(const struct cpu *c, const struct op *op)
{
    const uint8_t *r = (const uint8_t *)c->gpr;

    return *(const uint64_t *)(r + op->base) + (*(const uint64_t *)(r + op->index) << op->scale) +
           (uint64_t)(int64_t)op->disp + *(const uint64_t *)(r + op->seg);
}

static inline uint64_t *op_r64(struct cpu *c, uint8_t offset)
{
    return (uint64_t *)((uint8_t *)c->gpr + offset);
}

static inline uint32_t *op_r32(struct cpu *c, uint8_t offset)
{
    return (uint32_t *)((uint8_t *)c->gpr + offset);
}

static inline uint16_t *op_r16(struct cpu *c, uint8_t offset)
{
    return (uint16_t *)((uint8_t *)c->gpr + offset);
}

static inline uint8_t *op_r8(struct cpu *c, uint8_t offset)
{
    return (uint8_t *)c->gpr + offset;
}

/* Virtual address of the instruction, and of the one behind it. */
static inline uint64_t op_rip(const struct cpu *c, const struct op *op)
{
    return c->gpr[CPU_BLOCK_RIP] + op->at;
}

static inline uint64_t op_next_rip(const struct cpu *c, const struct op *op)
{
    return op_rip(c, op) + op->len;
}

/* Ends the block behind this instruction, at rip. */
static inline void op_go(struct cpu *c, const struct op *op, uint64_t rip)
{
    c->rip = rip;
    c->executed += op->nth + 1u;
}

/* Ends the block early: the instruction recorded a fault and is not done. A #GP for a non-canonical
 * address through SS is made #SS. */
void op_leave(struct cpu *c, const struct op *op);

/* What the ops of a block become when its code changed: leaves before the instruction. */
void op_stale(struct cpu *c, const struct op *op);

/* Behind the last instruction of a block that ends for its length, or for what comes next: leaves
 * to the next rip. */
void op_end(struct cpu *c, const struct op *op);

/* For instructions after which the loop has to look again: as op_end, from the end of the handler.
 */
void op_done(struct cpu *c, const struct op *op);

/* op_done, or where the instruction could not be done op_leave. */
static inline void op_finish(struct cpu *c, const struct op *op, bool done)
{
    if (!done)
        return op_leave(c, op);
    op_done(c, op);
}

#endif
