/*
 * FXSAVE, XSAVE and their kin, LDMXCSR (SDM 1, 10.5 and chapter 13).
 *
 * All of them move parts of an XSAVE area, which begins with the 512 bytes of FXSAVE. A struct
 * picture is such an area, taken from the processor. Saving takes a picture and writes the parts
 * that are asked for. Restoring takes a picture, replaces parts of it from memory or by their
 * initial values, checks it, and only then puts it into the processor: an instruction that faults
 * has changed nothing.
 *
 * AVX is the only extended component, so its place is the same in the standard and the compacted
 * form. A component is in use if it differs from its initial value. Whether it was modified since
 * the last XRSTOR is not known, so XSAVEOPT writes every component in use.
 */
#include <stddef.h>
#include <string.h>

#include "core/x86/bits.h"
#include "emu/x86/cpu/fpu.h"
#include "emu/x86/cpu/mode.h"
#include "emu/x86/mem/mmu.h"
#include "emu/x86/op/build.h"
#include "emu/x86/seg/seg.h"

/* Parts of the picture: the state components, by their bits in XCR0, and MXCSR, which belongs to
 * SSE but is saved and restored by rules of its own. */
#define PART_X87   1u
#define PART_SSE   2u
#define PART_AVX   4u
#define PART_MXCSR 8u
#define COMPONENTS (PART_X87 | PART_SSE | PART_AVX)

#define XCOMP_COMPACTED (UINT64_C(1) << 63)

#define XSAVEC_HEADER 16u /* bytes of the header that XSAVEC writes */

struct xsave_header {
    uint64_t xstate_bv;
    uint64_t xcomp_bv;
    uint64_t reserved[6];
};

struct picture {
    struct fpu_image legacy;
    struct xsave_header header;
    uint8_t ymm_high[16][16];
};

_Static_assert(sizeof(struct xsave_header) == 64, "SDM 1, 13.4.2");
_Static_assert(offsetof(struct picture, ymm_high) == 576, "CPUID leaf 0xd says so too");

/* Where the parts lie. MXCSR is between the two pieces of x87. */
static const struct {
    uint8_t part;
    bool vector; /* 16 bytes for each register; outside 64-bit mode there are only 8 */
    uint16_t from;
    uint16_t size;
} places[] = {
    { PART_X87, false, 0, 24 },
    { PART_MXCSR, false, offsetof(struct picture, legacy.mxcsr), 8 },
    { PART_X87, false, offsetof(struct picture, legacy.st), 128 },
    { PART_SSE, true, offsetof(struct picture, legacy.xmm), 256 },
    { PART_AVX, true, offsetof(struct picture, ymm_high), 256 },
};

#define PLACES (sizeof(places) / sizeof(places[0]))

static unsigned vector_count(const struct cpu *c)
{
    return c->mode & MODE_64 ? 16 : 8;
}

static unsigned place_size(const struct cpu *c, unsigned i)
{
    return places[i].vector ? vector_count(c) * 16 : places[i].size;
}

static void picture_take(const struct cpu *c, struct picture *p)
{
    memset(&p->header, 0, sizeof(p->header));
    fpu_get(&p->legacy);
    for (unsigned n = 0; n < 16; n++) {
        memcpy(p->legacy.xmm[n], c->vec[n].ymm, 16);
        memcpy(p->ymm_high[n], c->vec[n].ymm + 16, 16);
    }
}

static void picture_put(struct cpu *c, struct picture *p)
{
    p->legacy.fop = 0;
    p->legacy.fip = p->legacy.fdp = 0;
    fpu_put(&p->legacy);
    for (unsigned n = 0; n < 16; n++) {
        memcpy(c->vec[n].ymm, p->legacy.xmm[n], 16);
        memcpy(c->vec[n].ymm + 16, p->ymm_high[n], 16);
    }
}

