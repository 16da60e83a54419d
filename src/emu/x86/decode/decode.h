#ifndef EMU_X86_DECODE_DECODE_H
#define EMU_X86_DECODE_DECODE_H
/*
 * The decoder: from instruction bytes to a struct insn. Pure; any thread.
 *
 * This room is what is known about the instruction set: the encodings, the table of instructions,
 * memory ordering, and where the vendors differ. It must not know a processor's state, memory or
 * ops: whoever executes an instruction checks what CR0, CPUID and the privilege level forbid, with
 * the help of the instruction's row (row.h).
 */
#include <stddef.h>
#include <stdint.h>

#include "emu/x86/decode/insn.h"

/* The longest instruction (SDM 2A, 2.3.11). */
#define DECODE_BYTES_MAX 15u

/* The default size of addresses and operands, from CS.D or 64-bit mode. In 64-bit mode, AMD's
 * processors give a near branch with a 66 prefix an operand size of 2. Intel's ignore the prefix
 * there. */
enum decode_mode { DECODE_16, DECODE_32, DECODE_64, DECODE_64_AMD, DECODE_MODES };

enum decode_result {
    DECODE_OK,
    DECODE_MORE,      /* the bytes end before the instruction does: fetch the next page */
    DECODE_UNDEFINED, /* #UD */
    DECODE_TOO_LONG,  /* #GP(0): more than 15 bytes */
};

/* Decodes the instruction at `bytes`, of which `size` may be read. *out is valid only after
 * DECODE_OK. */
enum decode_result decode(struct insn *out, const uint8_t *bytes, size_t size,
                          enum decode_mode mode);

#endif
