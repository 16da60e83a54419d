#ifndef EMU_X86_DECODE_OPERAND_H
#define EMU_X86_DECODE_OPERAND_H
/*
 * The operand notation of the instruction table: that of the SDM's opcode maps (2D, A.2), with a
 * few more kinds where the maps leave the size open.
 *
 * Each kind in operand.def says where the operand is encoded, what it is, and how wide it is.
 */
#include <stdint.h>

struct insn;

/* Where the encoding holds the operand. */
enum operand_place {
    PLACE_NONE,
    PLACE_REG,    /* ModRM.reg */
    PLACE_RM,     /* ModRM.rm, register or memory */
    PLACE_VVVV,   /* VEX.vvvv */
    PLACE_OPCODE, /* low three bits of the opcode, with REX.B */
    PLACE_FIXED,  /* not encoded: always register operand_kind.fixed */
    PLACE_IMM,    /* insn.imm, zero-extended */
    PLACE_SIMM,   /* insn.imm, sign-extended */
    PLACE_IMM2,   /* insn.imm2 */
    PLACE_IS4,    /* a register number in bits 7:4 of the immediate byte */
    PLACE_ONE,    /* the constant 1 */
    PLACE_REL,    /* branch displacement from the next instruction, in insn.imm */
    PLACE_FAR,    /* far pointer: offset in insn.imm, selector in insn.imm2 */
    PLACE_MOFFS,  /* memory at the address insn.imm */
    PLACE_SRC,    /* memory at seg:rSI (XLAT: seg:rBX+AL, MASKMOV: seg:rDI) */
    PLACE_DST,    /* memory at ES:rDI */
    PLACE_VSIB,   /* ModRM memory, indexed by a vector register: several elements */
};

/* The file of a register operand. A PLACE_RM operand of FILE_NONE is always memory. */
enum operand_file {
    FILE_NONE,
    FILE_GPR,
    FILE_SEG,
    FILE_CR,
    FILE_DR,
    FILE_MMX,
    FILE_VEC, /* XMM, or YMM if VEX.L is set */
    FILE_ST,
};

/* How wide the operand is; operand_bytes() resolves the variable sizes. */
enum operand_size {
    SIZE_0, /* no access: an address (LEA), or state whose size is not one number */
    SIZE_b,
    SIZE_w,
    SIZE_d,
    SIZE_q,
    SIZE_t,  /* 10 bytes */
    SIZE_dq, /* 16 */
    SIZE_qq, /* 32 */
    SIZE_v,  /* operand size: 2, 4 or 8 */
    SIZE_z,  /* operand size, at most 4 */
    SIZE_y,  /* 8 with W in 64-bit mode, else 4 */
    SIZE_n,  /* 8 in 64-bit mode, else 4: control registers */
    SIZE_c,  /* twice `y`: CMPXCHG8B, CMPXCHG16B */
    SIZE_p,  /* selector and offset of operand size */
    SIZE_a,  /* BOUND: twice the operand size */
    SIZE_s,  /* descriptor-table register: 6, or 10 in 64-bit mode */
    SIZE_x,  /* 16, or 32 with VEX.L */
    SIZE_h,  /* half of x */
    SIZE_e,  /* a quarter of x */
    SIZE_i,  /* an eighth of x */
    SIZE_m,  /* MOVDDUP: 8, or 32 with VEX.L */
    SIZE_fe, /* x87 environment: 14 or 28 by operand size */
    SIZE_fs, /* x87 state: 94 or 108 */
    SIZE_fx, /* FXSAVE area, 512 */
    SIZE_xs, /* XSAVE area: 576, the least; XCR0 and the mask can make it larger (op_state.c) */
};

struct operand_kind {
    uint8_t place;    /* enum operand_place */
    uint8_t file;     /* enum operand_file */
    uint8_t size;     /* enum operand_size; PLACE_RM: as memory; PLACE_VSIB: one element */
    uint8_t reg_size; /* enum operand_size; PLACE_RM: as register; PLACE_VSIB: index register */
    uint8_t fixed;    /* PLACE_FIXED: register number */
};

enum operand {
#define OPERAND(name, place, file, size, reg, fixed) OPERAND_##name,
#include "emu/x86/decode/tables/operand.def"
#undef OPERAND
    OPERANDS,
};

extern const struct operand_kind operand_kinds[OPERANDS];

/* The register number of an operand that is a register. */
unsigned operand_reg(const struct insn *insn, enum operand operand);

/* The width of the operand in bytes, as the register or memory that it is in this instruction. For
 * a gather's memory it is the width of one element. */
unsigned operand_bytes(const struct insn *insn, enum operand operand);

#endif
