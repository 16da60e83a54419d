/*
 * Instruction decoder.
 *
 * An instruction is prefixes, an opcode in one of seven maps, and what the table row of that
 * encoding asks for: ModRM and an address, an immediate. The decoder first gathers in one word the
 * bits that tell rows apart, so that finding the row takes a few comparisons (table_find).
 *
 * Reads are not checked byte by byte: whatever the bytes are, the decoder stays within the first
 * WINDOW of them. A shorter input is decoded from a copy padded with zeros. Only the verdict asks
 * how far the decoder has read: if it went beyond the input, more bytes are needed, whatever the
 * zeros decoded to.
 */
#include "emu/x86/decode/decode.h"

#include <stdbool.h>
#include <string.h>

#include "core/x86/regs.h"
#include "emu/x86/decode/table.h"

/* Prefixes (the decoder gives up at the 15th), three bytes of escapes or VEX, opcode, ModRM, SIB,
 * displacement, immediate. */
#define WINDOW 33u
_Static_assert(WINDOW >= DECODE_BYTES_MAX + 3 + 1 + 2 + 4 + 8, "all that is read without a check");

/* The bits of REX, 0100WRXB. VEX has the same ones. */
#define REX_B 1u
#define REX_X 2u
#define REX_R 4u
#define REX_W 8u

#define MODRM_MOD(m) ((m) >> 6)
#define MODRM_REG(m) ((m) >> 3 & 7u)
#define MODRM_RM(m)  ((m)&7u)

#define NO_OVERRIDE 0xffu

struct decoder {
    const uint8_t *bytes;
    unsigned at; /* bytes consumed */
    enum decode_mode mode;
    enum table_map map;
    bool lock;
    bool osize; /* 66 */
    bool asize; /* 67 */
    bool vex;
    bool l;
    bool amd;
    uint8_t repeat; /* the last of F2 and F3, or 0 */
    uint8_t seg;    /* enum x86_seg or NO_OVERRIDE */
    uint8_t rex;    /* 0, the REX byte, or the same bits of VEX */
    uint8_t vvvv;
    uint8_t prefix_len;
};

static uint8_t decoder_next(struct decoder *d)
{
    return d->bytes[d->at++];
}

/* Overrides with ES, CS, SS and DS are ignored in 64-bit mode. */
static void prefix_take(struct decoder *d, uint8_t byte)
{
    switch (byte) {
    case 0x26:
    case 0x2e:
    case 0x36:
    case 0x3e:
        if (d->mode != DECODE_64)
            d->seg = byte >> 3 & 3u;
        break;
    case 0x64:
    case 0x65:
        d->seg = byte & 7u;
        break;
    case 0x66:
        d->osize = true;
        break;
    case 0x67:
        d->asize = true;
        break;
    case 0xf0:
        d->lock = true;
        break;
    default:
        d->repeat = byte;
        break;
    }
}
_Static_assert((0x64 & 7) == X86_FS && (0x65 & 7) == X86_GS, "override bytes carry the number");
_Static_assert((0x26 >> 3 & 3) == X86_ES && (0x3e >> 3 & 3) == X86_DS, "likewise");

/* One bit for each byte that is a legacy prefix. */
#define BIT(byte) (1u << ((byte)&31))
static const uint32_t prefix_bytes[8] = {
    [0x26 >> 5] = BIT(0x26) | BIT(0x2e) | BIT(0x36) | BIT(0x3e),
    [0x64 >> 5] = BIT(0x64) | BIT(0x65) | BIT(0x66) | BIT(0x67),
    [0xf0 >> 5] = BIT(0xf0) | BIT(0xf2) | BIT(0xf3),
};

/* Reads legacy prefixes and REX. A REX before a legacy prefix is ignored. False: too many. */
static bool prefixes_read(struct decoder *d)
{
    uint8_t byte;

    while (true) {
        byte = d->bytes[d->at];
        if (d->mode == DECODE_64 && (byte & 0xf0u) == 0x40) {
            d->rex = byte;
            d->prefix_len = (uint8_t)d->at;
        } else if (prefix_bytes[byte >> 5] >> (byte & 31u) & 1u) {
            prefix_take(d, byte);
            d->rex = 0;
            d->prefix_len = (uint8_t)(d->at + 1);
        } else {
            return true;
        }
        if (++d->at == DECODE_BYTES_MAX)
            return false;
    }
}

/* Outside 64-bit mode C4 and C5 are LES and LDS, unless their ModRM would have mod 3. */
static bool is_vex(const struct decoder *d)
{
    return (d->bytes[d->at] & 0xfeu) == 0xc4 &&
           (d->mode == DECODE_64 || MODRM_MOD(d->bytes[d->at + 1]) == 3);
}

