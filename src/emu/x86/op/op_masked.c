/*
 * Vector instructions that touch memory element by element under a mask: gathers, VMASKMOV,
 * MASKMOVDQU and MASKMOVQ.
 *
 * An element that the mask leaves out is not accessed, and so cannot fault. The host cannot execute
 * these instructions for the guest, since its faults would be about host addresses.
 */
#include <stddef.h>
#include <string.h>

#include "emu/x86/cpu/descriptor.h"
#include "emu/x86/cpu/fpu.h"
#include "emu/x86/cpu/mode.h"
#include "emu/x86/decode/vendor.h"
#include "emu/x86/mem/copy.h"
#include "emu/x86/mem/mmu.h"
#include "emu/x86/op/build.h"

#define FSW_TOP(fsw) ((fsw) >> 11 & 7u)

/* Whether the mask selects the element that begins at byte `at`, by its most significant bit. */
static bool element_chosen(const uint8_t *mask, unsigned at, unsigned element)
{
    return mask[at + element - 1] & 0x80u;
}

#define ELEMENTS_MAX 16u

/* Writes the selected elements, or nothing if one of them cannot be written. */
static bool masked_write(struct cpu *c, uint64_t va, const uint8_t *from, const uint8_t *mask,
                         unsigned element, unsigned size)
{
    uint8_t *hit = mmu_write_hit(c, va, size);
    struct pieces to[ELEMENTS_MAX];

    for (unsigned at = 0, n = 0; !hit && at < size; at += element, n++)
        if (element_chosen(mask, at, element) && !mmu_write_begin(c, va + at, element, &to[n]))
            return false;
    for (unsigned at = 0, n = 0; at < size; at += element, n++) {
        if (!element_chosen(mask, at, element))
            continue;
        if (hit)
            copy_once(hit + at, from + at, element);
        else
            mmu_write_end(c, &to[n], from + at);
    }
    return true;
}

/* VMASKMOV: op->reg is the vector register moved, op->rm the mask, op->aux the size of an element,
 * op->imm the size of the vector. */

static bool masked_load(struct cpu *c, const struct op *op)
{
    const uint8_t *mask = c->vec[op->rm].ymm;
    struct cpu_vec loaded = { .ymm = { 0 } };
    uint64_t va = op_address(c, op);

    for (unsigned at = 0; at < op->imm; at += op->aux)
        if (element_chosen(mask, at, op->aux) && !mmu_read(c, va + at, loaded.ymm + at, op->aux))
            return false;
    c->vec[op->reg] = loaded;
    return true;
}

static void op_masked_load(struct cpu *c, const struct op *op)
{
    if (!masked_load(c, op))
        return op_leave(c, op);
    OP_NEXT(c, op);
}

/* Also MASKMOVDQU, with elements of one byte. */
static void op_masked_store(struct cpu *c, const struct op *op)
{
    if (!masked_write(c, op_address(c, op), c->vec[op->reg].ymm, c->vec[op->rm].ymm, op->aux,
                      (unsigned)op->imm))
        return op_leave(c, op);
    OP_NEXT(c, op);
}

/* MASKMOVQ. MMX register n is x87's physical register n, while the FXSAVE image counts from the top
 * of the stack. Like any MMX instruction it first raises a pending exception, and leaves the top at
 * 0 and all tags valid. The host's MOVQ does the latter. */
static bool mmx_store(struct cpu *c, const struct op *op)
{
    struct fpu_image live;
    unsigned top;

    fpu_get(&live);
    top = FSW_TOP(live.fsw);
    if (live.fsw & FPU_FSW_ES)
        return cpu_refuse(c, CPU_MF, 0);
    if (!masked_write(c, op_address(c, op), live.st[(op->reg - top) & 7u],
                      live.st[(op->rm - top) & 7u], 1, 8))
        return false;
    __asm__ volatile("movq %%mm0,%%rax" : : : "rax");
    return true;
}

static void op_mmx_store(struct cpu *c, const struct op *op)
{
    if (!mmx_store(c, op))
        return op_leave(c, op);
    OP_NEXT(c, op);
}

/* What op->imm holds for a gather. Base, scale, disp and seg are in the op as usual. */
struct gather {
    uint8_t dest, index, mask; /* vector registers, no two the same */
    uint8_t index_size;        /* bytes */
    uint8_t element;           /* bytes */
    uint8_t count;
    uint8_t seg; /* enum x86_seg */
    bool wraps;  /* the offset wraps at 32 bits */
};

_Static_assert(sizeof(struct gather) == sizeof(((struct op *)0)->imm), "fits where it is kept");

static int64_t gather_index(const struct cpu *c, const struct gather *g, unsigned i)
{
    const uint8_t *at = c->vec[g->index].ymm + i * g->index_size;
    int32_t narrow;
    int64_t wide;

    if (g->index_size == sizeof(wide)) {
        memcpy(&wide, at, sizeof(wide));
        return wide;
    }
    memcpy(&narrow, at, sizeof(narrow));
    return narrow;
}

/* Outside 64-bit mode each element is checked against the segment's limit. */
static bool gather_address(struct cpu *c, const struct op *op, const struct gather *g, unsigned i,
                           uint64_t *va)
{
    uint64_t offset = *op_r64(c, op->base) + ((uint64_t)gather_index(c, g, i) << op->scale) +
                      (uint64_t)(int64_t)op->disp;

    if (g->wraps)
        offset = (uint32_t)offset;
    *va = offset + *op_r64(c, op->seg);
    if (c->mode & MODE_64)
        return true;
    *va = (uint32_t)*va;
    if (seg_within_limit(&c->seg[g->seg], (uint32_t)offset, g->element))
        return true;
    return cpu_refuse(c, g->seg == X86_SS ? CPU_SS : CPU_GP, 0);
}

