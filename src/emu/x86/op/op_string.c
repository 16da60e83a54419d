/*
 * String instructions.
 *
 * Theory: with REP and the direction flag clear, as many elements as fit on the present page (or
 * pages) go in one piece, moved by the host's own string instruction, which has the same element
 * order where operands overlap. All else goes element by element. Registers are true after every
 * piece, so that a fault or a request from another thread in the middle leaves the instruction to
 * be resumed where it was (SDM 2B, "REP").
 */
#include <stddef.h>

#include "core/base/units.h"
#include "core/x86/bits.h"
#include "emu/x86/cpu/mode.h"
#include "emu/x86/decode/vendor.h"
#include "emu/x86/mem/copy.h"
#include "emu/x86/mem/mmio.h"
#include "emu/x86/op/build.h"
#include "emu/x86/op/op_mem.h"
#include "emu/x86/seg/seg.h"
#include "emu/x86/sys/port.h"

enum repeat {
    REPEAT_NONE,
    REPEAT, /* also REPE */
    REPEAT_NE,
};

/* What the op says, unpacked: aux is the element's size, imm the address mask, reg the repetition.
 */
struct string {
    struct cpu *c;
    const struct op *op;
    unsigned size;
    uint64_t mask;
    uint64_t count; /* elements still to do, at least 1 */
    flags_t before;
    bool down;
};

static bool string_begin(struct string *s, struct cpu *c, const struct op *op)
{
    s->c = c;
    s->op = op;
    s->size = op->aux;
    s->mask = op->imm;
    s->before = c->flags;
    s->down = c->rflags & X86_RFLAGS_DF;
    s->count = op->reg == REPEAT_NONE ? 1 : c->gpr[X86_RCX] & s->mask;
    return s->count != 0;
}

static void advance(const struct string *s, enum x86_gpr reg, uint64_t elements)
{
    uint64_t *r = &s->c->gpr[reg];
    uint64_t by = elements * s->size;
    uint64_t value = s->down ? *r - by : *r + by;
    uint64_t keep = s->mask == UINT16_MAX ? ~s->mask : 0;

    *r = (*r & keep) | (value & s->mask);
}

static void counted(struct string *s, uint64_t elements)
{
    uint64_t keep = s->mask == UINT16_MAX ? ~s->mask : 0;

    if (s->op->reg == REPEAT_NONE) {
        s->count = 0;
        return;
    }
    s->count -= elements;
    s->c->gpr[X86_RCX] = (s->c->gpr[X86_RCX] & keep) | s->count;
}

/* Whether to stop between pieces and come back to the same instruction: for a request, or for a
 * debug exception. RFLAGS.RF says that it has begun (SDM 3B, 17.3.1.1). */
static bool interrupted(const struct string *s)
{
    struct cpu *c = s->c;

    if (!s->count || (!__atomic_load_n(&c->request, __ATOMIC_RELAXED) &&
                      !(c->alone & CPU_ALONE_STEP) && !c->debug_met))
        return false;
    c->rflags |= X86_RFLAGS_RF;
    c->alone |= CPU_ALONE_RESUMED;
    return true;
}

static uint64_t source(const struct string *s)
{
    uint64_t va = (s->c->gpr[X86_RSI] & s->mask) + *op_r64(s->c, s->op->seg);

    return s->c->mode & MODE_64 ? va : (uint32_t)va;
}

static uint64_t destination(const struct string *s)
{
    uint64_t va = (s->c->gpr[X86_RDI] & s->mask) + s->c->gpr[CPU_ES_BASE];

    return s->c->mode & MODE_64 ? va : (uint32_t)va;
}

/* Outside 64-bit mode and with segments that are not flat, every element is checked. */
static bool checked(const struct string *s, enum x86_gpr reg, unsigned seg)
{
    uint32_t offset = (uint32_t)(s->c->gpr[reg] & s->mask);

    if ((s->c->mode & (MODE_64 | MODE_FLAT)) || seg_within_limit(&s->c->seg[seg], offset, s->size))
        return true;
    cpu_fault_error(s->c, CPU_GP, 0);
    return false;
}

static bool checked_source(const struct string *s)
{
    return checked(s, X86_RSI, s->op->rm);
}

static bool checked_destination(const struct string *s)
{
    return checked(s, X86_RDI, X86_ES);
}

/* How many elements from va lie on its page, at most `count`; 0 where not even one does, or where
 * pieces do not apply. */
static uint64_t on_page(const struct string *s, uint64_t va, uint64_t count)
{
    uint64_t room = (PAGE_4K - va % PAGE_4K) / s->size;

    if (s->down || !(s->c->mode & (MODE_64 | MODE_FLAT)) || (s->c->alone & CPU_ALONE_STEP))
        return 0;
    return count < room ? count : room;
}

