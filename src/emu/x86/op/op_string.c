/*
 * String instructions.
 *
 * With REP and the direction flag clear, MOVS and STOS do as many elements as fit on the present
 * page (or pages) in one piece, with the host's own string instruction, which has the same element
 * order if the operands overlap. Everything else goes element by element. Registers are up to date
 * after every piece, so that after a fault, or a request from another thread, the instruction can
 * be resumed where it stopped (SDM 2B, "REP").
 *
 * INS and OUTS end the block, as IN and OUT do (op_port.c).
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

/* A string instruction in progress. */
struct string {
    struct cpu *c;
    const struct op *op; /* reg is the enum repeat, rm the source's segment */
    unsigned size;       /* of an element; op->aux */
    uint64_t mask;       /* of the address size; op->imm */
    uint64_t count;      /* elements still to do */
    flags_t before;      /* the flags before the first element */
    bool down;           /* RFLAGS.DF */
};

/* False: there is no element to do. */
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

static void string_advance(const struct string *s, enum x86_gpr reg, uint64_t elements)
{
    uint64_t *r = &s->c->gpr[reg];
    uint64_t by = elements * s->size;
    uint64_t value = s->down ? *r - by : *r + by;
    uint64_t keep = s->mask == UINT16_MAX ? ~s->mask : 0;

    *r = (*r & keep) | (value & s->mask);
}

static void string_count_down(struct string *s, uint64_t elements)
{
    uint64_t keep = s->mask == UINT16_MAX ? ~s->mask : 0;

    if (s->op->reg == REPEAT_NONE) {
        s->count = 0;
        return;
    }
    s->count -= elements;
    s->c->gpr[X86_RCX] = (s->c->gpr[X86_RCX] & keep) | s->count;
}

/* Whether to stop between two pieces, for a request or a debug exception, and come back to this
 * instruction later. RFLAGS.RF is then set, so that a breakpoint on the instruction does not count
 * again (SDM 3B, 18.3.1.1). */
static bool string_interrupted(const struct string *s)
{
    struct cpu *c = s->c;

    if (!s->count || (!__atomic_load_n(&c->request, __ATOMIC_RELAXED) &&
                      !(c->alone & CPU_ALONE_STEP) && !c->debug_met))
        return false;
    c->rflags |= X86_RFLAGS_RF;
    c->alone |= CPU_ALONE_RESUMED;
    return true;
}

static uint64_t string_source(const struct string *s)
{
    uint64_t va = (s->c->gpr[X86_RSI] & s->mask) + *op_r64(s->c, s->op->seg);

    return s->c->mode & MODE_64 ? va : (uint32_t)va;
}

static uint64_t string_destination(const struct string *s)
{
    uint64_t va = (s->c->gpr[X86_RDI] & s->mask) + s->c->gpr[CPU_ES_BASE];

    return s->c->mode & MODE_64 ? va : (uint32_t)va;
}

/* Whether no limit has to be checked: in 64-bit mode or with flat segments, which FS and GS never
 * count among (mode.h). */
static bool string_unlimited(const struct string *s, unsigned seg)
{
    uint32_t mode = s->c->mode;

    return (mode & MODE_64) || ((mode & MODE_FLAT) && seg != X86_FS && seg != X86_GS);
}

/* Checks an element against the segment's limit. */
static bool string_checked(const struct string *s, enum x86_gpr reg, unsigned seg)
{
    uint32_t offset = (uint32_t)(s->c->gpr[reg] & s->mask);

    if (string_unlimited(s, seg) || seg_within_limit(&s->c->seg[seg], offset, s->size))
        return true;
    cpu_fault_error(s->c, seg == X86_SS ? CPU_SS : CPU_GP, 0);
    return false;
}

static bool string_source_checked(const struct string *s)
{
    return string_checked(s, X86_RSI, s->op->rm);
}

static bool string_destination_checked(const struct string *s)
{
    return string_checked(s, X86_RDI, X86_ES);
}

/* How many elements from va lie on its page, at most `count`. 0 if not even one does, or if
 * elements must go one by one. */
