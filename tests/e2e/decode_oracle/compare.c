/* Compares mote's decoding of an instruction with Zydis': validity, length, operands, flags,
 * registers. */
#include "e2e/decode_oracle/compare.h"

#include <stdbool.h>

#include "core/x86/regs.h"
#include "emu/x86/decode/table.h"

const char *const difference_names[DIFFERENCES] = {
    [DIFFERENT_NOT] = "none",
    [DIFFERENT_OURS] = "valid here only",
    [DIFFERENT_THEIRS] = "valid for Zydis only",
    [DIFFERENT_LENGTH] = "length",
    [DIFFERENT_WIDTH] = "operand or address width",
    [DIFFERENT_COUNT] = "number of encoded operands",
    [DIFFERENT_IMPLIED] = "implied operand",
    [DIFFERENT_KIND] = "operand kind",
    [DIFFERENT_REGISTER] = "register",
    [DIFFERENT_ADDRESS] = "address",
    [DIFFERENT_IMMEDIATE] = "immediate",
    [DIFFERENT_SIZE] = "operand size",
    [DIFFERENT_ACCESS] = "access",
    [DIFFERENT_FLAGS_READ] = "flags read",
    [DIFFERENT_FLAGS_WRITTEN] = "flags written",
    [DIFFERENT_IMPLICIT] = "implicit registers",
};

void compare_init(struct compare *c)
{
    static const struct {
        ZydisMachineMode machine;
        ZydisStackWidth stack;
    } modes[DECODE_MODES] = {
        [DECODE_16] = { ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16 },
        [DECODE_32] = { ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32 },
        [DECODE_64] = { ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64 },
        [DECODE_64_AMD] = { ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64 },
    };

    for (unsigned i = 0; i < DECODE_MODES; i++) {
        ZydisDecoderInit(&c->decoder[i], modes[i].machine, modes[i].stack);
        ZydisDecoderEnableMode(&c->decoder[i], ZYDIS_DECODER_MODE_MPX, false);
        ZydisDecoderEnableMode(&c->decoder[i], ZYDIS_DECODER_MODE_CET, false);
        ZydisDecoderEnableMode(&c->decoder[i], ZYDIS_DECODER_MODE_CLDEMOTE, false);
        ZydisDecoderEnableMode(&c->decoder[i], ZYDIS_DECODER_MODE_WBNOINVD, false);
    }
    ZydisDecoderEnableMode(&c->decoder[DECODE_64_AMD], ZYDIS_DECODER_MODE_AMD_BRANCHES, true);
}

/* Zydis orders byte registers AL-BL, AH-BH, SPL-DIL, R8B-R15B. */
static unsigned byte_register(const struct insn *insn, unsigned reg)
{
    if (reg < 4)
        return reg;
    if (reg >= 8)
        return reg + 4;
    return insn->flags & INSN_REX ? reg + 4 : reg;
}

static ZydisRegisterClass gpr_class(unsigned bytes)
{
    switch (bytes) {
    case 1:
        return ZYDIS_REGCLASS_GPR8;
    case 2:
        return ZYDIS_REGCLASS_GPR16;
    case 4:
        return ZYDIS_REGCLASS_GPR32;
    default:
        return ZYDIS_REGCLASS_GPR64;
    }
}

static ZydisRegister zydis_register(const struct insn *insn, enum operand operand)
{
    unsigned bytes = operand_bytes(insn, operand), reg = operand_reg(insn, operand);

    switch (operand_kinds[operand].file) {
    case FILE_GPR:
        return ZydisRegisterEncode(gpr_class(bytes),
                                   (ZyanU8)(bytes == 1 ? byte_register(insn, reg) : reg));
    case FILE_SEG:
        return ZydisRegisterEncode(ZYDIS_REGCLASS_SEGMENT, (ZyanU8)reg);
    case FILE_CR:
        return ZydisRegisterEncode(ZYDIS_REGCLASS_CONTROL, (ZyanU8)reg);
    case FILE_DR:
        return ZydisRegisterEncode(ZYDIS_REGCLASS_DEBUG, (ZyanU8)reg);
    case FILE_MMX:
        return ZydisRegisterEncode(ZYDIS_REGCLASS_MMX, (ZyanU8)reg);
    case FILE_ST:
        return ZydisRegisterEncode(ZYDIS_REGCLASS_X87, (ZyanU8)reg);
    default:
        return ZydisRegisterEncode(bytes == 32 ? ZYDIS_REGCLASS_YMM : ZYDIS_REGCLASS_XMM,
                                   (ZyanU8)reg);
    }
}

