#ifndef EMU_X86_DECODE_INSN_H
#define EMU_X86_DECODE_INSN_H
/*
 * One decoded instruction: a row of the instruction table and the fields the bytes gave it.
 *
 * The row says what the operands are: which of them is ModRM.reg, which is read, how wide it is.
 * This struct holds only numbers. Register numbers are final: REX or VEX has been applied, and bits
 * that the mode ignores are cleared.
 *
 * The *_at fields are offsets into the instruction's bytes, for code that copies or rewrites it.
 */
#include <stdint.h>

#define INSN_NONE 0xffu /* value of base and index: no such register */
#define INSN_RIP  0xfeu /* value of base: the address of the next instruction */

/* Bits of insn.flags. */
enum insn_flag {
    INSN_MEM = 1u << 0, /* ModRM.rm is memory: base, index, scale and disp hold its address */
    INSN_LOCK = 1u << 1,
    INSN_REP = 1u << 2,   /* F3 is the last of F2 and F3 */
    INSN_REPNE = 1u << 3, /* F2 is the last of F2 and F3 */
    INSN_REX = 1u << 4,   /* byte registers 4-7 are SPL, BPL, SIL, DIL, not AH, CH, DH, BH */
    INSN_W = 1u << 5,     /* REX.W or VEX.W, even if it has no effect */
    INSN_L = 1u << 6,     /* VEX.L: 256 bits */
    INSN_64 = 1u << 7,    /* decoded for 64-bit mode */
};

struct insn {
    /* The immediate, sign-extended if the row's operand is signed. Also a branch's displacement, a
     * far pointer's offset, or the address of a moffs operand. */
    uint64_t imm;
    int32_t disp;
    uint16_t imm2; /* a far pointer's selector, ENTER's nesting level */
    uint16_t row;  /* index into table_rows; never 0 */
    uint8_t len;
    uint8_t opcode;     /* its last byte; an x87 opcode goes on in modrm */
    uint8_t modrm;      /* 0 when there is none */
    uint8_t opcode_at;  /* of the last opcode byte */
    uint8_t modrm_at;   /* 0 if there is none */
    uint8_t disp_at;    /* 0 if there is none */
    uint8_t imm_at;     /* of the first immediate; 0 if there is none */
    uint8_t prefix_len; /* where REX (if it counts), VEX, an escape or the opcode begins */
    uint8_t osize;      /* operand size of the `v` operands: 2, 4 or 8 */
    uint8_t asize;      /* address size: 2, 4 or 8 */
    uint8_t seg;        /* enum x86_seg of the memory operand, default or override */
    uint8_t reg;        /* ModRM.reg, or the register in the opcode's low bits */
    uint8_t rm;         /* ModRM.rm if it is a register, that is, without INSN_MEM */
    uint8_t base;       /* 0-15, INSN_NONE, INSN_RIP */
    uint8_t index;      /* 0-15, INSN_NONE */
    uint8_t scale;      /* shift, 0 to 3 */
    uint8_t vvvv;       /* VEX.vvvv, inverted back */
    uint8_t flags;      /* enum insn_flag */
};

_Static_assert(sizeof(struct insn) <= 40, "one is cleared for every instruction decoded");

#endif
