#ifndef EMU_X86_BLOCK_BUILD_H
#define EMU_X86_BLOCK_BUILD_H
/*
 * Turns instruction bytes into a block of ops: decode/decode.h decodes them, and the instruction
 * families of op/build.h choose the handlers.
 */
#include <stdbool.h>
#include <stdint.h>

struct block;
struct cpu;

/* Fills in count, len, op_count and ops of a block whose pc and mode are set. The `room` bytes of
 * code all lie on one page, or were gathered for a single instruction. An instruction that is
 * undefined, not in the guest's CPUID, not allowed in this mode or longer than 15 bytes becomes an
 * op that raises the fault. False: the first instruction does not end within `room` bytes, which
 * happens only if `room` is below 15; the block then holds no instruction. */
bool block_build(struct cpu *c, struct block *block, const uint8_t *code, unsigned room);

#endif
