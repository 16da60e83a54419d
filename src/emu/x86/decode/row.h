#ifndef EMU_X86_DECODE_ROW_H
#define EMU_X86_DECODE_ROW_H
/* What a row of the instruction table says. */
#include <stdint.h>

#include "emu/x86/decode/operand.h"

#define TABLE_OPERANDS 4u

enum table_map { MAP_ONE, MAP_0F, MAP_0F38, MAP_0F3A, MAP_VEX1, MAP_VEX2, MAP_VEX3, MAPS };

/*
 * What tells encodings of the same map and opcode apart. The upper half of table_row.when is a mask
 * of the bits that count, the lower half their values.
 */
enum table_when {
    WHEN_REG = 7u << 0,  /* ModRM.reg */
    WHEN_MOD3 = 1u << 3, /* ModRM.mod is 3: a register */
    WHEN_RM = 7u << 4,   /* ModRM.rm */
    /* Mandatory prefixes: F2 or F3 hides 66, and the last of F2 and F3 counts. */
    WHEN_66 = 1u << 7,
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

/* The kind of instruction, for whoever executes it. */
enum table_class {
    CLASS_ALU,    /* general registers, memory, flags */
    CLASS_MOV,    /* general registers, memory, but no flags */
    CLASS_STACK,  /* push and pop of all kinds */
    CLASS_BRANCH, /* may set rip */
    CLASS_STRING,
    CLASS_IO,
    CLASS_NOP,
    CLASS_SYSTEM,
    CLASS_STATE, /* FXSAVE, XSAVE and their kin */
    CLASS_GPR,   /* as CLASS_ALU, but from an extension (BMI, ADX, POPCNT...) */
    CLASS_X87,
    CLASS_MMX,
    CLASS_SSE,
    CLASS_AVX,
    CLASS_UD, /* decodes, and raises #UD */
};

/* What the instruction needs; without it #GP, unless said otherwise. */
enum table_priv {
    PRIV_,
    PRIV_cpl0,
    PRIV_ud0,  /* #UD unless CPL 0 */
    PRIV_iopl, /* CPL <= IOPL; for ports, the permission bitmap can allow it instead */
    PRIV_umip, /* CPL 0 if CR4.UMIP is set */
    PRIV_tsd,  /* CPL 0 if CR4.TSD is set */
    PRIV_pce,  /* CPL 0 if CR4.PCE is clear */
    PRIV_pe,   /* #UD in real mode */
    PRIV_pe0,  /* #UD in real mode; otherwise as PRIV_cpl0 */
    PRIV_peu,  /* #UD in real mode; otherwise as PRIV_umip */
};

enum table_attr {
    ATTR_LOCK = 1u << 0,   /* LOCK is allowed if the destination is memory */
    ATTR_REP = 1u << 1,    /* F3 (and F2) repeat it; a count of 0 writes nothing */
    ATTR_REPZ = 1u << 2,   /* F3 repeats while equal, F2 while not */
    ATTR_ALIGN = 1u << 3,  /* #GP unless the memory operand is aligned to its size */
    ATTR_MAY = 1u << 4,    /* a count of 0 leaves the flags as they are */
    ATTR_XM = 1u << 5,     /* may raise #XM */
    ATTR_NOWAIT = 1u << 6, /* x87: a pending exception stays pending */
    ATTR_REGS = 1u << 7,   /* ModRM.mod is ignored: always a register */
    ATTR_VECS = 1u << 8,   /* writes every vector register */
    ATTR_MMX = 1u << 9,    /* an SSE instruction with an MMX operand: may raise #MF too */
    ATTR_AVX2 = 1u << 10,  /* with VEX.L the feature is AVX2, not AVX */
};

/* What the decoder must read and check, computed from the row. */
enum table_needs {
    NEEDS_IMM = 15u << 0, /* enum table_imm */
    NEEDS_MODRM = 1u << 4,
    NEEDS_VVVV = 1u << 5,  /* VEX.vvvv is an operand; otherwise it must be 1111 */
    NEEDS_CHECK = 1u << 6, /* not every register number exists */
    NEEDS_VSIB = 1u << 7,
    NEEDS_REG3 = 1u << 8, /* ModRM.reg names one of eight registers: REX.R is ignored */
    NEEDS_RM3 = 1u << 9,  /* ModRM.rm names one of eight registers: REX.B is ignored */
};

/* The immediate: its size; an s in the name means that it is sign-extended. IMM_b2 is a bit that
 * can be added to the others: one more byte follows. */
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
    uint8_t opcode;                  /* the first of its opcodes */
    uint8_t span;                    /* how many more follow: 7 for registers, 15 for conditions */
    uint8_t size;                    /* enum table_size */
    uint8_t operand[TABLE_OPERANDS]; /* enum operand; the destination first */
    uint8_t access;                  /* enum table_access of operand i in bits 2i and 2i + 1 */
    uint8_t effect;                  /* enum table_effect */
    uint8_t implicit;                /* enum table_implicit */
    uint8_t class;                   /* enum table_class */
    uint8_t priv;                    /* enum table_priv */
    uint8_t feature;                 /* enum table_feature */
};

_Static_assert(sizeof(struct table_row) == 24, "a thousand rows should stay in the cache");

#endif