/* SDM 2A, 2.3.5. False: there is a prefix that VEX must not follow (REX, 66, F2, F3, LOCK), or no
 * such map. */
static bool vex_read(struct decoder *d)
{
    static const uint8_t repeats[4] = { 0, 0, 0xf3, 0xf2 };
    bool three = decoder_next(d) == 0xc4;
    unsigned first = decoder_next(d);
    unsigned last = first;
    unsigned map = 1;

    if (d->rex || d->osize || d->repeat || d->lock)
        return false;
    d->rex = (uint8_t)(~first >> 5 & REX_R);
    if (three) {
        last = decoder_next(d);
        map = first & 0x1fu;
        d->rex = (uint8_t)((~first >> 5 & 7u) | (last >> 4 & REX_W));
    }
    if (map < 1 || map > 3)
        return false;
    d->map = (enum table_map)(MAP_VEX1 + map - 1);
    d->vex = true;
    d->vvvv = ~last >> 3 & 15u;
    d->l = last & 4u;
    d->osize = (last & 3u) == 1;
    d->repeat = repeats[last & 3u];
    if (d->mode != DECODE_64) /* eight registers: B is ignored, R and X cannot be set */
        d->rex &= REX_W;
    return true;
}

static void escape_read(struct decoder *d)
{
    uint8_t byte = d->bytes[d->at];

    d->map = MAP_ONE;
    if (byte != 0x0f)
        return;
    d->map = MAP_0F;
    byte = d->bytes[++d->at];
    if (byte == 0x38)
        d->map = MAP_0F38;
    else if (byte == 0x3a)
        d->map = MAP_0F3A;
    else
        return;
    d->at++;
}

/* The bits that tell rows apart, as enum table_when. */
static uint32_t row_state(const struct decoder *d, uint8_t modrm)
{
    uint32_t state = MODRM_REG(modrm) | (uint32_t)MODRM_RM(modrm) << 4;

    if (MODRM_MOD(modrm) == 3)
        state |= WHEN_MOD3;
    if (d->repeat)
        state |= d->repeat == 0xf3 ? WHEN_F3 : WHEN_F2;
    else if (d->osize)
        state |= WHEN_66;
    if (d->mode == DECODE_64)
        state |= WHEN_64;
    if (d->l)
        state |= WHEN_L;
    state |= (d->rex & REX_W ? WHEN_W : 0u) | (d->rex & REX_B ? WHEN_B : 0u);
    return state;
}

static unsigned insn_operand_size(const struct decoder *d, const struct table_row *row)
{
    if (d->mode != DECODE_64)
        return (d->mode == DECODE_32) != d->osize ? 4 : 2;
    if ((row->size == SIZES_f64 && !d->amd) || (d->rex & REX_W))
        return 8;
    if (d->osize)
        return 2;
    return row->size == SIZES_d64 || row->size == SIZES_f64 ? 8 : 4;
}

static unsigned insn_address_size(const struct decoder *d)
{
    if (d->mode == DECODE_64)
        return d->asize ? 4 : 8;
    return (d->mode == DECODE_32) != d->asize ? 4 : 2;
}

/* Reads a little-endian number of 0 to 8 bytes, sign-extended. It shifts twice, since one shift by
 * 64 is undefined. A branch for each size would be mispredicted too often. */
static int64_t number_read(struct decoder *d, unsigned size)
{
    unsigned half = 32 - 4 * size;
    uint64_t raw;

    memcpy(&raw, d->bytes + d->at, sizeof raw);
    d->at += size;
    return (int64_t)(raw << half << half) >> half >> half;
}

static void disp_read(struct decoder *d, struct insn *insn, unsigned size)
{
    insn->disp_at = (uint8_t)(size ? d->at : 0);
    insn->disp = (int32_t)number_read(d, size);
}

/* SDM 2A, table 2-1. */
static void address16_read(struct decoder *d, struct insn *insn)
{
    static const uint8_t base[8] = { X86_RBX, X86_RBX, X86_RBP, X86_RBP,
                                     X86_RSI, X86_RDI, X86_RBP, X86_RBX };
    static const uint8_t index[8] = { X86_RSI,   X86_RDI,   X86_RSI,   X86_RDI,
                                      INSN_NONE, INSN_NONE, INSN_NONE, INSN_NONE };
    unsigned mod = MODRM_MOD(insn->modrm), rm = MODRM_RM(insn->modrm);

    insn->base = base[rm];
    insn->index = index[rm];
    if (mod == 0 && rm == 6) {
        insn->base = INSN_NONE;
        mod = 2;
    }
    disp_read(d, insn, mod);
}

