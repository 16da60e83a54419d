#ifndef EMU_X86_OP_BUILD_H
#define EMU_X86_OP_BUILD_H
/*
 * From a decoded instruction to ops with their operands laid out.
 *
 * An instruction belongs to one family. The family's build function chooses the handler and appends
 * the op with the functions here. op_*.c has the handlers of what the host cannot execute for the
 * guest (stack, branches, ports, system state, masked and string accesses, ...) and of the most
 * frequent moves. Everything else runs natively (native/native.h).
 *
 * All functions run on that vCPU's thread.
 */
#include <stdbool.h>
#include <stdint.h>

#include "emu/x86/decode/insn.h"
#include "emu/x86/decode/table.h"
#include "emu/x86/op/op.h"

struct block;
struct cpu;

/* The instruction being built. */
struct build {
    /* A build function may use the features that the processor offers, its vendor and its thunks.
     * It must not look at the present state: the block outlives that. It looks at block->mode. */
    struct cpu *cpu;
    struct block *block;
    const uint8_t *bytes; /* of the instruction */
    struct insn insn;
    const struct table_row *row;
    uint16_t at; /* offset of the instruction in the block */
    bool ends;   /* set by a build function: its op ends the block */
    bool last;   /* no instruction follows, but the handler goes on to an op that ends the block */
};

/* For the build functions. */

/* Appends an op with the handler `run`. Of the present instruction it gets only position and
 * length. */
struct op *build_append(struct build *b, op_fn *run);

/* As build_append, and fills in reg and rm as register operands, imm and, for a memory operand, the
 * address. If the address needs more than a sum, an op in front computes it. */
struct op *build_op(struct build *b, op_fn *run);

/* As build_op, without the address: for instructions without a memory operand, and for LEA and
 * others that fill it in themselves. */
struct op *build_op_bare(struct build *b, op_fn *run);

/* As build_op for an operand at the absolute address insn.imm in insn.seg. */
struct op *build_absolute(struct build *b, op_fn *run);

/* Fills in base, index, scale, disp and seg for the ModRM memory operand. */
void build_address_fields(const struct build *b, struct op *op);

/* op_address.c: makes this op compute CPU_ADDRESS from its address fields. */
void build_address_op(const struct build *b, struct op *op);

/* The size in bytes of the offset in a far pointer in memory; the selector follows it. */
unsigned build_far_offset(const struct build *b);

/* Appends an op that raises this fault, and ends the block. */
void build_fault(struct build *b, enum cpu_vector vector);

/*
 * The build functions, one for each family. True: the instruction belongs to the family, and its
 * ops are appended.
 */

/* op_branch.c: jumps, calls, returns, far transfers, INT, IRET, system calls */
bool build_branch(struct build *b);

/* op_stack.c: PUSH, POP, PUSHF, POPF, PUSHA, POPA, ENTER, LEAVE */
bool build_stack(struct build *b);

/* op_string.c: MOVS, STOS, LODS, SCAS, CMPS, INS, OUTS */
bool build_string(struct build *b);

/* op_move.c: LEA, MOV with moffs or a segment register, LDS and its kin, XLAT; frequent MOVs */
bool build_move(struct build *b);

/* op_system.c: control, debug and model-specific registers, CPUID, time, HLT */
bool build_system(struct build *b);

/* op_tables.c: LGDT, LTR, VERR, LAR and their kin, SMSW */
bool build_tables(struct build *b);

/* op_port.c: IN, OUT */
bool build_port(struct build *b);

/* op_state.c: FXSAVE, XSAVE and their kin, LDMXCSR */
bool build_state(struct build *b);

/* op_x87.c: FNSTENV, FLDENV, FNSAVE, FRSTOR */
bool build_x87(struct build *b);

/* op_masked.c: gathers and masked moves */
bool build_masked(struct build *b);

/* op_bits.c: BT, BTS, BTR, BTC of memory with the bit number in a register */
bool build_bits(struct build *b);

/* op_legacy.c: what 64-bit mode does not have: DAA, BOUND, ARPL and their kin */
bool build_legacy(struct build *b);

/* op_flags.c: CLD, STD, CLI, STI, CLAC, STAC */
bool build_flags(struct build *b);

#endif