static ZydisRegister address_register(const struct insn *insn, unsigned reg)
{
    if (reg == INSN_NONE)
        return ZYDIS_REGISTER_NONE;
    if (reg == INSN_RIP)
        return insn->asize == 8 ? ZYDIS_REGISTER_RIP : ZYDIS_REGISTER_EIP;
    return ZydisRegisterEncode(gpr_class(insn->asize), (ZyanU8)reg);
}

static ZydisRegister index_register(const struct insn *insn, enum operand operand)
{
    bool half = operand_kinds[operand].reg_size == SIZE_dq || !(insn->flags & INSN_L);

    if (operand_kinds[operand].place == PLACE_VSIB)
        return ZydisRegisterEncode(half ? ZYDIS_REGCLASS_XMM : ZYDIS_REGCLASS_YMM, insn->index);
    return address_register(insn, insn->index);
}

static ZydisOperandType operand_type(const struct insn *insn, enum operand operand)
{
    switch (operand_kinds[operand].place) {
    case PLACE_RM:
        return insn->flags & INSN_MEM ? ZYDIS_OPERAND_TYPE_MEMORY : ZYDIS_OPERAND_TYPE_REGISTER;
    case PLACE_MOFFS:
    case PLACE_SRC:
    case PLACE_DST:
    case PLACE_VSIB:
        return ZYDIS_OPERAND_TYPE_MEMORY;
    case PLACE_FAR:
        return ZYDIS_OPERAND_TYPE_POINTER;
    case PLACE_IMM:
    case PLACE_SIMM:
    case PLACE_IMM2:
    case PLACE_ONE:
    case PLACE_REL:
        return ZYDIS_OPERAND_TYPE_IMMEDIATE;
    default:
        return ZYDIS_OPERAND_TYPE_REGISTER;
    }
}

static uint64_t low_bits(uint64_t value, unsigned bits)
{
    return bits >= 64 ? value : value & ((UINT64_C(1) << bits) - 1);
}

static ZydisRegister segment(unsigned seg)
{
    return ZydisRegisterEncode(ZYDIS_REGCLASS_SEGMENT, (ZyanU8)seg);
}

static bool same_address(const struct insn *insn, enum operand operand,
                         const ZydisDecodedOperandMem *mem)
{
    enum operand_place place = (enum operand_place)operand_kinds[operand].place;

    if (place == PLACE_DST)
        return mem->segment == ZYDIS_REGISTER_ES && mem->base == address_register(insn, X86_RDI);
    if (mem->type == ZYDIS_MEMOP_TYPE_MEM && mem->segment != segment(insn->seg))
        return false;
    if (place == PLACE_SRC)
        return true; /* compare_effects checks which register it is */
    if (place == PLACE_MOFFS)
        return mem->base == ZYDIS_REGISTER_NONE && mem->index == ZYDIS_REGISTER_NONE &&
               low_bits((uint64_t)mem->disp.value, 8u * insn->asize) == insn->imm;
    return mem->base == address_register(insn, insn->base) &&
           mem->index == index_register(insn, operand) &&
           (insn->index == INSN_NONE || mem->scale == 1u << insn->scale) &&
           (mem->disp.has_displacement ? mem->disp.value : 0) == insn->disp;
}

static bool same_immediate(const struct insn *insn, enum operand operand,
                           const ZydisDecodedOperand *zydis)
{
    unsigned bits = zydis->size;

    switch (operand_kinds[operand].place) {
    case PLACE_FAR:
        return zydis->ptr.offset == insn->imm && zydis->ptr.segment == insn->imm2;
    case PLACE_IMM2:
        return zydis->imm.value.u == insn->imm2;
    case PLACE_ONE:
        return zydis->imm.value.u == 1;
    default:
        return low_bits(zydis->imm.value.u, bits) == low_bits(insn->imm, bits);
    }
}

/* A conditional write may leave the old value: mote's table calls that a read. */
static bool same_access(enum table_access access, const ZydisDecodedOperand *zydis)
{
    bool reads = zydis->actions & ZYDIS_OPERAND_ACTION_MASK_READ;
    bool writes = zydis->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;

    if (zydis->type == ZYDIS_OPERAND_TYPE_REGISTER &&
        (zydis->actions & ZYDIS_OPERAND_ACTION_CONDWRITE))
        reads = true;
    return reads == (access == ACCESS_R || access == ACCESS_U) &&
           writes == (access == ACCESS_W || access == ACCESS_U);
}

