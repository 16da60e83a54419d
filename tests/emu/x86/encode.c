/*
 * Encoding.
 *
 * What a row demands is encoded as it demands, what it leaves open is drawn at random. The decoder
 * then says whether the result is an instruction of the row: some combinations belong to another
 * row or to none.
 */
#include "emu/x86/encode.h"

#include <stddef.h>
#include <string.h>

static bool is_far(const struct table_row *row)
{
    return row->mnemonic == MN_JMPF || row->mnemonic == MN_CALLF || row->mnemonic == MN_RETF ||
           row->mnemonic == MN_IRET;
}

static bool enters_kernel(const struct table_row *row)
{
    return row->mnemonic == MN_SYSCALL || row->mnemonic == MN_SYSENTER || row->mnemonic == MN_INT ||
           row->mnemonic == MN_INT3 || row->mnemonic == MN_INT1 || row->mnemonic == MN_SYSRET ||
           row->mnemonic == MN_SYSEXIT;
}

static bool writes_segment(const struct table_row *row)
{
    return operand_kinds[row->operand[0]].file == FILE_SEG && table_access(row, 0) == ACCESS_W;
}

/* Unprivileged system instructions that change nothing for the kernel or other processes. */
static bool is_harmless(const struct table_row *row)
{
    switch (row->mnemonic) {
    case MN_CLFLUSH:
    case MN_CLFLUSHOPT:
    case MN_CLWB:
    case MN_PAUSE:
    case MN_RDFSBASE:
    case MN_RDGSBASE:
    case MN_SERIALIZE:
        return true;
    default:
        return false;
    }
}

/* Instructions that fault in ring 3: the fault is what is tried. */
static bool is_refused(const struct table_row *row)
{
    return row->priv == PRIV_cpl0 || row->priv == PRIV_pe0 || row->priv == PRIV_ud0 ||
           row->priv == PRIV_iopl;
}

const char *encode_excluded(const struct table_row *row)
{
    if ((row->when >> 16 & WHEN_64) && !(row->when & WHEN_64))
        return "not in 64-bit mode";
    if (enters_kernel(row))
        return "enters the kernel";
    if (is_far(row) || writes_segment(row))
        return "loads segments";
    if (row->class == CLASS_SYSTEM && !is_refused(row) && !is_harmless(row))
        return "system state";
    if (row->class == CLASS_STATE && row->mnemonic != MN_FXSAVE && row->mnemonic != MN_FXRSTOR)
        return "XSAVE: what is in use differs";
    if (row->mnemonic == MN_RDRAND || row->mnemonic == MN_RDSEED)
        return "random";
    return NULL;
}

/* Encodings that Intel's and AMD's processors execute differently: PREFETCH of a register is #UD or
 * does nothing, F2 and F3 invert the condition of LOOPE or do nothing, MOVSXD to 16 bits reads two
 * bytes or four. */
static bool vendors_differ(const struct insn *insn)
{
    const struct table_row *row = &table_rows[insn->row];

    if (row->mnemonic == MN_LOOPE || row->mnemonic == MN_LOOPNE)
        return insn->flags & (INSN_REP | INSN_REPNE);
    if (row->mnemonic == MN_MOVSXD)
        return insn->osize == 2 && (insn->flags & INSN_MEM);
    return row->map == MAP_0F && row->opcode == 0x0d && !(insn->flags & INSN_MEM);
}

struct writer {
    struct pick *p;
    const struct table_row *row;
    uint8_t bytes[DECODE_BYTES_MAX + 24];
    unsigned len;
};

static void put(struct writer *w, unsigned byte)
{
    w->bytes[w->len++] = (uint8_t)byte;
}

/* The bit as the row demands it, or else set with this chance. */
static bool bit_of(const struct writer *w, uint32_t bit, unsigned percent)
{
    if (w->row->when >> 16 & bit)
        return w->row->when & bit;
    return pick_chance(w->p, percent);
}

static void put_legacy_prefixes(struct writer *w)
{
    static const uint8_t segments[] = { 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65 };
    bool repeats = w->row->attr & (ATTR_REP | ATTR_REPZ);
    bool branch = w->row->size == SIZES_f64; /* vendors differ in what 66 does to it */

    if (pick_chance(w->p, 6))
        put(w, segments[pick_below(w->p, sizeof(segments))]);
    if (pick_chance(w->p, 6))
        put(w, 0x67);
    if ((w->row->attr & ATTR_LOCK) && pick_chance(w->p, 15))
        put(w, 0xf0);
    if (bit_of(w, WHEN_66, branch ? 0 : 20))
        put(w, 0x66);
    if (bit_of(w, WHEN_F3, repeats ? 30 : 2))
        put(w, 0xf3);
    if (bit_of(w, WHEN_F2, repeats ? 30 : 2))
        put(w, 0xf2);
}

