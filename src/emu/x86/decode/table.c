/* The instruction table, laid out by the compiler from table.def: nothing is built at run time. */
#include "emu/x86/decode/table.h"

#include "emu/x86/decode/insn.h"

/* Values of the words in the rows. */
#define WHEN(mask, value) ((uint32_t)(mask) << 16 | (value))
#define PREFIXES          (WHEN_66 | WHEN_F3 | WHEN_F2)
#define MODRM_BITS        (WHEN_REG | WHEN_MOD3 | WHEN_RM)

#define WHEN_PREFIX_   0u
#define WHEN_PREFIX_NP WHEN(PREFIXES, 0u)
#define WHEN_PREFIX_66 WHEN(PREFIXES, WHEN_66)
#define WHEN_PREFIX_F3 WHEN(PREFIXES, WHEN_F3)
#define WHEN_PREFIX_F2 WHEN(PREFIXES, WHEN_F2)
#define WHEN_PREFIX_nF WHEN(WHEN_F3 | WHEN_F2, 0u)
#define WHEN_PREFIX_n3 WHEN(WHEN_F3, 0u)

#define WHEN_W_  0u
#define WHEN_W_0 WHEN(WHEN_W, 0u)
#define WHEN_W_1 WHEN(WHEN_W, WHEN_W)
#define WHEN_L_  0u
#define WHEN_L_0 WHEN(WHEN_L, 0u)
#define WHEN_L_1 WHEN(WHEN_L, WHEN_L)

#define WHEN_MODE_    0u
#define WHEN_MODE_i64 WHEN(WHEN_64, 0u)
#define WHEN_MODE_o64 WHEN(WHEN_64, WHEN_64)
#define WHEN_MODE_d64 0u
#define WHEN_MODE_f64 0u
#define SIZES_        SIZES_NORMAL
#define SIZES_i64     SIZES_NORMAL
#define SIZES_o64     SIZES_NORMAL

#define SPAN_  0u
#define SPAN_r 7u
#define SPAN_c 15u