static enum difference compare_operand(const struct insn *insn, unsigned i,
                                       const ZydisDecodedOperand *zydis)
{
    const struct table_row *row = &table_rows[insn->row];
    enum operand operand = (enum operand)row->operand[i];
    enum table_access access = table_access(row, i);
    unsigned bytes = operand_bytes(insn, operand);

    if (operand_type(insn, operand) != zydis->type)
        return DIFFERENT_KIND;
    switch (zydis->type) {
    case ZYDIS_OPERAND_TYPE_REGISTER:
        if (zydis->reg.value != zydis_register(insn, operand))
            return DIFFERENT_REGISTER;
        break;
    case ZYDIS_OPERAND_TYPE_MEMORY:
        if (!same_address(insn, operand, &zydis->mem))
            return DIFFERENT_ADDRESS;
        if (access != ACCESS_N && zydis->size != 8 * bytes)
            return DIFFERENT_SIZE;
        break;
    default:
        if (!same_immediate(insn, operand, zydis))
            return DIFFERENT_IMMEDIATE;
        return DIFFERENT_NOT;
    }
    return same_access(access, zydis) ? DIFFERENT_NOT : DIFFERENT_ACCESS;
}

/* Is the operand encoded, not implied by the opcode? */
static bool is_encoded(enum operand operand)
{
    switch (operand_kinds[operand].place) {
    case PLACE_NONE:
    case PLACE_FIXED:
    case PLACE_ONE:
    case PLACE_SRC:
    case PLACE_DST:
        return false;
    default:
        return true;
    }
}

/* Is there an operand that Zydis does not count as explicit and that agrees with ours? */
static bool has_implied(const struct compared *c, unsigned i)
{
    for (unsigned z = 0; z < c->zydis.operand_count; z++) {
        if (c->operand[z].visibility != ZYDIS_OPERAND_VISIBILITY_EXPLICIT &&
            compare_operand(&c->insn, i, &c->operand[z]) == DIFFERENT_NOT)
            return true;
    }
    return false;
}

static unsigned next_explicit(const struct compared *c, unsigned z)
{
    while (z < c->zydis.operand_count &&
           c->operand[z].visibility != ZYDIS_OPERAND_VISIBILITY_EXPLICIT)
        z++;
    return z;
}

/* Encoded operands must agree in order, and each implied operand of mote's must be one of Zydis'.
 * compare_effects finds those that only Zydis has. */
static enum difference compare_operands(const struct compared *c)
{
    const struct table_row *row = &table_rows[c->insn.row];
    enum difference difference;
    unsigned i, z = 0;

    for (i = 0; i < TABLE_OPERANDS; i++) {
        if (row->operand[i] == OPERAND_)
            continue;
        if (!is_encoded((enum operand)row->operand[i])) {
            if (!has_implied(c, i))
                return DIFFERENT_IMPLIED;
            continue;
        }
        z = next_explicit(c, z);
        if (z == c->zydis.operand_count)
            return DIFFERENT_COUNT;
        difference = compare_operand(&c->insn, i, &c->operand[z++]);
        if (difference != DIFFERENT_NOT)
            return difference;
    }
    return next_explicit(c, z) == c->zydis.operand_count ? DIFFERENT_NOT : DIFFERENT_COUNT;
}

struct gprs {
    uint16_t read, written;
};

static uint16_t reg_bit(unsigned reg)
{
    return reg < 16 ? (uint16_t)(1u << reg) : 0;
}

/* AH is a part of RAX. */
static unsigned whole_register(const struct insn *insn, enum operand operand)
{
    unsigned reg = operand_reg(insn, operand);
    bool high =
        operand_bytes(insn, operand) == 1 && reg >= 4 && reg < 8 && !(insn->flags & INSN_REX);

    return high ? reg - 4 : reg;
}

static struct gprs our_gprs(const struct insn *insn)
{
    const struct table_row *row = &table_rows[insn->row];
    struct gprs g = { table_gprs_read(row), table_gprs_written(row) };