static void host_movs(unsigned size, void *to, const void *from, uint64_t count)
{
    switch (size) {
    case 1:
        __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
        break;
    case 2:
        __asm__ volatile("rep movsw" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
        break;
    case 4:
        __asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
        break;
    default:
        __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
        break;
    }
}

static void host_stos(unsigned size, void *to, uint64_t value, uint64_t count)
{
    switch (size) {
    case 1:
        __asm__ volatile("rep stosb" : "+D"(to), "+c"(count) : "a"(value) : "memory");
        break;
    case 2:
        __asm__ volatile("rep stosw" : "+D"(to), "+c"(count) : "a"(value) : "memory");
        break;
    case 4:
        __asm__ volatile("rep stosl" : "+D"(to), "+c"(count) : "a"(value) : "memory");
        break;
    default:
        __asm__ volatile("rep stosq" : "+D"(to), "+c"(count) : "a"(value) : "memory");
        break;
    }
}

/* Elements in one piece, 0: none could. */
static uint64_t movs_piece(struct string *s)
{
    uint64_t from = source(s), to = destination(s);
    uint64_t count = on_page(s, to, on_page(s, from, s->count));
    const void *src;
    void *dst;

    if (count < 2)
        return 0;
    src = mmu_read_hit(s->c, from, (unsigned)(count * s->size));
    dst = mmu_write_hit(s->c, to, (unsigned)(count * s->size));
    if (!src || !dst)
        return 0;
    host_movs(s->size, dst, src, count);
    return count;
}

static uint64_t movs_one(struct string *s)
{
    uint64_t value;
    const void *from;

    if (!checked_source(s) || !checked_destination(s))
        return 0;
    from = mmu_read_at(s->c, source(s), s->size);
    if (!from)
        return 0;
    copy_once(&value, from, s->size);
    return mmu_write_slow(s->c, destination(s), &value, s->size);
}

static uint64_t movs_some(struct string *s)
{
    uint64_t done = movs_piece(s);

    return done ? done : movs_one(s);
}

static uint64_t stos_some(struct string *s)
{
    uint64_t to = destination(s);
    uint64_t count = on_page(s, to, s->count);
    void *dst = count ? mmu_write_hit(s->c, to, (unsigned)(count * s->size)) : NULL;

    if (dst) {
        host_stos(s->size, dst, s->c->gpr[X86_RAX], count);
        return count;
    }
    return checked_destination(s) && mmu_write_slow(s->c, to, &s->c->gpr[X86_RAX], s->size);
}

static uint64_t lods_one(struct string *s)
{
    uint64_t *rax = &s->c->gpr[X86_RAX];
    const void *from = checked_source(s) ? mmu_read_at(s->c, source(s), s->size) : NULL;

    if (!from)
        return 0;
    if (s->size == 4)
        *rax = 0;
    copy_once(rax, from, s->size);
    return 1;
}

/* The flags of a comparison, as the host makes them. */
#define COMPARE(bits, suffix)                                                   \
    static flags_t compare##bits(uint64_t left, uint64_t right)                 \
    {                                                                           \
        uint16_t flags;                                                         \
        __asm__("cmp" suffix " %[r], %[l]\n\tlahf\n\tseto %%al"                 \
                : "=a"(flags)                                                   \
                : [l] "q"((uint##bits##_t)left), [r] "q"((uint##bits##_t)right) \
                : "cc");                                                        \
        return (flags_t)(flags & FLAGS_ALL);                                    \
    }

COMPARE(8, "b")
COMPARE(16, "w")
COMPARE(32, "l")
COMPARE(64, "q")

static flags_t compare(unsigned size, uint64_t left, uint64_t right)
{
    switch (size) {
    case 1:
        return compare8(left, right);
    case 2:
        return compare16(left, right);
    case 4:
        return compare32(left, right);
    default:
        return compare64(left, right);
    }
}

static bool load(struct cpu *c, uint64_t va, unsigned size, uint64_t *value)
{
    const void *from = mmu_read_at(c, va, size);

    *value = 0;
    if (from)
        copy_once(value, from, size);
    return from;
}

static uint64_t scas_one(struct string *s)
{
    uint64_t value;

    if (!checked_destination(s) || !load(s->c, destination(s), s->size, &value))
        return 0;
    s->c->flags = compare(s->size, s->c->gpr[X86_RAX], value);
    return 1;
}

static uint64_t cmps_one(struct string *s)
{
    uint64_t left, right;

    if (!checked_source(s) || !checked_destination(s) || !load(s->c, source(s), s->size, &left) ||
        !load(s->c, destination(s), s->size, &right))
        return 0;
    s->c->flags = compare(s->size, left, right);
    return 1;
}

static uint64_t ins_one(struct string *s)
{
    struct pieces to;
    uint8_t data[4];

    if (!checked_destination(s) ||
        !mmu_write_begin(s->c, destination(s), s->size, &to)) /* before the device is read */
        return 0;
    port_read(s->c, (uint16_t)s->c->gpr[X86_RDX], data, s->size);
    mmu_write_end(s->c, &to, data);
    return 1;
}

static uint64_t outs_one(struct string *s)
{
    uint64_t data;

    if (!checked_source(s) || !load(s->c, source(s), s->size, &data))
        return 0;
    port_write(s->c, (uint16_t)s->c->gpr[X86_RDX], &data, s->size);
    return 1;
}

/* REPE goes on while equal, REPNE while not. */
static bool condition_ends(const struct string *s)
{
    bool equal = s->c->flags & FLAGS_ZF;

    return s->op->reg != REPEAT_NONE && equal == (s->op->reg == REPEAT_NE);
}

enum {
    SOURCE = 1u << 0,      /* RSI moves on */
    DESTINATION = 1u << 1, /* RDI does */
    COMPARES = 1u << 2,
};

/* Elements some at a time: how many were done, 0 where the first of them faulted. */
typedef uint64_t some_fn(struct string *s);

static void narrow(const struct string *s, enum x86_gpr reg)
{
    if (s->mask == UINT32_MAX)
        s->c->gpr[reg] &= s->mask;
}

static bool stores(unsigned what)
{
    return (what & (DESTINATION | COMPARES)) == DESTINATION;
}

/* Nothing is done: there was no element, or the next one faulted. An Intel processor's count, and
 * the addresses where it stores, are then as if 32-bit registers had been written all the same. */
static void narrow_all(const struct string *s, unsigned what)
{
    narrow(s, X86_RCX);
    if (stores(what))
        narrow(s, X86_RDI);
    if (stores(what) && (what & SOURCE))
        narrow(s, X86_RSI);
}

/* Nor do flags that were changed for the elements before outlive the fault (SDM 2B, "REP"). */
static void faulted(const struct string *s, unsigned what)
{
    if (!s->c->vendor->narrow_repeat || s->op->reg == REPEAT_NONE)
        return;
    narrow_all(s, what);
    s->c->flags = s->before;
}

static inline __attribute__((always_inline)) void repeat(struct cpu *c, const struct op *op,
                                                         some_fn *some, unsigned what)
{
    struct string s;

    if (!string_begin(&s, c, op)) {
        if (c->vendor->narrow_repeat)
            narrow_all(&s, what);
        OP_NEXT(c, op);
    }
    do {
        uint64_t done = some(&s);

        if (!done) {
            faulted(&s, what);
            return op_leave(c, op);
        }
        if (what & SOURCE)
            advance(&s, X86_RSI, done);
        if (what & DESTINATION)
            advance(&s, X86_RDI, done);
        counted(&s, done);
        if ((what & COMPARES) && condition_ends(&s))
            break;
        if (interrupted(&s))
            return op_leave(c, op);
    } while (s.count);
    OP_NEXT(c, op);
}

static void op_movs(struct cpu *c, const struct op *op)
{
    repeat(c, op, movs_some, SOURCE | DESTINATION);
}

static void op_stos(struct cpu *c, const struct op *op)
{
    repeat(c, op, stos_some, DESTINATION);
}

static void op_lods(struct cpu *c, const struct op *op)
{
    repeat(c, op, lods_one, SOURCE);
}

static void op_scas(struct cpu *c, const struct op *op)
{
    repeat(c, op, scas_one, DESTINATION | COMPARES);
}

static void op_cmps(struct cpu *c, const struct op *op)
{
    repeat(c, op, cmps_one, SOURCE | DESTINATION | COMPARES);
}

static void op_ins(struct cpu *c, const struct op *op)
{
    if (!port_allowed(c, (uint16_t)c->gpr[X86_RDX], op->aux))
        return op_leave(c, op);
    repeat(c, op, ins_one, DESTINATION);
}

static void op_outs(struct cpu *c, const struct op *op)
{
    if (!port_allowed(c, (uint16_t)c->gpr[X86_RDX], op->aux))
        return op_leave(c, op);
    repeat(c, op, outs_one, SOURCE);
}

static enum repeat repeat_of(const struct build *b)
{
    if (b->insn.flags & INSN_REPNE)
        return b->row->attr & ATTR_REPZ ? REPEAT_NE : REPEAT;
    return b->insn.flags & INSN_REP ? REPEAT : REPEAT_NONE;
}

/* The element's width: of the operand that is in memory. */
static unsigned element_size(const struct build *b)
{
    for (unsigned i = 0; i < TABLE_OPERANDS; i++) {
        const struct operand_kind *k = &operand_kinds[b->row->operand[i]];

        if (k->place == PLACE_SRC || k->place == PLACE_DST)
            return operand_bytes(&b->insn, b->row->operand[i]);
    }
    return 1;
}

bool build_string(struct build *b)
{
    op_fn *run;
    struct op *op;

    switch (b->row->mnemonic) {
    case MN_MOVS:
        run = op_movs;
        break;
    case MN_STOS:
        run = op_stos;
        break;
    case MN_LODS:
        run = op_lods;
        break;
    case MN_SCAS:
        run = op_scas;
        break;
    case MN_CMPS:
        run = op_cmps;
        break;
    case MN_INS:
        run = op_ins;
        break;
    case MN_OUTS:
        run = op_outs;
        break;
    default:
        return false;
    }
    op = build_op_bare(b, run);
    build_address_fields(b, op); /* the source's segment */
    op->rm = b->insn.seg;
    op->aux = (uint8_t)element_size(b);
    op->imm = b->insn.asize == 8 ? UINT64_MAX : b->insn.asize == 4 ? UINT32_MAX : UINT16_MAX;
    op->reg = (uint8_t)repeat_of(b);
    return true;
}
