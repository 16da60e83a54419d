#ifndef EMU_X86_CPU_FLAGS_H
#define EMU_X86_CPU_FLAGS_H
/*
 * The arithmetic flags, kept as the host computed them.
 *
 * Guest and host have the same ISA, so the flags of a guest instruction are those of the host's own
 * instruction: the handler executes that one, then LAHF and SETO AL, and keeps AX. This costs no
 * more than saving the operands to compute the flags later, gives the host's values for flags that
 * the manuals leave undefined, and makes most conditions a single test. The word's layout:
 *
 *   bit  15 14 13 12 11 10  9  8   7 .. 1  0
 *        SF ZF  0 AF  0 PF  x CF     0     OF
 *
 * x is 1 in a word from LAHF and 0 in one made from RFLAGS; nothing depends on it.
 */
#include <stdbool.h>
#include <stdint.h>

typedef uint16_t flags_t;

#define FLAGS_OF ((flags_t)(1u << 0))
#define FLAGS_CF ((flags_t)(1u << 8))
#define FLAGS_PF ((flags_t)(1u << 10))
#define FLAGS_AF ((flags_t)(1u << 12))
#define FLAGS_ZF ((flags_t)(1u << 14))
#define FLAGS_SF ((flags_t)(1u << 15))

#define FLAGS_ALL (FLAGS_OF | FLAGS_CF | FLAGS_PF | FLAGS_AF | FLAGS_ZF | FLAGS_SF)

/* The same flags as bits of RFLAGS (SDM 1, 3.4.3.1). */
#define RFLAGS_ARITH 0x8d5u

static inline flags_t flags_from_rflags(uint64_t rflags)
{
    return (flags_t)((rflags & 0xd5u) << 8 | (rflags >> 11 & 1u));
}

static inline uint64_t flags_to_rflags(flags_t f)
{
    return (uint64_t)(f >> 8 & 0xd5u) | (uint64_t)(f & 1u) << 11;
}

/* Whether the flags meet condition code 0 to 15, as Jcc, SETcc and CMOVcc encode it (SDM 1,
 * appendix B). */
static inline bool flags_meet(flags_t f, unsigned cc)
{
    bool met;

    switch (cc >> 1) {
    case 0: /* O */
        met = f & FLAGS_OF;
        break;
    case 1: /* B */
        met = f & FLAGS_CF;
        break;
    case 2: /* E */
        met = f & FLAGS_ZF;
        break;
    case 3: /* BE */
        met = f & (FLAGS_CF | FLAGS_ZF);
        break;
    case 4: /* S */
        met = f & FLAGS_SF;
        break;
    case 5: /* P */
        met = f & FLAGS_PF;
        break;
    case 6: /* L */
        met = (f >> 15) != (f & 1u);
        break;
    default: /* LE */
        met = (f & FLAGS_ZF) || (f >> 15) != (f & 1u);
        break;
    }
    return met != (cc & 1u);
}

#endif