    for (unsigned i = 0; i < TABLE_OPERANDS; i++) {
        enum operand operand = (enum operand)row->operand[i];
        enum table_access access = table_access(row, i);
        uint16_t bit;

        if (operand_kinds[operand].file != FILE_GPR ||
            operand_type(insn, operand) != ZYDIS_OPERAND_TYPE_REGISTER)
            continue;
        bit = reg_bit(whole_register(insn, operand));
        if (access & ACCESS_R)
            g.read |= bit;
        if (access & ACCESS_W)
            g.written |= bit;
    }
    if ((row->attr & (ATTR_REP | ATTR_REPZ)) && !(insn->flags & (INSN_REP | INSN_REPNE))) {
        g.read &= (uint16_t)~reg_bit(X86_RCX);
        g.written &= (uint16_t)~reg_bit(X86_RCX);
    }
    if (insn->flags & INSN_MEM) {
        g.read |= reg_bit(insn->base);
        if (!(row->needs & NEEDS_VSIB))
            g.read |= reg_bit(insn->index);
    }
    return g;
}

static uint16_t zydis_bit(ZydisRegister reg)
{
    ZydisRegister whole;

    whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);
    return ZydisRegisterGetClass(whole) == ZYDIS_REGCLASS_GPR64
               ? reg_bit((unsigned)ZydisRegisterGetId(whole))
               : 0;
}

static struct gprs zydis_gprs(const struct compared *c)
{
    struct gprs g = { 0, 0 };

    for (unsigned i = 0; i < c->zydis.operand_count; i++) {
        const ZydisDecodedOperand *o = &c->operand[i];

        if (o->type == ZYDIS_OPERAND_TYPE_MEMORY)
            g.read |= zydis_bit(o->mem.base) | zydis_bit(o->mem.index);
        if (o->type != ZYDIS_OPERAND_TYPE_REGISTER)
            continue;
        if (o->actions & (ZYDIS_OPERAND_ACTION_MASK_READ | ZYDIS_OPERAND_ACTION_CONDWRITE))
            g.read |= zydis_bit(o->reg.value);
        if (o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)
            g.written |= zydis_bit(o->reg.value);
    }
    return g;
}

/* CF PF AF ZF SF IF DF OF: what code can depend on. */
#define COMPARED_FLAGS 0xed5u

static enum difference compare_effects(const struct compared *c)
{
    const struct table_row *row = &table_rows[c->insn.row];
    const ZydisAccessedFlags *f = c->zydis.cpu_flags;
    uint32_t written = f->modified | f->set_0 | f->set_1 | f->undefined;
    struct gprs ours = our_gprs(&c->insn), theirs = zydis_gprs(c);

    if ((table_flags_read(&c->insn) ^ f->tested) & COMPARED_FLAGS)
        return DIFFERENT_FLAGS_READ;
    if ((table_flags_written(row) ^ written) & COMPARED_FLAGS)
        return DIFFERENT_FLAGS_WRITTEN;
    if (ours.read != theirs.read || ours.written != theirs.written)
        return DIFFERENT_IMPLICIT;
    return DIFFERENT_NOT;
}

/* Compares the operand size of stack and branch instructions, since no operand need show it. */
static bool same_widths(const struct insn *insn, const ZydisDecodedInstruction *zydis)
{
    enum table_class class = (enum table_class)table_rows[insn->row].class;

    if (zydis->address_width != 8u * insn->asize)
        return false;
    return (class != CLASS_STACK && class != CLASS_BRANCH) ||
           zydis->operand_width == 8u * insn->osize;
}

enum difference compare(const struct compare *c, struct compared *out, const uint8_t *bytes,
                        size_t size, enum decode_mode mode)
{
    enum difference difference;
    bool ours, theirs;

    out->result = decode(&out->insn, bytes, size, mode);
    out->status = ZydisDecoderDecodeFull(&c->decoder[mode], bytes, size, &out->zydis, out->operand);
    ours = out->result == DECODE_OK;
    theirs = ZYAN_SUCCESS(out->status);
    if (!ours && !theirs)
        return DIFFERENT_NOT;
    if (ours != theirs)
        return ours ? DIFFERENT_OURS : DIFFERENT_THEIRS;
    if (out->insn.len != out->zydis.length)
        return DIFFERENT_LENGTH;
    if (!same_widths(&out->insn, &out->zydis))
        return DIFFERENT_WIDTH;
    difference = compare_operands(out);
    return difference != DIFFERENT_NOT ? difference : compare_effects(out);
}