static uint64_t string_on_page(const struct string *s, unsigned seg, uint64_t va, uint64_t count)
{
    uint64_t room = (PAGE_4K - va % PAGE_4K) / s->size;

    if (s->down || !string_unlimited(s, seg) || (s->c->alone & CPU_ALONE_STEP))
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

/* Moves elements in one piece. Returns how many, or 0 if that is not possible. */
static uint64_t movs_piece(struct string *s)
{
    uint64_t from = string_source(s), to = string_destination(s);
    uint64_t count = string_on_page(s, s->op->rm, from, s->count);
    const void *src;
    void *dst;

    count = string_on_page(s, X86_ES, to, count);
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

    if (!string_source_checked(s) || !string_destination_checked(s))
        return 0;
    from = mmu_read_at(s->c, string_source(s), s->size);
    if (!from)
        return 0;
    copy_once(&value, from, s->size);
    return mmu_write_slow(s->c, string_destination(s), &value, s->size);
}

static uint64_t movs_some(struct string *s)
{
    uint64_t done = movs_piece(s);

    return done ? done : movs_one(s);
}

static uint64_t stos_some(struct string *s)
{
    uint64_t to = string_destination(s);
    uint64_t count = string_on_page(s, X86_ES, to, s->count);
    void *dst = count ? mmu_write_hit(s->c, to, (unsigned)(count * s->size)) : NULL;

    if (dst) {
        host_stos(s->size, dst, s->c->gpr[X86_RAX], count);
        return count;
    }
    return string_destination_checked(s) && mmu_write_slow(s->c, to, &s->c->gpr[X86_RAX], s->size);
}

static uint64_t lods_one(struct string *s)
{
    uint64_t *rax = &s->c->gpr[X86_RAX];
    const void *from =
        string_source_checked(s) ? mmu_read_at(s->c, string_source(s), s->size) : NULL;

    if (!from)
        return 0;
    if (s->size == 4)
        *rax = 0;
    copy_once(rax, from, s->size);
    return 1;
}

/* The flags of a comparison, as the host computes them. */
#define COMPARE(bits, suffix)                                                   \
    static flags_t string_compare##bits(uint64_t left, uint64_t right)          \
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

static flags_t string_compare(unsigned size, uint64_t left, uint64_t right)
{
    switch (size) {
    case 1:
        return string_compare8(left, right);
    case 2:
        return string_compare16(left, right);
    case 4:
        return string_compare32(left, right);
    default:
        return string_compare64(left, right);
    }
}

static bool string_load(struct cpu *c, uint64_t va, unsigned size, uint64_t *value)
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

    if (!string_destination_checked(s) ||
        !string_load(s->c, string_destination(s), s->size, &value))
        return 0;
    s->c->flags = string_compare(s->size, s->c->gpr[X86_RAX], value);
    return 1;
}

static uint64_t cmps_one(struct string *s)
{
    uint64_t left, right;

    if (!string_source_checked(s) || !string_destination_checked(s) ||
        !string_load(s->c, string_source(s), s->size, &left) ||
        !string_load(s->c, string_destination(s), s->size, &right))
        return 0;
    s->c->flags = string_compare(s->size, left, right);
    return 1;
}

static uint64_t ins_one(struct string *s)
{
    struct pieces to;
    uint8_t data[4];

    /* The write is checked before the device is read. */
    if (!string_destination_checked(s) ||
        !mmu_write_begin(s->c, string_destination(s), s->size, &to))
        return 0;
    port_read(s->c, (uint16_t)s->c->gpr[X86_RDX], data, s->size);
    mmu_write_end(s->c, &to, data);
    return 1;
}

static uint64_t outs_one(struct string *s)
{
    uint64_t data;

    if (!string_source_checked(s) || !string_load(s->c, string_source(s), s->size, &data))
        return 0;
    port_write(s->c, (uint16_t)s->c->gpr[X86_RDX], &data, s->size);
    return 1;
}

/* Whether the comparison ends the repetition: REPE goes on while equal, REPNE while not. */
static bool string_condition_ends(const struct string *s)
{
    bool equal = s->c->flags & FLAGS_ZF;

    return s->op->reg != REPEAT_NONE && equal == (s->op->reg == REPEAT_NE);
}

enum {
    SOURCE = 1u << 0,      /* RSI moves on */
    DESTINATION = 1u << 1, /* RDI moves on */
    COMPARES = 1u << 2,    /* sets the flags, on which REPE and REPNE depend */
};

