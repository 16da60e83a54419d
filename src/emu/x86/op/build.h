#ifndef EMU_X86_OP_BUILD_H
#define EMU_X86_OP_BUILD_H
/*
 * From a decoded instruction to ops with their operands laid out.
 *
 * An instruction belongs to one family, which has a build function. That one chooses the handler
 * and appends the op with the functions here. Families that touch the stack, rip, ports or system
 * state have their handlers in op_*.c; everything else runs natively (native/native.h).
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
    struct cpu
        *cpu; /* what it offers, and its thunks; nothing of its present state but `mode` counts */
    struct block *block;
    const uint8_t *bytes; /* of the instruction */
    struct insn insn;
    const struct table_row *row;
    uint16_t at; /* offset of the instruction in the block */
    bool ends;   /* set by a build function: nothing may follow in this block */
    bool last;   /* no further instruction, but the handlers go on to an op that ends the block */
};

/* For the build functions. */

/* Appends an op with this handler for the present instruction: only where and how long that is. */
struct op *build_append(struct build *b, op_fn *run);

/* Appends an op for the present instruction; at, len, reg, rm as register operands and, for a
 * memory operand, the address are filled in (with an op in front where the address needs one).
 * `run` is the handler. */
struct op *build_op(struct build *b, op_fn *run);

/* As build_op, without a memory operand's address: LEA and others fill it in themselves, or there
 * is none. */
struct op *build_op_bare(struct build *b, op_fn *run);

/* As build_op for an operand at the absolute address insn.imm in insn.seg. */
struct op *build_absolute(struct build *b, op_fn *run);

/* base, index, scale, disp and seg of the ModRM memory operand. */
void build_address_fields(const struct build *b, struct op *op);

/* Byte offset into cpu.gpr of a general register operand of this width in bytes. */
uint8_t build_gpr(const struct build *b, unsigned number, unsigned width);

/* op_address.c: makes an op with address fields compute CPU_ADDRESS from them. */
void build_address_op(const struct build *b, struct op *op);

/* The width in bytes of the instruction's memory operand, 0 without one or where it is not one
 * number. */
unsigned build_memory_width(const struct build *b);

/* Bytes of the offset that a far pointer in memory holds; the selector follows. */
unsigned build_far_offset(const struct build *b);

/* The op raises this fault instead. */
void build_fault(struct build *b, enum cpu_vector vector);

/* Build functions, one a family: true when the instruction was theirs. */
bool build_branch(struct build *b); /* op_branch.c: jumps, calls, returns, far transfers, INT, IRET,
                                       system calls */
bool build_stack(
    struct build *b); /* op_stack.c: PUSH, POP, PUSHF, POPF, PUSHA, POPA, ENTER, LEAVE */
bool build_string(struct build *b); /* op_string.c: MOVS, STOS, LODS, SCAS, CMPS, INS, OUTS */
bool build_move(struct build *b);   /* op_move.c: LEA, MOV with moffs, segment or far pointer, XLAT,
                                       hot loads and stores */
bool build_system(
    struct build *b); /* op_system.c: control, debug, model-specific registers, time */
bool build_tables(struct build *b); /* op_tables.c: LGDT, LTR, VERR, LAR and their kin */
bool build_port(struct build *b);   /* op_port.c: IN, OUT */
bool build_state(struct build *b);  /* op_state.c: FXSAVE, XSAVE and theirs, LDMXCSR */
bool build_x87(struct build *b);    /* op_x87.c: FNSTENV, FLDENV, FNSAVE, FRSTOR */
bool build_masked(struct build *b); /* op_masked.c: gathers, masked moves */
bool build_bits(struct build *b);   /* op_bits.c: BT, BTS, BTR, BTC of memory by register */
bool build_legacy(struct build *b); /* op_legacy.c: what 64-bit mode does not have: DAA, BOUND... */
bool build_flags(
    struct build *b); /* op_flags.c: CLC, STC, CMC, CLD, STD, CLI, STI, LAHF, SAHF, CLAC, STAC */

#endif
