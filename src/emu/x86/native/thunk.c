/*
 * Making thunks.
 *
 * Registers of generated code: rdi is the struct cpu, rsi the op, r11 the memory operand's address.
 * Registers that an instruction uses implicitly (AL to RAX, CL, DX: IMUL, SHL, CMPXCHG...) keep
 * their numbers. Those named in its encoding become r8, r9, r10 in order of appearance; the same
 * guest register becomes the same host register. A high byte register (AH...) is moved through the
 * low byte of one of these. RBX belongs to the caller and is kept in r10 while CMPXCHG8B uses it.
 * Vector registers keep their numbers. x87 and MMX registers are in the host's already.
 *
 * Flags go in by ADD (OF) and SAHF (the others) before the registers are loaded, and out by LAHF
 * and SETO after they are stored, since both need rax.
 */
#include "emu/x86/native/thunk.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/err.h"
#include "emu/x86/cpu/cpu.h"
#include "emu/x86/native/emit.h"
#include "emu/x86/op/build.h"

#define CODE_SIZE  (6u << 20)
#define CODE_SPARE (64u << 10) /* more than the thunks of one block need */
#define HASH_SIZE  32768u

#define HOST_CPU 7u  /* rdi */
#define HOST_OP  6u  /* rsi */
#define HOST_MEM 11u /* r11 */

#define OFFSET_GPR(n) ((int32_t)(offsetof(struct cpu, gpr) + (n) * sizeof(uint64_t)))
#define OFFSET_VEC(n) ((int32_t)(offsetof(struct cpu, vec) + (n) * sizeof(struct cpu_vec)))
#define OFFSET_FLAGS  ((int32_t)offsetof(struct cpu, flags))

/* An entry in the table of thunks. */
struct made {
    uint32_t at; /* offset in the code area */
    uint32_t len;
    uint32_t hash;
};

struct thunks {
    uint8_t *write;
    uint8_t *run;
    uint32_t used;
    struct made made[HASH_SIZE]; /* a hash table with open addressing; len 0: empty */
    unsigned count;
};