/* Does one or more elements. Returns how many, or 0 if the first one faulted. */
typedef uint64_t some_fn(struct string *s);

static void string_narrow(const struct string *s, enum x86_gpr reg)
{
    if (s->mask == UINT32_MAX)
        s->c->gpr[reg] &= s->mask;
}

static bool string_stores(unsigned what)
{
    return (what & (DESTINATION | COMPARES)) == DESTINATION;
}

/* What Intel's processors do with 32-bit addresses if the count was 0 or an element faulted: they
 * still write the count register and, if the instruction stores, its address registers, and so
 * clear the upper halves of these. */
static void string_narrow_all(const struct string *s, unsigned what)
{
    string_narrow(s, X86_RCX);
    if (string_stores(what))
        string_narrow(s, X86_RDI);
    if (string_stores(what) && (what & SOURCE))
        string_narrow(s, X86_RSI);
}

/* What Intel's processors do after a fault in a repetition: string_narrow_all, and they take back
 * the flags that earlier elements have set (SDM 2B, "REP"). */
static void string_faulted(const struct string *s, unsigned what)
{
    if (!s->c->vendor->narrow_repeat || s->op->reg == REPEAT_NONE)
        return;
    string_narrow_all(s, what);
    s->c->flags = s->before;
}

static inline __attribute__((always_inline)) void string_repeat(struct cpu *c, const struct op *op,
                                                                some_fn *some, unsigned what)
{
    struct string s;

    if (!string_begin(&s, c, op)) {
        if (c->vendor->narrow_repeat)
            string_narrow_all(&s, what);
        OP_NEXT(c, op);
    }
    do {
        uint64_t done = some(&s);

        if (!done) {
            string_faulted(&s, what);
            return op_leave(c, op);
        }
        if (what & SOURCE)
            string_advance(&s, X86_RSI, done);
        if (what & DESTINATION)
            string_advance(&s, X86_RDI, done);
        string_count_down(&s, done);
        if ((what & COMPARES) && string_condition_ends(&s))
            break;
        if (string_interrupted(&s))
            return op_leave(c, op);
    } while (s.count);
    OP_NEXT(c, op);
}

static void op_movs(struct cpu *c, const struct op *op)
{
    string_repeat(c, op, movs_some, SOURCE | DESTINATION);
}

static void op_stos(struct cpu *c, const struct op *op)
{
    string_repeat(c, op, stos_some, DESTINATION);
}

static void op_lods(struct cpu *c, const struct op *op)
{
    string_repeat(c, op, lods_one, SOURCE);
}

static void op_scas(struct cpu *c, const struct op *op)
{
    string_repeat(c, op, scas_one, DESTINATION | COMPARES);
}

static void op_cmps(struct cpu *c, const struct op *op)
{
    string_repeat(c, op, cmps_one, SOURCE | DESTINATION | COMPARES);
}

static void op_ins(struct cpu *c, const struct op *op)
{
    if (!port_allowed(c, (uint16_t)c->gpr[X86_RDX], op->aux))
        return op_leave(c, op);
    string_repeat(c, op, ins_one, DESTINATION);
}

static void op_outs(struct cpu *c, const struct op *op)
{
    if (!port_allowed(c, (uint16_t)c->gpr[X86_RDX], op->aux))
        return op_leave(c, op);
    string_repeat(c, op, outs_one, SOURCE);
}

static enum repeat string_repetition(const struct build *b)
{
    if (b->insn.flags & INSN_REPNE)
        return b->row->attr & ATTR_REPZ ? REPEAT_NE : REPEAT;
    return b->insn.flags & INSN_REP ? REPEAT : REPEAT_NONE;
}

/* The width of an element is that of the operand in memory. */
static unsigned string_element_size(const struct build *b)
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
        b->last = true;
        break;
    case MN_OUTS:
        run = op_outs;
        b->last = true;
        break;
    default:
        return false;
    }
    op = build_op_bare(b, run);
    build_address_fields(b, op); /* for the base of the source's segment */
    op->rm = b->insn.seg;
    op->aux = (uint8_t)string_element_size(b);
    op->imm = b->insn.asize == 8 ? UINT64_MAX : b->insn.asize == 4 ? UINT32_MAX : UINT16_MAX;
    op->reg = (uint8_t)string_repetition(b);
    return true;
}
