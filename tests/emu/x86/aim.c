/*
 * Aiming: chooses a target, then sets the address registers so that they make it, or patches the
 * displacement if no register is free.
 */
#include "emu/x86/aim.h"

#include <stddef.h>
#include <string.h>

#define FAR_ENOUGH 40u /* bytes that are clear of an instruction and of the jump behind it */

/* An address for an access of this size: mostly inside the window, otherwise at one of its edges.
 */
static uint64_t target(struct pick *p, unsigned size)
{
    static const uint64_t edges[] = { CASE_DATA, CASE_DATA + CASE_PAGE, CASE_READONLY,
                                      CASE_DATA_END };
    unsigned way = pick_below(p, 100);

    if (way < 55)
        return CASE_DATA + 64 * pick_below(p, CASE_WRITABLE / 64);
    if (way < 75)
        return CASE_DATA + pick_below(p, CASE_WRITABLE);
    if (way < 84)
        return CASE_DATA + CASE_PAGE - pick_below(p, size + 1);
    if (way < 94)
        return edges[pick_below(p, 4)] - pick_below(p, size + 1);
    if (way < 97)
        return CASE_READONLY + pick_below(p, CASE_PAGE);
    if (way < 99)
        return CASE_DATA_END + pick_below(p, CASE_PAGE);
    return pick_bits(p) | UINT64_C(1) << 63; /* not canonical, or the kernel's */
}

/* An address where no access can fault. */
static uint64_t inside(struct pick *p, unsigned size)
{
    return CASE_DATA + pick_below(p, CASE_WRITABLE - size);
}

static uint64_t *gpr(struct aim *a, unsigned n)
{
    return &a->t->before.gpr[n];
}

static uint64_t segment_base(const struct aim *a)
{
    if (a->t->insn.seg == X86_FS)
        return a->bases->fs;
    return a->t->insn.seg == X86_GS ? a->bases->gs : 0;
}

/* The part of an address that a register or displacement has to make. False: it does not fit the
 * address size. */
static bool offset_of(const struct aim *a, uint64_t address, uint64_t base, uint64_t *offset)
{
    *offset = address - base;
    return a->t->insn.asize == 8 || *offset >> 32 == 0;
}

/* Above the address size a register may hold anything. */
static void address_register(struct aim *a, unsigned n, uint64_t value)
{
    if (a->t->insn.asize == 4)
        value = (value & 0xffffffffu) | pick_bits(a->p) << 32;
    *gpr(a, n) = value;
}

/* Sets the displacement. False: the encoding has none of four bytes, or they are too few. */
static bool patch(struct aim *a, uint64_t disp)
{
    struct insn *insn = &a->t->insn;
    int32_t narrow = (int32_t)disp;

    if (!insn->disp_at || insn->modrm >> 6 == 1)
        return false;
    if (insn->asize == 8 && (uint64_t)(int64_t)narrow != disp)
        return false;
    memcpy(a->t->code + insn->disp_at, &narrow, sizeof(narrow));
    insn->disp = narrow;
    return true;
}

/* Makes this the address of the ModRM operand. */
static bool aim_modrm(struct aim *a, uint64_t address)
{
    struct insn *insn = &a->t->insn;
    bool vsib = a->t->row->needs & NEEDS_VSIB;
    unsigned index = vsib ? INSN_NONE : insn->index;
    uint64_t scaled, offset;

    if (!offset_of(a, address, segment_base(a), &offset))
        return false;
    if (insn->base == INSN_RIP)
        return patch(a, offset - (a->t->before.rip + insn->len));
    if (insn->base != INSN_NONE && insn->base != index) {
        scaled = index == INSN_NONE ? 0 : *gpr(a, index) << insn->scale;
        address_register(a, insn->base, offset - (uint64_t)(int64_t)insn->disp - scaled);
        return true;
    }
    if (insn->base != INSN_NONE) { /* base and index are the same register */
        *gpr(a, index) = pick_bits(a->p) & 0xffffffu;
        return patch(a, offset - *gpr(a, index) - (*gpr(a, index) << insn->scale));
    }
    if (index == INSN_NONE)
        return patch(a, offset);
    *gpr(a, index) = (offset >> insn->scale) - pick_below(a->p, 4096);
    return patch(a, offset - (*gpr(a, index) << insn->scale));
}

static struct aim_memory *memory_at(struct aim *a, uint64_t address, unsigned size)
{
    struct aim_memory *m = &a->memory[a->count++];

    m->at = address;
    m->size = size < sizeof(m->bytes) ? size : (unsigned)sizeof(m->bytes);
    pick_operand(a->p, m->bytes, m->size);
    return m;
}

uint64_t aim_branch_target(struct aim *a)
{
    uint64_t rip = a->t->before.rip;
    uint64_t to;

    do
        to = CASE_CODE + pick_below(a->p, 2 * CASE_PAGE);
    while (to - rip + FAR_ENOUGH < 2 * FAR_ENOUGH);
    return to;
}