/* SDM 2A, tables 2-2 and 2-3. */
static void address_read(struct decoder *d, struct insn *insn, bool vsib)
{
    static const uint8_t disp_size[3] = { 0, 1, 4 };
    unsigned mod = MODRM_MOD(insn->modrm), rm = MODRM_RM(insn->modrm);
    unsigned size = disp_size[mod];
    uint8_t sib;

    insn->base = (uint8_t)(rm | (d->rex & REX_B) << 3);
    if (rm == 4) {
        sib = decoder_next(d);
        insn->scale = sib >> 6;
        insn->index = (uint8_t)((sib >> 3 & 7u) | (d->rex & REX_X) << 2);
        if (insn->index == 4 && !vsib)
            insn->index = INSN_NONE;
        insn->base = (uint8_t)((sib & 7u) | (d->rex & REX_B) << 3);
    }
    if (mod == 0 && (insn->base & 7u) == 5) {
        insn->base = rm == 5 && d->mode == DECODE_64 ? INSN_RIP : INSN_NONE;
        size = 4;
    }
    disp_read(d, insn, size);
}

static void rm_read(struct decoder *d, const struct table_row *row, struct insn *insn)
{
    if (MODRM_MOD(insn->modrm) == 3 || (row->attr & ATTR_REGS)) {
        insn->rm = (uint8_t)(MODRM_RM(insn->modrm) | (d->rex & REX_B) << 3);
        if (row->needs & NEEDS_RM3)
            insn->rm &= 7u;
        return;
    }
    insn->flags |= INSN_MEM;
    if (insn->asize == 2)
        address16_read(d, insn);
    else
        address_read(d, insn, row->needs & NEEDS_VSIB);
    if (d->seg == NO_OVERRIDE && (insn->base == X86_RSP || insn->base == X86_RBP))
        insn->seg = X86_SS;
}

static unsigned imm_size(enum table_imm kind, const struct insn *insn)
{
    switch (kind) {
    case IMM_0:
        return 0;
    case IMM_b:
    case IMM_sb:
    case IMM_b2:
        return 1;
    case IMM_w:
        return 2;
    case IMM_v:
        return insn->osize;
    case IMM_moffs:
        return insn->asize;
    case IMM_sz:
    case IMM_far:
        break;
    }
    return insn->osize == 2 ? 2 : 4;
}

static void imm_read(struct decoder *d, const struct table_row *row, struct insn *insn)
{
    enum table_imm kind = (enum table_imm)(row->needs & NEEDS_IMM & ~(unsigned)IMM_b2);
    int64_t imm;

    if (!(row->needs & NEEDS_IMM))
        return;
    insn->imm_at = (uint8_t)d->at;
    imm = number_read(d, imm_size(kind, insn));
    insn->imm = (uint64_t)imm;
    if (kind == IMM_b)
        insn->imm = (uint8_t)imm;
    else if (kind == IMM_w || (kind == IMM_far && insn->osize == 2) ||
             (kind == IMM_moffs && insn->asize == 2))
        insn->imm = (uint16_t)imm;
    else if (kind == IMM_far || (kind == IMM_moffs && insn->asize == 4))
        insn->imm = (uint32_t)imm;
    if (kind == IMM_far)
        insn->imm2 = (uint16_t)number_read(d, 2);
    else if (row->needs & IMM_b2)
        insn->imm2 = decoder_next(d);
}

/* False for a segment, control or debug register that does not exist, and for MOV to CS. */
static bool register_exists(const struct table_row *row, const struct insn *insn)
{
    unsigned i;

    for (i = 0; i < TABLE_OPERANDS; i++) {
        switch (operand_kinds[row->operand[i]].file) {
        case FILE_SEG:
            return insn->reg <= X86_GS &&
                   !(insn->reg == X86_CS && table_access(row, i) == ACCESS_W);
        case FILE_CR:
            return insn->reg == 0 || (insn->reg >= 2 && insn->reg <= 4) || insn->reg == 8;
        case FILE_DR:
            return insn->reg < 8;
        default:
            break;
        }
    }
    return true;
}

/* SDM 2A, 2.3.12: a gather needs three different registers and a SIB byte. */
static bool vsib_valid(const struct decoder *d, const struct insn *insn)
{
    return MODRM_RM(insn->modrm) == 4 && insn->asize != 2 && insn->reg != insn->vvvv &&
           insn->reg != insn->index && insn->vvvv != insn->index && d->vex;
}