int thunks_create(struct thunks **out, struct err *e)
{
    struct thunks *t = calloc(1, sizeof(*t));
    int fd;

    if (!t)
        return err_set(e, ENOMEM, "no memory for generated code");
    fd = memfd_create("mote-code", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, CODE_SIZE)) {
        int ret = err_sys(e, "cannot create the memory file for generated code");

        if (fd >= 0)
            (void)close(fd);
        free(t);
        return ret;
    }
    t->write = mmap(NULL, CODE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    t->run = mmap(NULL, CODE_SIZE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    (void)close(fd);
    if (t->write == MAP_FAILED || t->run == MAP_FAILED) {
        int ret = err_sys(e, "the host forbids executable memory (SELinux execmem, "
                             "vm.memfd_noexec?), which the software CPU needs");

        thunks_destroy(t);
        return ret;
    }
    *out = t;
    return 0;
}

void thunks_destroy(struct thunks *t)
{
    if (!t)
        return;
    if (t->write != MAP_FAILED)
        (void)munmap(t->write, CODE_SIZE);
    if (t->run != MAP_FAILED)
        (void)munmap(t->run, CODE_SIZE);
    free(t);
}

void thunks_clear(struct thunks *t)
{
    memset(t->made, 0, sizeof(t->made));
    t->used = 0;
    t->count = 0;
}

bool thunks_have_room(const struct thunks *t)
{
    return t->used + CODE_SPARE <= CODE_SIZE && t->count < HASH_SIZE / 4 * 3;
}

bool thunks_hold(const struct thunks *t, uint64_t rip)
{
    return rip - (uint64_t)(uintptr_t)t->run < CODE_SIZE;
}

/* One general register the instruction uses. */
struct slot {
    uint8_t guest;
    uint8_t host;
    bool high; /* AH, CH, DH, BH */
    bool written;
};

#define SLOTS_MAX 8u

struct plan {
    const struct build *b;
    struct slot slots[SLOTS_MAX];
    unsigned count;
    unsigned next_host;
    uint32_t vec_read; /* one bit for each register */
    uint32_t vec_written;
    uint8_t reg, rm, vvvv, opcode_reg, is4; /* host numbers to encode */
    bool in_opcode;                         /* opcode_reg is used */
    bool in_is4;                            /* is4 is used */
    bool memory;
    bool saves_rbx;
};

static struct slot *slot_of(struct plan *p, unsigned guest, bool high)
{
    for (unsigned i = 0; i < p->count; i++)
        if (p->slots[i].guest == guest && p->slots[i].high == high)
            return &p->slots[i];
    return NULL;
}

static struct slot *slot_add(struct plan *p, unsigned guest, bool high, unsigned host)
{
    struct slot *s = slot_of(p, guest, high);

    if (s)
        return s;
    s = &p->slots[p->count++];
    *s = (struct slot){ .guest = (uint8_t)guest, .host = (uint8_t)host, .high = high };
    return s;
}

/* Registers that the instruction uses implicitly keep their numbers. */
static void plan_fixed(struct plan *p)
{
    const struct table_row *row = p->b->row;
    uint32_t written = table_gprs_written(row);
    uint32_t used = table_gprs_read(row) | written;

    for (unsigned i = 0; i < TABLE_OPERANDS; i++) {
        const struct operand_kind *k = &operand_kinds[row->operand[i]];

        if (k->place == PLACE_FIXED && k->file == FILE_GPR) {
            used |= 1u << k->fixed;
            if (table_access(row, i) != ACCESS_R)
                written |= 1u << k->fixed;
        }
    }
    for (unsigned n = 0; n < 16; n++)
        if (used & 1u << n)
            slot_add(p, n, false, n)->written = written & 1u << n;
    p->saves_rbx = used & 1u << X86_RBX;
}

static void plan_encode(struct plan *p, enum operand_place place, unsigned host)
{
    if (place == PLACE_REG)
        p->reg = (uint8_t)host;
    else if (place == PLACE_RM)
        p->rm = (uint8_t)host;
    else if (place == PLACE_VVVV)
        p->vvvv = (uint8_t)host;
    else if (place == PLACE_OPCODE)
        p->opcode_reg = (uint8_t)host;
    else if (place == PLACE_IS4)
        p->is4 = (uint8_t)host;
    p->in_is4 = p->in_is4 || place == PLACE_IS4;
    p->in_opcode = p->in_opcode || place == PLACE_OPCODE;
}

static void plan_gpr(struct plan *p, unsigned operand, const struct operand_kind *k)
{
    const struct insn *insn = &p->b->insn;
    unsigned number = operand_reg(insn, p->b->row->operand[operand]);
    unsigned width = operand_bytes(insn, p->b->row->operand[operand]);
    bool high = width == 1 && !(insn->flags & INSN_REX) && number >= 4;
    struct slot *s;

    if (high)
        number -= 4;
    s = slot_of(p, number, high);
    if (!s)
        s = slot_add(p, number, high, p->next_host++);
    if (table_access(p->b->row, operand) != ACCESS_R)
        s->written = true;
    plan_encode(p, k->place, s->host);
}

static void plan_vec(struct plan *p, unsigned operand, const struct operand_kind *k)
{
    unsigned number = operand_reg(&p->b->insn, p->b->row->operand[operand]);

    p->vec_read |= 1u << number;
    if (table_access(p->b->row, operand) != ACCESS_R)
        p->vec_written |= 1u << number;
    plan_encode(p, k->place, number);
}

static void plan_operands(struct plan *p)
{
    const struct insn *insn = &p->b->insn;

    p->reg = insn->modrm >> 3 & 7u; /* an opcode extension, or part of an x87 opcode, stays */
    p->rm = insn->modrm & 7u;
    p->next_host = 8;
    plan_fixed(p);
    for (unsigned i = 0; i < TABLE_OPERANDS; i++) {
        const struct operand_kind *k = &operand_kinds[p->b->row->operand[i]];

        if (k->place == PLACE_RM && (insn->flags & INSN_MEM))
            p->memory = true;
        else if (k->file == FILE_GPR && k->place != PLACE_FIXED)
            plan_gpr(p, i, k);
        else if (k->file == FILE_VEC)
            plan_vec(p, i, k);
        else if (k->file == FILE_MMX)
            plan_encode(p, k->place, operand_reg(insn, p->b->row->operand[i]) & 7u);
    }
    if (p->b->row->attr & ATTR_VECS)
        p->vec_read = p->vec_written = insn->flags & INSN_64 ? 0xffffu : 0xffu;
}

static void emit_flags_in(struct emit *e)
{
    static const uint8_t add_and_sahf[] = { 0x04, 0x7f, 0x9e }; /* add $127,%al; sahf */

    emit_byte(e, 0x0f); /* movzwl flags(%rdi),%eax */
    emit_byte(e, 0xb7);
    emit_base_disp(e, 0, HOST_CPU, OFFSET_FLAGS);
    emit_bytes(e, add_and_sahf, sizeof(add_and_sahf));
}

static void emit_flags_out(struct emit *e)
{
    /* lahf; seto %al; movw %ax,flags(%rdi) */
    static const uint8_t lahf_and_seto[] = { 0x9f, 0x0f, 0x90, 0xc0, 0x66, 0x89 };

    emit_bytes(e, lahf_and_seto, sizeof(lahf_and_seto));
    emit_base_disp(e, 0, HOST_CPU, OFFSET_FLAGS);
}

static void emit_high_byte(struct emit *e, const struct slot *s, unsigned opcode)
{
    emit_byte(e, 0x40u | (unsigned)(s->host >> 3) << 2);
    emit_byte(e, opcode);
    emit_base_disp(e, s->host, HOST_CPU, OFFSET_GPR(s->guest) + 1);
}

static void emit_gprs(struct emit *e, const struct plan *p, bool store)
{
    for (unsigned i = 0; i < p->count; i++)
        if (!p->slots[i].high && (!store || p->slots[i].written))
            emit_move64(e, store ? 0x89 : 0x8b, p->slots[i].host, HOST_CPU,
                        OFFSET_GPR(p->slots[i].guest));
    for (unsigned i = 0; i < p->count; i++) /* a high byte after the register it is part of */
        if (p->slots[i].high && (!store || p->slots[i].written))
            emit_high_byte(e, &p->slots[i], store ? 0x88 : 0x8a);
}

/* Legacy SSE instructions keep the upper halves of YMM, so only XMM is moved. VEX-coded ones
 * (`wide`) clear the upper halves, so all of YMM is moved. */
static void emit_vecs(struct emit *e, uint32_t which, bool wide, bool store)
{
    for (unsigned n = 0; n < 16; n++) {
        if (!(which & 1u << n))
            continue;
        if (wide) { /* vmovups ymm, two-byte VEX: R inverted, vvvv 1111, L, no prefix */
            emit_byte(e, 0xc5);
            emit_byte(e, (n >> 3 ? 0 : 0x80u) | 0x7cu);
        } else {
            if (n >> 3)
                emit_byte(e, 0x44);
            emit_byte(e, 0x0f);
        }
        emit_byte(e, store ? 0x11 : 0x10);
        emit_base_disp(e, n, HOST_CPU, OFFSET_VEC(n));
    }
}

static void emit_modrm(struct emit *e, const struct plan *p)
{
    if (p->memory)
        emit_byte(e, (p->reg & 7u) << 3 | (HOST_MEM & 7u));
    else
        emit_byte(e, 0xc0u | (p->reg & 7u) << 3 | (p->rm & 7u));
}

static unsigned plan_rm_high(const struct plan *p)
{
    return p->memory ? HOST_MEM >> 3 : p->rm >> 3;
}

static void emit_immediate(struct emit *e, const struct build *b)
{
    if (b->insn.imm_at)
        emit_bytes(e, b->bytes + b->insn.imm_at, (unsigned)b->insn.len - b->insn.imm_at);
}

/* Whether an operand size of 2 has to be encoded as 66. A row with a mandatory prefix needs that
 * only if the operand size is the width of one of its operands (POPCNT, CRC32). */
static bool row_follows_osize(const struct table_row *row)
{
    if (!(row->when >> 16 & (WHEN_66 | WHEN_F3 | WHEN_F2)))
        return row->class == CLASS_ALU || row->class == CLASS_MOV || row->class == CLASS_GPR;
    for (unsigned i = 0; i < TABLE_OPERANDS; i++) {
        const struct operand_kind *k = &operand_kinds[row->operand[i]];

        if (k->file == FILE_GPR && (k->reg_size == SIZE_v || k->reg_size == SIZE_z))
            return true;
    }
    return false;
}

static void emit_legacy(struct emit *e, const struct plan *p)
{
    const struct build *b = p->b;
    bool is_alias = b->row->map == MAP_ONE && b->insn.opcode == 0x82; /* in 32-bit code only */
    unsigned opcode = is_alias ? 0x80 : b->insn.opcode;
    uint32_t prefix = b->row->when & b->row->when >> 16;
    unsigned rex = (b->insn.flags & INSN_W ? 8u : 0) | (unsigned)(p->reg >> 3) << 2 |
                   plan_rm_high(p) | p->opcode_reg >> 3;

    if (b->insn.flags & INSN_LOCK)
        emit_byte(e, 0xf0);
    if ((prefix & WHEN_66) || (b->insn.osize == 2 && row_follows_osize(b->row)))
        emit_byte(e, 0x66);
    if (prefix & (WHEN_F3 | WHEN_F2))
        emit_byte(e, prefix & WHEN_F3 ? 0xf3 : 0xf2);
    if (rex)
        emit_byte(e, 0x40u | rex);
    if (b->row->map != MAP_ONE)
        emit_byte(e, 0x0f);
    if (b->row->map == MAP_0F38)
        emit_byte(e, 0x38);
    if (b->row->map == MAP_0F3A)
        emit_byte(e, 0x3a);
    emit_byte(e, p->in_opcode ? (opcode & ~7u) | (p->opcode_reg & 7u) : opcode);
    if (b->insn.modrm_at)
        emit_modrm(e, p);
    emit_immediate(e, b);
}

/* INC and DEC in the opcodes 40 to 4f of 32-bit code, which in a thunk are REX prefixes: emits the
 * long form. */
static void emit_short_inc(struct emit *e, const struct plan *p)
{
    unsigned dec = p->b->insn.opcode >> 3 & 1u;

    if (p->b->insn.osize == 2)
        emit_byte(e, 0x66);
    if (p->opcode_reg >> 3)
        emit_byte(e, 0x41);
    emit_byte(e, 0xff);
    emit_byte(e, 0xc0u | dec << 3 | (p->opcode_reg & 7u));
}

/* Whether W must be cleared. Outside 64-bit mode it is ignored if it only says how wide a general
 * register is, or memory in its place; but a thunk always runs in 64-bit mode. */
static bool insn_ignores_w(const struct build *b)
{
    if (b->insn.flags & INSN_64)
        return false;
    for (unsigned i = 0; i < TABLE_OPERANDS; i++)
        if (operand_kinds[b->row->operand[i]].size == SIZE_y)
            return true;
    return false;
}

static void emit_vex(struct emit *e, const struct plan *p)
{
    const struct build *b = p->b;
    const uint8_t *vex = b->bytes + b->insn.prefix_len;
    unsigned kept = insn_ignores_w(b) ? 7u : 0x87u; /* W, L, pp */
    unsigned low = vex[0] == 0xc5 ? vex[1] & 7u : vex[2] & kept;

    emit_byte(e, 0xc4);
    emit_byte(e, (p->reg >> 3 ? 0 : 0x80u) | 0x40u | (plan_rm_high(p) ? 0 : 0x20u) |
                     ((unsigned)b->row->map - MAP_VEX1 + 1));
    emit_byte(e, low | (~(unsigned)p->vvvv & 0xfu) << 3);
    emit_byte(e, b->insn.opcode);
    if (b->insn.modrm_at) /* VZEROUPPER has none */
        emit_modrm(e, p);
    if (p->in_is4) /* the guest's byte may have bits that its mode ignores */
        emit_byte(e, (unsigned)p->is4 << 4);
    else
        emit_immediate(e, b);
}

static void emit_insn(struct emit *e, const struct plan *p)
{
    const struct build *b = p->b;

    if (b->row->map >= MAP_VEX1)
        emit_vex(e, p);
    else if (b->row->map == MAP_ONE && (b->insn.opcode & 0xf0u) == 0x40)
        emit_short_inc(e, p);
    else
        emit_legacy(e, p);
}

/* CMPXCHG8B and CMPXCHG16B use RBX, which the caller needs preserved. */
static void emit_rbx(struct emit *e, const struct plan *p, bool restore)
{
    static const uint8_t save[] = { 0x49, 0x89, 0xda }; /* mov %rbx,%r10 */
    static const uint8_t back[] = { 0x4c, 0x89, 0xd3 }; /* mov %r10,%rbx */

    if (p->saves_rbx)
        emit_bytes(e, restore ? back : save, 3);
}

static void emit_end(struct emit *e, const struct plan *p)
{
    /* add $32,%rsi; jmp *(%rsi) */
    static const uint8_t next[] = { 0x48, 0x83, 0xc6, sizeof(struct op), 0xff, 0x26 };

    _Static_assert(offsetof(struct op, run) == 0,
                   "generated code jumps through an op's first word");
    if (p->memory)
        emit_byte(e, 0xc3);
    else
        emit_bytes(e, next, sizeof(next));
}

static void thunk_emit(struct emit *e, const struct plan *p)
{
    static const uint8_t operand_to_r11[] = { 0x49, 0x89, 0xd3 }; /* mov %rdx,%r11 */
    static const uint8_t vzeroupper[] = { 0xc5, 0xf8, 0x77 };
    uint32_t reads = table_flags_read(&p->b->insn) & RFLAGS_ARITH;
    uint32_t writes = table_flags_written(p->b->row) & RFLAGS_ARITH;
    bool keeps_some = (writes && writes != RFLAGS_ARITH) || (p->b->row->attr & ATTR_MAY);
    bool wide = p->b->row->class == CLASS_AVX;

    if (p->memory)
        emit_bytes(e, operand_to_r11, sizeof(operand_to_r11));
    if (reads || keeps_some)
        emit_flags_in(e);
    emit_rbx(e, p, false);
    emit_gprs(e, p, false);
    emit_vecs(e, p->vec_read, wide, false);
    emit_insn(e, p);
    emit_gprs(e, p, true);
    emit_rbx(e, p, true);
    emit_vecs(e, p->vec_written, wide, true);
    if (wide) /* otherwise the next SSE instruction pays for the upper halves */
        emit_bytes(e, vzeroupper, sizeof(vzeroupper));
    if (writes)
        emit_flags_out(e);
    emit_end(e, p);
}

static uint32_t thunk_hash(const struct emit *e)
{
    uint32_t hash = 2166136261u;

    for (unsigned i = 0; i < e->len; i++)
        hash = (hash ^ e->code[i]) * 16777619u;
    return hash;
}

const void *thunk_for(struct thunks *t, const struct build *b)
{
    struct plan p = { .b = b };
    struct emit e = { .len = 0 };
    struct made *m;
    uint32_t hash;

    plan_operands(&p);
    thunk_emit(&e, &p);
    hash = thunk_hash(&e);
    for (uint32_t i = hash; (m = &t->made[i % HASH_SIZE])->len; i++)
        if (m->hash == hash && m->len == e.len && memcmp(t->write + m->at, e.code, e.len) == 0)
            return t->run + m->at;
    if (e.full || t->used + e.len > CODE_SIZE || t->count == HASH_SIZE - 1)
        return NULL;
    *m = (struct made){ .at = t->used, .len = e.len, .hash = hash };
    memcpy(t->write + t->used, e.code, e.len);
    t->used += (e.len + 15) & ~15u;
    t->count++;
    return t->run + m->at;
}
