#ifndef EMU_X86_DECODE_DECODE_H
#define EMU_X86_DECODE_DECODE_H
/*
 * Bytes to struct insn. Pure: any thread, no state.
 *
 * The decoder knows the encoding and nothing of the processor's state: what CR0, CPUID or the
 * privilege level forbid is judged by whoever executes, from the row (table.h).
 */
#include <stddef.h>
#include <stdint.h>

#include "emu/x86/decode/insn.h"

/* The longest instruction (SDM 2A, 2.3.11). */
#define DECODE_BYTES_MAX 15u

/* Size of addresses and operands unless prefixes change it: CS.D, or 64-bit mode. There AMD's
 * processors take 66 before a near branch for an operand size of 2, as elsewhere; Intel's ignore
 * it. */
enum decode_mode { DECODE_16, DECODE_32, DECODE_64, DECODE_64_AMD, DECODE_MODES };

enum decode_result {
    DECODE_OK,
    DECODE_MORE,      /* the bytes end before the instruction does: fetch the next page */
    DECODE_UNDEFINED, /* #UD */
    DECODE_TOO_LONG,  /* #GP(0): more than 15 bytes */
};

/* Decodes the instruction at `bytes`, of which `size` may be read. Unless DECODE_OK, *out means
 * nothing. */
enum decode_result decode(struct insn *out, const uint8_t *bytes, size_t size,
                          enum decode_mode mode);

#endif
