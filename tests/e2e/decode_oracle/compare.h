#ifndef DECODE_ORACLE_COMPARE_H
#define DECODE_ORACLE_COMPARE_H
/* Compares mote's decoding of an instruction with Zydis'. */
#include <stddef.h>
#include <stdint.h>

#include <Zydis/Zydis.h>

#include "emu/x86/decode/decode.h"

struct compare {
    ZydisDecoder decoder[DECODE_MODES];
};

/* What both made of the same bytes. */
struct compared {
    enum decode_result result;
    struct insn insn;
    ZyanStatus status;
    ZydisDecodedInstruction zydis;
    ZydisDecodedOperand operand[ZYDIS_MAX_OPERAND_COUNT];
};

/* Kinds of difference, the first that applies. */
enum difference {
    DIFFERENT_NOT,
    DIFFERENT_OURS,   /* undefined for Zydis only */
    DIFFERENT_THEIRS, /* undefined for mote only */
    DIFFERENT_LENGTH,
    DIFFERENT_WIDTH,   /* of addresses; of operands of branches and stack instructions */
    DIFFERENT_COUNT,   /* of encoded operands */
    DIFFERENT_IMPLIED, /* an operand the opcode implies */
    DIFFERENT_KIND,    /* register, memory or immediate */
    DIFFERENT_REGISTER,
    DIFFERENT_ADDRESS,
    DIFFERENT_IMMEDIATE,
    DIFFERENT_SIZE,
    DIFFERENT_ACCESS,
    DIFFERENT_FLAGS_READ,
    DIFFERENT_FLAGS_WRITTEN,
    DIFFERENT_IMPLICIT, /* which general registers are read or written in all */
    DIFFERENCES,
};

extern const char *const difference_names[DIFFERENCES];

void compare_init(struct compare *c);

/* Decodes with both and returns how they differ. */
enum difference compare(const struct compare *c, struct compared *out, const uint8_t *bytes,
                        size_t size, enum decode_mode mode);

#endif