static bool place_is_written(unsigned i, unsigned parts)
{
    return places[i].part & parts;
}

/* Writes these parts and the first `header` bytes of the header, or nothing if there is a fault. */
static bool picture_write(struct cpu *c, const struct picture *p, uint64_t va, unsigned parts,
                          unsigned header)
{
    const unsigned header_at = offsetof(struct picture, header);
    const uint8_t *from = (const uint8_t *)p;
    struct pieces to[PLACES], header_to;

    for (unsigned i = 0; i < PLACES; i++)
        if (place_is_written(i, parts) &&
            !mmu_write_begin(c, va + places[i].from, place_size(c, i), &to[i]))
            return false;
    if (header && !mmu_write_begin(c, va + header_at, header, &header_to))
        return false;
    for (unsigned i = 0; i < PLACES; i++)
        if (place_is_written(i, parts))
            mmu_write_end(c, &to[i], from + places[i].from);
    if (header)
        mmu_write_end(c, &header_to, from + header_at);
    return true;
}

static bool picture_read(struct cpu *c, struct picture *p, uint64_t va, unsigned parts)
{
    for (unsigned i = 0; i < PLACES; i++)
        if ((places[i].part & parts) &&
            !mmu_read(c, va + places[i].from, (uint8_t *)p + places[i].from, place_size(c, i)))
            return false;
    return true;
}

/* Gives these parts their initial values (SDM 1, 13.6). */
static void picture_init(const struct cpu *c, struct picture *p, unsigned parts)
{
    for (unsigned i = 0; i < PLACES; i++)
        if (places[i].part & parts)
            memset((uint8_t *)p + places[i].from, 0, place_size(c, i));
    if (parts & PART_X87)
        p->legacy.fcw = FPU_FCW_RESET;
    if (parts & PART_MXCSR)
        p->legacy.mxcsr = FPU_MXCSR_RESET;
}

/* XINUSE: the components that differ from their initial values. SSE counts as different even if
 * only MXCSR is. */
static unsigned picture_in_use(const struct cpu *c, const struct picture *p)
{
    struct picture initial = *p;
    unsigned in_use = 0;

    picture_init(c, &initial, COMPONENTS | PART_MXCSR);
    initial.legacy.mxcsr_mask = p->legacy.mxcsr_mask;
    for (unsigned i = 0; i < PLACES; i++)
        if (memcmp((const uint8_t *)p + places[i].from, (const uint8_t *)&initial + places[i].from,
                   places[i].size) != 0)
            in_use |= places[i].part;
    return (in_use & COMPONENTS) | (in_use & PART_MXCSR ? PART_SSE : 0);
}

static bool fxsave_allowed(struct cpu *c, uint64_t va)
{
    if (c->cr0 & X86_CR0_EM)
        return cpu_refuse(c, CPU_UD, 0);
    if (c->cr0 & X86_CR0_TS)
        return cpu_refuse(c, CPU_NM, 0);
    return va % 16 == 0 || cpu_refuse(c, CPU_GP, 0);
}

static bool xsave_allowed(struct cpu *c, uint64_t va)
{
    if (!(c->cr4 & X86_CR4_OSXSAVE))
        return cpu_refuse(c, CPU_UD, 0);
    if (c->cr0 & X86_CR0_TS)
        return cpu_refuse(c, CPU_NM, 0);
    return va % 64 == 0 || cpu_refuse(c, CPU_GP, 0);
}

/* RFBM: the enabled components that the instruction asks for. */
static unsigned xsave_requested(const struct cpu *c)
{
    return (unsigned)(c->xcr0 & c->gpr[X86_RAX] & COMPONENTS);
}

static bool mxcsr_valid(struct cpu *c, const struct picture *p)
{
    return !(p->legacy.mxcsr & ~FPU_MXCSR_MASK) || cpu_refuse(c, CPU_GP, 0);
}

