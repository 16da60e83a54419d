#ifndef EMU_X86_BLOCK_BUILD_H
#define EMU_X86_BLOCK_BUILD_H
/*
 * From instruction bytes to a block of ops: decode/decode.h reads them, the families of op/build.h
 * say what runs them.
 */
#include <stdbool.h>
#include <stdint.h>

struct block;
struct cpu;

/* Fills count, len, op_count and ops of a block whose pc and mode are set, from `room` bytes that
 * all belong to one page or to one gathered instruction. An instruction that is undefined, not
 * offered, not allowed in this mode or longer than 15 bytes becomes an op that raises the fault.
 * False: the first instruction goes on past `room`, which is less than 15; nothing is filled. */
bool block_build(struct cpu *c, struct block *block, const uint8_t *code, unsigned room);

#endif