static unsigned opcode_of(struct writer *w)
{
    return w->row->opcode + pick_below(w->p, w->row->span + 1u);
}

static void put_legacy(struct writer *w)
{
    bool wide = bit_of(w, WHEN_W, 35);
    bool b = bit_of(w, WHEN_B, 50);

    put_legacy_prefixes(w);
    if (wide || (w->row->when & WHEN_B) || pick_chance(w->p, 40))
        put(w, 0x40u | (unsigned)wide << 3 | pick_below(w->p, 4) << 1 | (unsigned)b);
    if (w->row->map != MAP_ONE)
        put(w, 0x0f);
    if (w->row->map == MAP_0F38)
        put(w, 0x38);
    if (w->row->map == MAP_0F3A)
        put(w, 0x3a);
    put(w, opcode_of(w));
}

static void put_vex(struct writer *w)
{
    unsigned map = (unsigned)w->row->map - MAP_VEX1 + 1;
    unsigned inverted = pick_below(w->p, 8); /* R, X, B */
    unsigned vvvv = w->row->needs & NEEDS_VVVV ? pick_below(w->p, 16) : 15;
    unsigned wide = bit_of(w, WHEN_W, 30);
    unsigned low = vvvv << 3 | (unsigned)bit_of(w, WHEN_L, 50) << 2;

    if (bit_of(w, WHEN_66, 0))
        low |= 1;
    else if (bit_of(w, WHEN_F3, 0))
        low |= 2;
    else if (bit_of(w, WHEN_F2, 0))
        low |= 3;
    if (pick_chance(w->p, 4))
        put(w, 0x67);
    if (map == 1 && !wide && (inverted & 3u) == 3) {
        put(w, 0xc5);
        put(w, (inverted >> 2) << 7 | low);
    } else {
        put(w, 0xc4);
        put(w, inverted << 5 | map);
        put(w, wide << 7 | low);
    }
    put(w, opcode_of(w));
}

/* Mostly small: aim.c makes the address with registers, and patches this only if it has none. */
static void put_displacement(struct writer *w, unsigned size)
{
    uint32_t disp = (uint32_t)pick_bits(w->p);

    if (size == 4 && pick_chance(w->p, 80))
        disp = (uint32_t)(int32_t)(int16_t)disp;
    memcpy(w->bytes + w->len, &disp, size);
    w->len += size;
}

static void put_modrm(struct writer *w)
{
    uint32_t demands = w->row->when >> 16;
    bool is_register = bit_of(w, WHEN_MOD3, w->row->needs & NEEDS_VSIB ? 0 : 40);
    unsigned mod = is_register ? 3 : pick_below(w->p, 3);
    unsigned reg = demands & WHEN_REG ? w->row->when & WHEN_REG : pick_below(w->p, 8);
    unsigned rm = demands & WHEN_RM ? w->row->when >> 4 & 7u : pick_below(w->p, 8);
    unsigned base = rm;

    if (w->row->needs & NEEDS_VSIB)
        rm = 4;
    put(w, mod << 6 | reg << 3 | rm);
    if (mod == 3)
        return;
    if (rm == 4) {
        base = pick_below(w->p, 8);
        put(w, pick_below(w->p, 32) << 3 | base);
    }
    if (mod == 1)
        put_displacement(w, 1);
    else if (mod == 2 || base == 5)
        put_displacement(w, 4);
}

/* BT of memory with its bit offset in a register of the address: bending the offset would move the
 * address too. */
static bool reaches_nowhere(const struct insn *insn)
{
    const struct table_row *row = &table_rows[insn->row];

    return (insn->flags & INSN_MEM) && row->effect == EFFECT_bt && row->operand[1] == OPERAND_Gv &&
           (insn->reg == insn->base || insn->reg == insn->index);
}

bool encode(struct pick *p, const struct table_row *row, struct test_case *t)
{
    struct writer w = { .p = p, .row = row };

    if (row->map >= MAP_VEX1)
        put_vex(&w);
    else
        put_legacy(&w);
    if (row->needs & NEEDS_MODRM)
        put_modrm(&w);
    if (w.len <
        DECODE_BYTES_MAX) /* the immediate, if there is one, and what follows the instruction */
        pick_operand(p, w.bytes + w.len, DECODE_BYTES_MAX - w.len);
    memcpy(t->code, w.bytes, DECODE_BYTES_MAX);
    if (decode(&t->insn, t->code, DECODE_BYTES_MAX, DECODE_64) != DECODE_OK)
        return false;
    t->row = &table_rows[t->insn.row];
    return t->row == row && !vendors_differ(&t->insn) && !reaches_nowhere(&t->insn);
}