/* The instructions. Those of the XSAVE family have passed xsave_allowed. False: the fault is
 * recorded and the processor has not changed. */

/* The whole image must be writable, even the part that is not written. */
static bool state_fxsave(struct cpu *c, uint64_t va)
{
    struct picture p;

    if (!fxsave_allowed(c, va) || !mmu_writable(c, va, sizeof(p.legacy)))
        return false;
    picture_take(c, &p);
    return picture_write(c, &p, va, PART_X87 | PART_MXCSR | PART_SSE, 0);
}

/* The whole image must be readable, even the part that is not used. */
static bool state_fxrstor(struct cpu *c, uint64_t va)
{
    const unsigned rest = offsetof(struct fpu_image, unused);
    struct picture p;

    if (!fxsave_allowed(c, va))
        return false;
    picture_take(c, &p);
    if (!picture_read(c, &p, va, PART_X87 | PART_MXCSR | PART_SSE) ||
        !mmu_read(c, va + rest, p.legacy.unused, sizeof(p.legacy.unused)) || !mxcsr_valid(c, &p))
        return false;
    picture_put(c, &p);
    return true;
}

/* XSAVE writes all components of RFBM, XSAVEOPT those in use. MXCSR goes with either vector
 * component. */
static bool state_save(struct cpu *c, uint64_t va, bool only_used)
{
    uint64_t bv_at = va + offsetof(struct picture, header.xstate_bv);
    unsigned parts = xsave_requested(c);
    unsigned vectors = parts & (PART_SSE | PART_AVX);
    uint64_t xstate_bv;
    unsigned in_use;
    struct picture p;

    if (!mmu_read(c, bv_at, &xstate_bv, sizeof(xstate_bv)))
        return false;
    picture_take(c, &p);
    in_use = picture_in_use(c, &p) & parts;
    xstate_bv = (xstate_bv & ~(uint64_t)parts) | in_use;
    if (only_used)
        parts = in_use;
    p.header.xstate_bv = xstate_bv;
    return picture_write(c, &p, va, parts | (vectors ? PART_MXCSR : 0), sizeof(xstate_bv));
}

static bool state_xsave(struct cpu *c, uint64_t va)
{
    return state_save(c, va, false);
}

static bool state_xsaveopt(struct cpu *c, uint64_t va)
{
    return state_save(c, va, true);
}

/* The compacted form: the area's old header does not count, and MXCSR is saved with SSE only. */
static bool state_xsavec(struct cpu *c, uint64_t va)
{
    unsigned parts = xsave_requested(c);
    struct picture p;

    picture_take(c, &p);
    p.header.xcomp_bv = XCOMP_COMPACTED | parts;
    parts &= picture_in_use(c, &p);
    p.header.xstate_bv = parts;
    return picture_write(c, &p, va, parts | (parts & PART_SSE ? PART_MXCSR : 0), XSAVEC_HEADER);
}

/* Checks the header by the rules of its form, standard or compacted (SDM 1, 13.8). */
static bool xsave_header_valid(const struct cpu *c, const struct xsave_header *h)
{
    uint64_t rest = 0;

    for (unsigned i = 1; i < 6; i++)
        rest |= h->reserved[i];
    if (!(h->xcomp_bv & XCOMP_COMPACTED))
        return !h->xcomp_bv && !h->reserved[0] && !(h->xstate_bv & ~c->xcr0);
    return cpu_offers(c, FEATURE_XSAVEC) && !h->reserved[0] && !rest &&
           !(h->xcomp_bv & ~XCOMP_COMPACTED & ~c->xcr0) &&
           !(h->xstate_bv & ~(h->xcomp_bv & ~XCOMP_COMPACTED));
}