/* Checks LOCK, VEX.vvvv and the register numbers against the row. */
static bool encoding_valid(const struct decoder *d, const struct table_row *row,
                           const struct insn *insn)
{
    if (!d->lock && !d->vex && !(row->needs & (NEEDS_CHECK | NEEDS_VSIB)))
        return true; /* nearly always */
    if (d->lock && !((row->attr & ATTR_LOCK) && (insn->flags & INSN_MEM)))
        return false;
    if (d->vex && !(row->needs & NEEDS_VVVV) && d->vvvv != 0)
        return false;
    if ((row->needs & NEEDS_CHECK) && !register_exists(row, insn))
        return false;
    return !(row->needs & NEEDS_VSIB) || vsib_valid(d, insn);
}

static uint8_t insn_flags(const struct decoder *d)
{
    unsigned flags = 0;

    if (d->lock)
        flags |= INSN_LOCK;
    if (d->repeat && !d->vex)
        flags |= d->repeat == 0xf3 ? INSN_REP : INSN_REPNE;
    if (d->rex && !d->vex)
        flags |= INSN_REX;
    if (d->rex & REX_W)
        flags |= INSN_W;
    if (d->l)
        flags |= INSN_L;
    if (d->mode == DECODE_64)
        flags |= INSN_64;
    return (uint8_t)flags;
}

/* Reads everything after the prefixes and REX. All rows of an opcode agree on whether there is a
 * ModRM, so any of them says so before the right one is found. False: undefined. */
static bool insn_read(struct decoder *d, struct insn *insn)
{
    const struct table_row *row;

    if (is_vex(d)) {
        if (!vex_read(d))
            return false;
    } else {
        escape_read(d);
    }
    *insn = (struct insn){ .opcode_at = (uint8_t)d->at, .opcode = d->bytes[d->at] };
    d->at++;
    row = &table_rows[table_last[d->map][insn->opcode]];
    insn->reg = insn->opcode & 7u;
    if (row->needs & NEEDS_MODRM) {
        insn->modrm_at = (uint8_t)d->at;
        insn->modrm = decoder_next(d);
        insn->reg = MODRM_REG(insn->modrm);
    }
    row = table_find(d->map, insn->opcode, row_state(d, insn->modrm));
    if (!row)
        return false;
    insn->row = (uint16_t)(row - table_rows);
    insn->prefix_len = d->prefix_len;
    insn->osize = (uint8_t)insn_operand_size(d, row);
    insn->asize = (uint8_t)insn_address_size(d);
    insn->seg = d->seg == NO_OVERRIDE ? X86_DS : d->seg;
    insn->flags = insn_flags(d);
    insn->vvvv = d->mode == DECODE_64 ? d->vvvv : d->vvvv & 7u;
    insn->base = INSN_NONE;
    insn->index = INSN_NONE;
    if (!(row->needs & NEEDS_REG3))
        insn->reg |= row->needs & NEEDS_MODRM ? (d->rex & REX_R) << 1 : (d->rex & REX_B) << 3;
    if (row->needs & NEEDS_MODRM)
        rm_read(d, row, insn);
    if (!encoding_valid(d, row, insn))
        return false;
    imm_read(d, row, insn);
    return true;
}

static enum decode_result decoder_verdict(struct decoder *d, struct insn *out, size_t size)
{
    bool defined;

    if (!prefixes_read(d))
        return DECODE_TOO_LONG;
    defined = insn_read(d, out);
    if (d->at > size && size < DECODE_BYTES_MAX)
        return DECODE_MORE;
    if (d->at > DECODE_BYTES_MAX)
        return DECODE_TOO_LONG;
    out->len = (uint8_t)d->at;
    return defined ? DECODE_OK : DECODE_UNDEFINED;
}

/* Not inlined, so that the usual case, which needs no copy, stays small. */
static __attribute__((noinline)) enum decode_result decode_padded(struct decoder *d,
                                                                  struct insn *out, size_t size)
{
    uint8_t padded[WINDOW] = { 0 };

    memcpy(padded, d->bytes, size);
    d->bytes = padded;
    return decoder_verdict(d, out, size);
}

enum decode_result decode(struct insn *out, const uint8_t *bytes, size_t size,
                          enum decode_mode mode)
{
    struct decoder d = { .bytes = bytes, .mode = mode, .seg = NO_OVERRIDE };

    if (mode == DECODE_64_AMD) {
        d.mode = DECODE_64;
        d.amd = true;
    }

    if (size < WINDOW)
        return decode_padded(&d, out, size);
    return decoder_verdict(&d, out, size);
}
