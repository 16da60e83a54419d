#ifndef EMU_X86_OP_OP_H
#define EMU_X86_OP_OP_H
/*
 * The op: a decoded instruction, ready to run, as a handler and its operands.
 *
 * This room is the interpreter's instructions: ops, how they are built from decoded instructions
 * (build.h), and the handlers, in a file for each family. It knows the processor's state (cpu/),
 * memory (mem/), decode/, seg/, sys/ and the time stamp counter; it must not know where blocks are
 * kept, thunks (native/), the local APIC or devices.
 *
 * A block is an array of ops. A handler goes on with OP_NEXT, a sibling call of the next op's
 * handler, so that a block runs as a chain of jumps with the processor and the op in registers. The
 * handler of the block's last op sets cpu.rip instead and returns to the loop in exec.c. So do a
 * jump that is taken, and a handler that has recorded a fault, which calls op_leave to set rip to
 * its own instruction.
 *
 * Register operands are byte offsets into cpu.gpr, so that AH is as easy as AL. An address is
 *     gpr[base] + (gpr[index] << scale) + disp + gpr[seg]
 * where CPU_ZERO stands for "none" and CPU_BLOCK_RIP, with disp adjusted, for RIP-relative. If an
 * address needs more (16- or 32-bit wrap-around, a limit check), an op in front computes it into
 * CPU_ADDRESS.
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
    uint64_t imm; /* by handler: immediate, branch target less the block's RIP, thunk, ... */
    int32_t disp; /* of the address */
    uint16_t at;  /* offset of the instruction in the block */
    uint8_t len;  /* of the instruction */
    uint8_t reg;  /* ModRM.reg, as byte offset into cpu.gpr; or by handler: segment, choice, ... */
    uint8_t rm;   /* ModRM.rm if it is a register, likewise; or by handler */
    uint8_t base; /* of the address; base, index and seg are byte offsets into cpu.gpr too */
    uint8_t index;
    uint8_t seg;
    uint8_t scale; /* shift, 0 to 3 */
    uint8_t aux;   /* by handler: condition code, operand size, repetition, ... */
    uint8_t nth;   /* instructions before this one in the block */
};

_Static_assert(sizeof(struct op) == 32, "two to a cache line");

/* A straight run of instructions (block.h). */
#define BLOCK_INSNS_MAX 64u
/* An instruction takes up to two ops in front of its own; one more ends the block. */
#define BLOCK_OPS_MAX (3 * BLOCK_INSNS_MAX + 1)

struct block {
    gpa_t pc;       /* guest physical address of the first instruction */
    uint32_t mode;  /* enum cpu_mode */
    uint16_t count; /* instructions */
    uint16_t op_count;
    uint16_t len; /* bytes */
    struct block *hash_next;
    struct block *page_next; /* of the blocks that begin on the same physical page */
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

/* Sets or clears one arithmetic flag; the others keep their values. */
static inline void op_flag_set(struct cpu *c, flags_t flag, bool set)
{
    c->flags = (flags_t)(set ? c->flags | flag : c->flags & ~flag);
}

/* RIP of the instruction, and of the one behind it. */
static inline uint64_t op_rip(const struct cpu *c, const struct op *op)
{
    return c->gpr[CPU_BLOCK_RIP] + op->at;
}

static inline uint64_t op_next_rip(const struct cpu *c, const struct op *op)
{
    return op_rip(c, op) + op->len;
}

/* Ends the block after this instruction; the guest goes on at rip. */
static inline void op_go(struct cpu *c, const struct op *op, uint64_t rip)
{
    c->rip = rip;
    c->executed += op->nth + 1u;
}

/* Ends the block before this instruction, which is not done: it has recorded a fault, or is to be
 * resumed. A #GP for a non-canonical address through SS (op->seg) becomes #SS. */
void op_leave(struct cpu *c, const struct op *op);

/* The handler that replaces those of a block whose code has changed: ends the block before the
 * instruction. */
void op_stale(struct cpu *c, const struct op *op);

/* The handler of the op behind the last instruction, in a block that no instruction ends: the guest
 * goes on at the next one. */
void op_end(struct cpu *c, const struct op *op);

/* Ends the block after this instruction; the guest goes on at the next one. For handlers after
 * which the loop in exec.c must look at the processor again. */
void op_done(struct cpu *c, const struct op *op);

/* op_done if the instruction was done, otherwise op_leave. */
static inline void op_finish(struct cpu *c, const struct op *op, bool done)
{
    if (!done)
        return op_leave(c, op);
    op_done(c, op);
}

#endif
