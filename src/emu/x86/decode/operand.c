/* The operand kinds, and the register and width of an operand. */
#include "emu/x86/decode/operand.h"

#include <stdbool.h>

#include "emu/x86/decode/insn.h"

const struct operand_kind operand_kinds[OPERANDS] = {
#define OPERAND(name, place, file, size, reg, number) \
    [OPERAND_##name] = { PLACE_##place, FILE_##file, SIZE_##size, SIZE_##reg, number },
#include "emu/x86/decode/tables/operand.def"
#undef OPERAND
};

unsigned operand_reg(const struct insn *insn, enum operand operand)
{
    switch (operand_kinds[operand].place) {
    case PLACE_RM:
        return insn->rm;
    case PLACE_VVVV:
        return insn->vvvv;
    case PLACE_IS4:
        return (unsigned)insn->imm >> 4 & (insn->flags & INSN_64 ? 15u : 7u);
    case PLACE_FIXED:
        return operand_kinds[operand].fixed;
    default:
        return insn->reg;
    }
}

static unsigned operand_size_bytes(const struct insn *insn, enum operand_size size)
{
    static const uint16_t fixed[] = {
        [SIZE_b] = 1,   [SIZE_w] = 2,   [SIZE_d] = 4,    [SIZE_q] = 8,    [SIZE_t] = 10,
        [SIZE_dq] = 16, [SIZE_qq] = 32, [SIZE_fx] = 512, [SIZE_xs] = 576, [SIZE_0] = 0,
    };
    bool wide = insn->flags & INSN_64, l = insn->flags & INSN_L;
    unsigned z = insn->osize == 2 ? 2 : 4, y = wide && (insn->flags & INSN_W) ? 8 : 4;

    switch (size) {
    case SIZE_v:
        return insn->osize;
    case SIZE_z:
        return z;
    case SIZE_y:
        return y;
    case SIZE_n:
        return wide ? 8 : 4;
    case SIZE_c:
        return 2 * y;
    case SIZE_p:
        return insn->osize + 2u;
    case SIZE_a:
        return 2u * insn->osize;
    case SIZE_s:
        return wide ? 10 : 6;
    case SIZE_x:
        return l ? 32 : 16;
    case SIZE_h:
        return l ? 16 : 8;
    case SIZE_e:
        return l ? 8 : 4;
    case SIZE_i:
        return l ? 4 : 2;
    case SIZE_m:
        return l ? 32 : 8;
    case SIZE_fe:
        return insn->osize == 2 ? 14 : 28;
    case SIZE_fs:
        return insn->osize == 2 ? 94 : 108;
    default:
        return fixed[size];
    }
}

unsigned operand_bytes(const struct insn *insn, enum operand operand)
{
    const struct operand_kind *kind = &operand_kinds[operand];
    bool is_reg = kind->place == PLACE_RM && !(insn->flags & INSN_MEM);

    return operand_size_bytes(insn, is_reg ? kind->reg_size : kind->size);
}