static void aim_relative(struct aim *a)
{
    struct insn *insn = &a->t->insn;
    unsigned size = (unsigned)insn->len - insn->imm_at;
    uint64_t next = a->t->before.rip + insn->len;
    uint32_t disp = (uint32_t)(aim_branch_target(a) - next);

    if (size == 1) {
        disp = FAR_ENOUGH + pick_below(a->p, 127 - FAR_ENOUGH);
        if (pick_chance(a->p, 50))
            disp = 0u - disp;
    }
    if (pick_chance(a->p, 5))
        disp = 0;
    memcpy(a->t->code + insn->imm_at, &disp, size);
}

static bool aim_moffs(struct aim *a, uint64_t address)
{
    uint64_t offset;

    if (!offset_of(a, address, segment_base(a), &offset))
        return false;
    memcpy(a->t->code + a->t->insn.imm_at, &offset, a->t->insn.asize);
    return true;
}

/* Operands at addresses that the instruction implies. A string's source is at rSI, its destination
 * and the operand of MASKMOV at rDI, that of XLAT at rBX + AL. A processor may choose whether
 * MASKMOV faults for bytes that its mask leaves out, so that one is always inside. */
static bool aim_implicit(struct aim *a, bool source, unsigned size)
{
    bool masked = a->t->row->class == CLASS_MMX || a->t->row->class == CLASS_SSE ||
                  a->t->row->class == CLASS_AVX;
    uint64_t address = masked ? inside(a->p, size) : target(a->p, size);
    unsigned reg = source ? X86_RSI : X86_RDI;
    uint64_t offset;

    if (!offset_of(a, address, source ? segment_base(a) : 0, &offset))
        return false;
    if (a->t->row->class != CLASS_STRING && a->t->row->class != CLASS_IO)
        reg = a->t->row->mnemonic == MN_XLAT ? X86_RBX : X86_RDI;
    if (a->t->row->mnemonic == MN_XLAT)
        offset -= *gpr(a, X86_RAX) & 0xffu;
    address_register(a, reg, offset);
    (void)memory_at(a, address, size);
    return true;
}

static bool aim_operands(struct aim *a)
{
    const struct table_row *row = a->t->row;

    for (unsigned i = 0; i < TABLE_OPERANDS; i++) {
        unsigned size;

        switch (operand_kinds[row->operand[i]].place) {
        case PLACE_SRC:
        case PLACE_DST:
            size = operand_bytes(&a->t->insn, row->operand[i]);
            if (!aim_implicit(a, operand_kinds[row->operand[i]].place == PLACE_SRC, size))
                return false;
            break;
        case PLACE_MOFFS:
            size = operand_bytes(&a->t->insn, row->operand[i]);
            if (!aim_moffs(a, memory_at(a, target(a->p, size), size)->at))
                return false;
            break;
        case PLACE_REL:
            aim_relative(a);
            break;
        default:
            break;
        }
    }
    return true;
}

static int memory_operand(const struct aim *a)
{
    for (unsigned i = 0; i < TABLE_OPERANDS; i++) {
        unsigned place = operand_kinds[a->t->row->operand[i]].place;

        if ((a->t->insn.flags & INSN_MEM) && (place == PLACE_RM || place == PLACE_VSIB))
            return (int)i;
    }
    return -1;
}

static void aim_stack(struct aim *a)
{
    const struct table_row *row = a->t->row;

    if (!((table_gprs_read(row) | table_gprs_written(row)) & 1u << X86_RSP))
        return;
    *gpr(a, X86_RSP) = target(a->p, 8) & ~(pick_chance(a->p, 80) ? UINT64_C(7) : 0);
    if (row->mnemonic == MN_POPF) /* from bytes that bend_memory chose: TF would end the test */
        *gpr(a, X86_RSP) = inside(a->p, 8);
    (void)memory_at(a, *gpr(a, X86_RSP), 8);
    if (table_gprs_read(row) & 1u << X86_RBP)
        *gpr(a, X86_RBP) = target(a->p, 8);
}

/* An address for the ModRM operand: any, but for cases in which host and guest may differ. */
static uint64_t modrm_target(struct aim *a, unsigned size)
{
    const struct table_row *row = a->t->row;
    uint64_t at = target(a->p, size);
    bool is_mxcsr = row->mnemonic == MN_LDMXCSR || row->mnemonic == MN_VLDMXCSR;

    if (row->feature == FEATURE_SHA) /* unaligned, vendors differ */
        return at & ~UINT64_C(15);
    if (row->class == CLASS_BRANCH) /* the branch target read from there must be ours */
        return inside(a->p, size);
    if (row->class == CLASS_STATE && at >> 63) /* unaligned too, and which fault comes first? */
        return inside(a->p, size);
    if (is_mxcsr && at + size > CASE_READONLY && at < CASE_DATA_END) /* which bits are reserved? */
        return inside(a->p, size);
    return at;
}

bool aim(struct aim *a)
{
    int i = memory_operand(a);
    unsigned size;
    uint64_t at;

    aim_stack(a);
    if (!aim_operands(a))
        return false;
    if (i < 0)
        return true;
    size = operand_bytes(&a->t->insn, a->t->row->operand[i]);
    at = modrm_target(a, size ? size : 1);
    if (!aim_modrm(a, at))
        return false;
    if (!(a->t->row->needs & NEEDS_VSIB)) /* its elements are all over the window */
        (void)memory_at(a, at, size);
    return true;
}