static void ymm_clear_behind(uint8_t *ymm, unsigned size)
{
    memset(ymm + size, 0, sizeof(((struct cpu_vec *)0)->ymm) - size);
}

/* The size in bytes of the vector of indices or that of elements, whichever is larger. */
static unsigned gather_vector_size(const struct gather *g)
{
    return g->count * (g->index_size > g->element ? g->index_size : g->element);
}

/* Intel's processors make each element of the mask all ones or all zeros, and clear what lies
 * behind it, before the first access. A guest sees that after a fault. On AMD's processors the mask
 * changes only element by element. */
static void gather_mask_widen(const struct gather *g, uint8_t *mask)
{
    unsigned size = gather_vector_size(g);

    for (unsigned at = 0; at < size; at += g->element)
        memset(mask + at, element_chosen(mask, at, g->element) ? 0xff : 0, g->element);
    ymm_clear_behind(mask, size);
}

/* Loads one element. Intel's processors then also clear what lies behind the vector. False: a
 * fault. */
static bool gather_one(struct cpu *c, const struct op *op, const struct gather *g, unsigned i,
                       uint8_t *dest)
{
    uint64_t va;

    if (!gather_address(c, op, g, i, &va) || !mmu_read(c, va, dest + i * g->element, g->element))
        return false;
    if (c->vendor->faulted_mask)
        ymm_clear_behind(dest, gather_vector_size(g));
    return true;
}

/* Clears the mask of each element that is done, so that after a fault the instruction resumes where
 * it stopped (SDM 2C, "VPGATHERDD"). */
static bool gather_all(struct cpu *c, const struct op *op)
{
    struct gather g;
    uint8_t *dest, *mask;

    memcpy(&g, &op->imm, sizeof(g));
    dest = c->vec[g.dest].ymm;
    mask = c->vec[g.mask].ymm;
    if (c->vendor->faulted_mask)
        gather_mask_widen(&g, mask);
    for (unsigned i = 0, at = 0; i < g.count; i++, at += g.element) {
        if (element_chosen(mask, at, g.element) && !gather_one(c, op, &g, i, dest))
            return false;
        memset(mask + at, 0, g.element);
    }
    memset(mask, 0, sizeof(c->vec[0].ymm));
    ymm_clear_behind(dest, g.count * g.element);
    return true;
}

static void op_gather(struct cpu *c, const struct op *op)
{
    if (!gather_all(c, op))
        return op_leave(c, op);
    OP_NEXT(c, op);
}

static bool build_gather(struct build *b)
{
    bool index_wide = b->row->operand[1] == OPERAND_Gqd || b->row->operand[1] == OPERAND_Gqq;
    bool wide = b->row->operand[1] == OPERAND_Gdq || b->row->operand[1] == OPERAND_Gqq;
    struct gather g = {
        .dest = b->insn.reg,
        .index = b->insn.index,
        .mask = b->insn.vvvv,
        .index_size = index_wide ? 8 : 4,
        .element = wide ? 8 : 4,
        .count = (uint8_t)((b->insn.flags & INSN_L ? 32u : 16u) / (index_wide || wide ? 8u : 4u)),
        .seg = b->insn.seg,
        .wraps = b->insn.asize == 4,
    };
    struct op *op = build_op_bare(b, op_gather);

    build_address_fields(b, op);
    op->index = CPU_ZERO * sizeof(uint64_t);
    memcpy(&op->imm, &g, sizeof(g));
    return true;
}

static bool build_vmaskmov(struct build *b, unsigned element)
{
    bool stores = b->row->operand[0] == OPERAND_Mx;
    struct op *op = build_op(b, stores ? op_masked_store : op_masked_load);

    op->reg = b->insn.reg;
    op->rm = b->insn.vvvv;
    op->aux = (uint8_t)element;
    op->imm = b->insn.flags & INSN_L ? 32 : 16;
    return true;
}

/* The memory operand is at rDI; there is no ModRM address. */
static bool build_maskmov(struct build *b, op_fn *run)
{
    struct op *op;

    b->insn.base = X86_RDI;
    b->insn.flags |= INSN_MEM;
    op = build_op(b, run);
    op->reg = b->insn.reg;
    op->rm = b->insn.rm;
    op->aux = 1;
    op->imm = 16;
    return true;
}

bool build_masked(struct build *b)
{
    switch (b->row->mnemonic) {
    case MN_VPGATHERDD:
    case MN_VPGATHERDQ:
    case MN_VPGATHERQD:
    case MN_VPGATHERQQ:
    case MN_VGATHERDPS:
    case MN_VGATHERDPD:
    case MN_VGATHERQPS:
    case MN_VGATHERQPD:
        return build_gather(b);
    case MN_VMASKMOVPS:
    case MN_VPMASKMOVD:
        return build_vmaskmov(b, 4);
    case MN_VMASKMOVPD:
    case MN_VPMASKMOVQ:
        return build_vmaskmov(b, 8);
    case MN_MASKMOVDQU:
    case MN_VMASKMOVDQU:
        return build_maskmov(b, op_masked_store);
    case MN_MASKMOVQ:
        return build_maskmov(b, op_mmx_store);
    default:
        return false;
    }
}