static bool state_xrstor(struct cpu *c, uint64_t va)
{
    unsigned parts = xsave_requested(c);
    unsigned loaded, initial;
    struct picture p;

    picture_take(c, &p);
    if (!mmu_read(c, va + offsetof(struct picture, header), &p.header, sizeof(p.header)))
        return false;
    if (!xsave_header_valid(c, &p.header))
        return cpu_refuse(c, CPU_GP, 0);
    loaded = (unsigned)(parts & p.header.xstate_bv);
    initial = parts & ~loaded;
    if (p.header.xcomp_bv & XCOMP_COMPACTED) {
        loaded |= loaded & PART_SSE ? PART_MXCSR : 0;
        initial |= initial & PART_SSE ? PART_MXCSR : 0;
    } else if (parts & (PART_SSE | PART_AVX)) {
        loaded |= PART_MXCSR; /* from memory even if SSE gets its initial value */
    }
    picture_init(c, &p, initial);
    if (!picture_read(c, &p, va, loaded) || !mxcsr_valid(c, &p))
        return false;
    picture_put(c, &p);
    return true;
}

/* LDMXCSR. The host must not see a reserved bit, for which it would raise #GP in this process.
 * STMXCSR runs natively. */
static bool state_ldmxcsr(struct cpu *c, uint64_t va)
{
    uint32_t mxcsr;

    if (!mmu_read(c, va, &mxcsr, sizeof(mxcsr)))
        return false;
    if (mxcsr & ~FPU_MXCSR_MASK)
        return cpu_refuse(c, CPU_GP, 0);
    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
    return true;
}

typedef bool state_fn(struct cpu *c, uint64_t va);

/* op->imm is the state_fn. */
static void op_state(struct cpu *c, const struct op *op)
{
    if (!((state_fn *)(uintptr_t)op->imm)(c, op_address(c, op)))
        return op_leave(c, op);
    OP_NEXT(c, op);
}

/* Checks the segment's limit for an area with AVX's component. The address was checked with the
 * operand's width, SIZE_xs, which is that of an area without it. op->rm is the segment. */
static bool xsave_area_within_limit(struct cpu *c, const struct op *op, uint64_t va)
{
    const struct x86_segment *s = &c->seg[op->rm];
    uint32_t offset = (uint32_t)(va - s->base);

    return (c->mode & MODE_64) || !(xsave_requested(c) & PART_AVX) ||
           seg_within_limit(s, offset, sizeof(struct picture)) ||
           cpu_refuse(c, op->rm == X86_SS ? CPU_SS : CPU_GP, 0);
}

static void op_xsave_area(struct cpu *c, const struct op *op)
{
    uint64_t va = op_address(c, op);

    if (!xsave_allowed(c, va) || !xsave_area_within_limit(c, op, va))
        return op_leave(c, op);
    op_state(c, op);
}

static bool mnemonic_has_area(enum mnemonic mnemonic)
{
    return mnemonic == MN_XSAVE || mnemonic == MN_XSAVEOPT || mnemonic == MN_XSAVEC ||
           mnemonic == MN_XRSTOR;
}

static state_fn *state_function(enum mnemonic mnemonic)
{
    switch (mnemonic) {
    case MN_FXSAVE:
        return state_fxsave;
    case MN_FXRSTOR:
        return state_fxrstor;
    case MN_XSAVE:
        return state_xsave;
    case MN_XSAVEOPT:
        return state_xsaveopt;
    case MN_XSAVEC:
        return state_xsavec;
    case MN_XRSTOR:
        return state_xrstor;
    case MN_LDMXCSR:
    case MN_VLDMXCSR:
        return state_ldmxcsr;
    default:
        return NULL;
    }
}

bool build_state(struct build *b)
{
    enum mnemonic mnemonic = (enum mnemonic)b->row->mnemonic;
    state_fn *function = state_function(mnemonic);
    struct op *op;

    if (!function)
        return false;
    op = build_op(b, mnemonic_has_area(mnemonic) ? op_xsave_area : op_state);
    op->imm = (uintptr_t)function;
    op->rm = b->insn.seg;
    return true;
}