enum {
    WHEN_MODRM_ = 0,
    WHEN_MODRM_m = WHEN(WHEN_MOD3, 0u),
    WHEN_MODRM_r = WHEN(WHEN_MOD3, WHEN_MOD3),
    WHEN_MODRM_B0 = WHEN(WHEN_B, 0u),
    WHEN_MODRM_B1 = WHEN(WHEN_B, WHEN_B),
#define REG(n)                                                                                 \
    WHEN_MODRM_##n = WHEN(WHEN_REG, n##u), WHEN_MODRM_m##n = WHEN(WHEN_REG | WHEN_MOD3, n##u), \
    WHEN_MODRM_r##n = WHEN(WHEN_REG | WHEN_MOD3, n##u | WHEN_MOD3),                            \
    WHEN_MODRM_m##n##W0 = WHEN(WHEN_REG | WHEN_MOD3 | WHEN_W, n##u),                           \
    WHEN_MODRM_m##n##W1 = WHEN(WHEN_REG | WHEN_MOD3 | WHEN_W, n##u | WHEN_W)
    REG(0),
    REG(1),
    REG(2),
    REG(3),
    REG(4),
    REG(5),
    REG(6),
    REG(7),
#undef REG
#define BYTE(n)       \
    WHEN_MODRM_x##n = \
        WHEN(MODRM_BITS, (0x##n##u >> 3 & WHEN_REG) | WHEN_MOD3 | (0x##n##u & 7u) << 4)
#define BYTES(n)                                                                            \
    BYTE(n##0), BYTE(n##1), BYTE(n##2), BYTE(n##3), BYTE(n##4), BYTE(n##5), BYTE(n##6),     \
        BYTE(n##7), BYTE(n##8), BYTE(n##9), BYTE(n##A), BYTE(n##B), BYTE(n##C), BYTE(n##D), \
        BYTE(n##E), BYTE(n##F)
    BYTES(C),
    BYTES(D),
    BYTES(E),
    BYTES(F),
#undef BYTES
#undef BYTE
};

/* How up to four operands are accessed: a letter each, in their order. */
enum {
#define ACCESS1(a)          ACCESS_##a
#define ACCESS2(a, b)       ACCESS1(a) | ACCESS_##b << 2
#define ACCESS3(a, b, c)    ACCESS2(a, b) | ACCESS_##c << 4
#define ACCESS4(a, b, c, d) ACCESS3(a, b, c) | ACCESS_##d << 6
    ACCESSES_N = ACCESS1(N),
    ACCESSES_R = ACCESS1(R),
    ACCESSES_W = ACCESS1(W),
    ACCESSES_U = ACCESS1(U),
    ACCESSES_NN = ACCESS2(N, N),
    ACCESSES_RR = ACCESS2(R, R),
    ACCESSES_WN = ACCESS2(W, N),
    ACCESSES_WR = ACCESS2(W, R),
    ACCESSES_UR = ACCESS2(U, R),
    ACCESSES_UU = ACCESS2(U, U),
    ACCESSES_WRR = ACCESS3(W, R, R),
    ACCESSES_URR = ACCESS3(U, R, R),
    ACCESSES_RRR = ACCESS3(R, R, R),
    ACCESSES_RRW = ACCESS3(R, R, W),
    ACCESSES_URU = ACCESS3(U, R, U),
    ACCESSES_WWR = ACCESS3(W, W, R),
    ACCESSES_WRRR = ACCESS4(W, R, R, R),
    ACCESSES_RRRW = ACCESS4(R, R, R, W),
};

enum {
    LOCK = ATTR_LOCK,
    REP = ATTR_REP,
    REPZ = ATTR_REPZ,
    ALIGN = ATTR_ALIGN,
    MAY = ATTR_MAY,
    XM = ATTR_XM,
    NOWAIT = ATTR_NOWAIT,
    REGS = ATTR_REGS,
    VECS = ATTR_VECS,
    MMX = ATTR_MMX,
    AVX2 = ATTR_AVX2,
};

/* What each operand asks of the decoder. */
#define IS(a, b) (PLACE_##a == PLACE_##b)
#define NEEDS_OPERAND(place, file, size)                                                          \
    ((IS(place, REG) || IS(place, RM) || IS(place, VSIB) ? NEEDS_MODRM : 0u) |                    \
     (IS(place, VSIB) ? NEEDS_VSIB : 0u) | (IS(place, VVVV) ? NEEDS_VVVV : 0u) |                  \
     (IS(place, REG) &&                                                                           \
              (FILE_##file == FILE_SEG || FILE_##file == FILE_CR || FILE_##file == FILE_DR)       \
          ? NEEDS_CHECK                                                                           \
          : 0u) |                                                                                 \
     (IS(place, REG) && (FILE_##file == FILE_SEG || FILE_##file == FILE_MMX) ? NEEDS_REG3 : 0u) | \
     (IS(place, RM) && (FILE_##file == FILE_MMX || FILE_##file == FILE_ST) ? NEEDS_RM3 : 0u) |    \
     NEEDS_IMM_##place(SIZE_##size))

#define NEEDS_IMM_NONE(size)   0u
#define NEEDS_IMM_REG(size)    0u
#define NEEDS_IMM_RM(size)     0u
#define NEEDS_IMM_VVVV(size)   0u
#define NEEDS_IMM_OPCODE(size) 0u
#define NEEDS_IMM_FIXED(size)  0u
#define NEEDS_IMM_ONE(size)    0u
#define NEEDS_IMM_SRC(size)    0u
#define NEEDS_IMM_DST(size)    0u
#define NEEDS_IMM_VSIB(size)   0u
#define NEEDS_IMM_IMM(size)    ((size) == SIZE_w ? IMM_w : IMM_b)
#define NEEDS_IMM_SIMM(size)   ((size) == SIZE_b ? IMM_sb : (size) == SIZE_v ? IMM_v : IMM_sz)
#define NEEDS_IMM_IMM2(size)   IMM_b2
#define NEEDS_IMM_IS4(size)    IMM_b
#define NEEDS_IMM_REL(size)    NEEDS_IMM_SIMM(size)
#define NEEDS_IMM_FAR(size)    IMM_far
#define NEEDS_IMM_MOFFS(size)  IMM_moffs

enum {
#define OPERAND(name, place, file, size, reg, fixed) \
    NEEDS_OPERAND_##name = NEEDS_OPERAND(place, file, size),
#include "emu/x86/decode/tables/operand.def"
#undef OPERAND
};

/* An enumerator for each row, named after the row's file and line. Its value is the row's index. */
#define NUMBER_(file, line) ROW_##file##_##line
#define NUMBER(file, line)  NUMBER_(file, line)

enum {
    ROW_NONE,
#define FULL(file, ...) NUMBER(file, __LINE__),
#include "emu/x86/decode/tables/table.def"
#undef FULL
    ROWS,
};

const unsigned table_count = ROWS;

const struct table_row table_rows[ROWS] = {
    [ROW_NONE] = { .map = MAPS },
#define FULL(file, page, op, few, prefix, modrm, mode, w, l, mn, o1, o2, o3, o4, reads, flags,     \
             gprs, kind, right, cpuid, more)                                                       \
    { .when =                                                                                      \
          WHEN_PREFIX_##prefix | WHEN_MODRM_##modrm | WHEN_MODE_##mode | WHEN_W_##w | WHEN_L_##l,  \
      .mnemonic = MN_##mn,                                                                         \
      .attr = more,                                                                                \
      .needs = NEEDS_OPERAND_##o1 | NEEDS_OPERAND_##o2 | NEEDS_OPERAND_##o3 | NEEDS_OPERAND_##o4 | \
               (WHEN_MODRM_##modrm >> 16 & MODRM_BITS ? NEEDS_MODRM : 0u),                         \
      .map = MAP_##page,                                                                           \
      .opcode = 0x##op,                                                                            \
      .span = SPAN_##few,                                                                          \
      .size = SIZES_##mode,                                                                        \
      .operand = { OPERAND_##o1, OPERAND_##o2, OPERAND_##o3, OPERAND_##o4 },                       \
      .access = ACCESSES_##reads,                                                                  \
      .effect = EFFECT_##flags,                                                                    \
      .implicit = IMPLICIT_##gprs,                                                                 \
      .class = CLASS_##kind,                                                                       \
      .priv = PRIV_##right,                                                                        \
      .feature = FEATURE_##cpuid },
#include "emu/x86/decode/tables/table.def"
#undef FULL
};

/* Every row initializes the entries of its opcodes. C lets the last one win, so that each entry is
 * the opcode's last row. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
const uint16_t table_last[MAPS][256] = {
#define FULL(file, page, op, few, ...) \
    [MAP_##page][0x##op... 0x##op + SPAN_##few] = NUMBER(file, __LINE__),
#include "emu/x86/decode/tables/table.def"
#undef FULL
};
#pragma GCC diagnostic pop

/* Bits of RFLAGS, for effect.def. */
enum {
    F_C = 1u << 0,
    F_P = 1u << 2,
    F_A = 1u << 4,
    F_Z = 1u << 6,
    F_S = 1u << 7,
    F_I = 1u << 9,
    F_D = 1u << 10,
    F_O = 1u << 11,
    F_AC = 1u << 18,
    F_EVERY = 0x3f7fd5,
};

static const struct {
    uint32_t read, written, undefined;
} effects[EFFECTS] = {
#define EFFECT(name, r, w, u) [EFFECT_##name] = { r, w, u },
#include "emu/x86/decode/tables/effect.def"
#undef EFFECT
};

/* The flags that conditions 0 and 1, 2 and 3, ... test (SDM 1, B.1). */
static const uint16_t condition_flags[8] = {
    F_O, F_C, F_Z, F_C | F_Z, F_S, F_P, F_S | F_O, F_Z | F_S | F_O,
};

uint32_t table_flags_read(const struct insn *insn)
{
    const struct table_row *row = &table_rows[insn->row];

    if (row->effect == EFFECT_cc)
        return condition_flags[insn->opcode >> 1 & 7u];
    return effects[row->effect].read;
}

uint32_t table_flags_written(const struct table_row *row)
{
    return effects[row->effect].written;
}

uint32_t table_flags_undefined(const struct table_row *row)
{
    return effects[row->effect].undefined;
}

static const struct {
    uint16_t read, written;
} implicits[IMPLICITS] = {
#define IMPLICIT(name, r, w) [IMPLICIT_##name] = { r, w },
#include "emu/x86/decode/tables/implicit.def"
#undef IMPLICIT
};

uint16_t table_gprs_read(const struct table_row *row)
{
    return implicits[row->implicit].read;
}

uint16_t table_gprs_written(const struct table_row *row)
{
    return implicits[row->implicit].written;
}

const char *table_name(enum mnemonic mnemonic)
{
    static const char *const names[MNEMONICS] = {
        [MN_NONE] = "(none)",
#define MNEMONIC(name) [MN_##name] = #name,
#include "emu/x86/decode/tables/mnemonic.def"
#undef MNEMONIC
    };

    return names[mnemonic];
}

enum table_feature table_feature(const struct insn *insn)
{
    const struct table_row *row = &table_rows[insn->row];

    if ((insn->flags & INSN_L) && (row->attr & ATTR_AVX2))
        return FEATURE_AVX2;
    return (enum table_feature)row->feature;
}

struct table_feature_bit table_feature_bit(enum table_feature feature)
{
    static const struct table_feature_bit bits[FEATURES] = {
#define FEATURE(name, leaf, subleaf, reg, bit) [FEATURE_##name] = { leaf, subleaf, reg, bit },
#include "emu/x86/decode/tables/feature.def"
#undef FEATURE
    };

    return bits[feature];
}
