#ifndef EMU_X86_DECODE_ROW_H
#define EMU_X86_DECODE_ROW_H
/* What a row of the instruction table says. */
#include <stdint.h>

#include "emu/x86/decode/operand.h"

#define TABLE_OPERANDS 4u

enum table_map { MAP_ONE, MAP_0F, MAP_0F38, MAP_0F3A, MAP_VEX1, MAP_VEX2, MAP_VEX3, MAPS };

/*
 * What an encoding is matched by, besides map and opcode. table_row.when holds the bits that must
 * agree in its upper half and their values in its lower one.
 */
enum table_when {
    WHEN_REG = 7u << 0, /* ModRM.reg, mod == 3, ModRM.rm */
    WHEN_MOD3 = 1u << 3,
    WHEN_RM = 7u << 4,
    WHEN_66 = 1u << 7, /* mandatory prefix: F2 and F3 hide 66, the last of them counts */
    WHEN_F3 = 1u << 8,
    WHEN_F2 = 1u << 9,
    WHEN_64 = 1u << 10, /* 64-bit mode */
    WHEN_W = 1u << 11,  /* REX.W, VEX.W */
    WHEN_L = 1u << 12,  /* VEX.L */
    WHEN_B = 1u << 13,  /* REX.B */
};

/* Operand size in 64-bit mode (SDM 2D, A.2.5). */
enum table_size { SIZES_NORMAL, SIZES_d64, SIZES_f64 };

enum table_access { ACCESS_N, ACCESS_R, ACCESS_W, ACCESS_U /* read and written */ };

/* What kind of thing the instruction is to whoever executes it. */
enum table_class {
    CLASS_ALU,    /* general registers, memory, flags */
    CLASS_MOV,    /* the same without flags */
    CLASS_STACK,  /* push and pop of all kinds */
    CLASS_BRANCH, /* may set rip */
    CLASS_STRING,
    CLASS_IO,
    CLASS_NOP,
    CLASS_SYSTEM,
    CLASS_STATE, /* FXSAVE, XSAVE and theirs */
    CLASS_GPR,   /* ALU that came as an extension (BMI, ADX, POPCNT...): fit to run natively */
    CLASS_X87,
    CLASS_MMX,
    CLASS_SSE,
    CLASS_AVX,
    CLASS_UD, /* decodes, and raises #UD */
};

enum table_priv {
    PRIV_,
    PRIV_cpl0,
    PRIV_ud0,  /* #UD unless CPL 0 */
    PRIV_iopl, /* CPL <= IOPL; IN and OUT: or the I/O bitmap allows it */
    PRIV_umip, /* CPL 0 while CR4.UMIP */
    PRIV_tsd,  /* CPL 0 while CR4.TSD */
    PRIV_pce,  /* CPL 0 unless CR4.PCE */
    PRIV_pe,   /* #UD in real mode */
    PRIV_pe0,  /* #UD in real mode, and CPL 0 */
    PRIV_peu,  /* #UD in real mode, and as umip */
};

enum table_attr {
    ATTR_LOCK = 1u << 0,   /* LOCK allowed when the destination is memory */
    ATTR_REP = 1u << 1,    /* F3 (and F2) repeat it; a count of 0 writes nothing */
    ATTR_REPZ = 1u << 2,   /* F3 repeats while equal, F2 while not */
    ATTR_ALIGN = 1u << 3,  /* #GP unless the memory operand is aligned to its size */
    ATTR_MAY = 1u << 4,    /* count 0 leaves the flags alone */
    ATTR_XM = 1u << 5,     /* may raise #XM */
    ATTR_NOWAIT = 1u << 6, /* x87: pending exceptions stay pending */
    ATTR_REGS = 1u << 7,   /* mod is ignored: always a register */
    ATTR_VECS = 1u << 8,   /* writes every vector register */
    ATTR_MMX = 1u << 9,    /* SSE that uses MMX registers too: what x87 and MMX raise, it raises */
    ATTR_AVX2 = 1u << 10,  /* feature AVX: AVX2 when VEX.L */
};

/* Precomputed for the decoder. */
enum table_needs {
    NEEDS_IMM = 15u << 0, /* enum table_imm */
    NEEDS_MODRM = 1u << 4,
    NEEDS_VVVV = 1u << 5,  /* otherwise it must be 1111 */
    NEEDS_CHECK = 1u << 6, /* not every register number exists */
    NEEDS_VSIB = 1u << 7,
    NEEDS_REG3 = 1u << 8, /* eight registers only: REX.R, or REX.B, means nothing */
    NEEDS_RM3 = 1u << 9,
};

/* What follows the address: sizes, and whether it is sign-extended; IMM_b2 is a bit: a byte more.
 */
enum table_imm { IMM_0, IMM_b, IMM_sb, IMM_w, IMM_sz, IMM_v, IMM_far, IMM_moffs, IMM_b2 };

enum mnemonic {
    MN_NONE,
#define MNEMONIC(name) MN_##name,
#include "emu/x86/decode/tables/mnemonic.def"
#undef MNEMONIC
    MNEMONICS,
};

enum table_effect {
#define EFFECT(name, read, written, undefined) EFFECT_##name,
#include "emu/x86/decode/tables/effect.def"
#undef EFFECT
    EFFECTS,
};

enum table_implicit {
#define IMPLICIT(name, read, written) IMPLICIT_##name,
#include "emu/x86/decode/tables/implicit.def"
#undef IMPLICIT
    IMPLICITS,
};

enum table_feature {
#define FEATURE(name, leaf, subleaf, reg, bit) FEATURE_##name,
#include "emu/x86/decode/tables/feature.def"
#undef FEATURE
    FEATURES,
};

struct table_row {
    uint32_t when;                   /* enum table_when: mask << 16 | value */
    uint16_t mnemonic;               /* enum mnemonic */
    uint16_t attr;                   /* enum table_attr */
    uint16_t needs;                  /* enum table_needs */
    uint8_t map;                     /* enum table_map */
    uint8_t opcode;                  /* the first, */
    uint8_t span;                    /* and how many more follow: 7 for a register, 15 for a cc */
    uint8_t size;                    /* enum table_size */
    uint8_t operand[TABLE_OPERANDS]; /* enum operand; the destination first */
    uint8_t access;                  /* enum table_access of operand i in bits 2i */
    uint8_t effect;                  /* enum table_effect */
    uint8_t implicit;                /* enum table_implicit */
    uint8_t class;                   /* enum table_class */
    uint8_t priv;                    /* enum table_priv */
    uint8_t feature;                 /* enum table_feature */
};

_Static_assert(sizeof(struct table_row) == 24, "a thousand rows should stay in the cache");

#endif
