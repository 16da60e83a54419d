/*
 * FNSTENV, FLDENV, FNSAVE, FRSTOR (SDM 1, 8.1.10).
 *
 * The host's own instruction does the work on a local image, in the 32-bit protected-mode format.
 * The guest's image can be of another size, and never holds the instruction and data pointers
 * (fpu.h). The storing ones also change the state, so if the guest's memory cannot be written the
 * change is undone.
 */
#include <stddef.h>
#include <string.h>

#include "emu/x86/cpu/fpu.h"
#include "emu/x86/mem/mmu.h"
#include "emu/x86/op/build.h"

struct environment {
    uint32_t fcw; /* of these three the high half is all ones */
    uint32_t fsw;
    uint32_t ftw;
    uint32_t fip;
    uint32_t fcs_fop;
    uint32_t fdp;
    uint32_t fds;
};

struct x87 {
    struct environment env;
    uint8_t st[80];
};

_Static_assert(sizeof(struct x87) == 108, "SDM 1, figure 8-9");

#define SHORT_ENVIRONMENT 14u

static unsigned environment_size(bool is_short)
{
    return is_short ? SHORT_ENVIRONMENT : sizeof(struct environment);
}

/* Makes the environment as it goes into the guest's memory. */
static void environment_pack(const struct environment *e, bool is_short, uint8_t *to)
{
    const uint16_t words[] = { (uint16_t)e->fcw, (uint16_t)e->fsw, (uint16_t)e->ftw };
    const struct environment full = {
        .fcw = e->fcw, .fsw = e->fsw, .ftw = e->ftw, .fds = ~0xffffu
    };

    if (is_short) {
        memset(to, 0, SHORT_ENVIRONMENT);
        memcpy(to, words, sizeof(words));
    } else {
        memcpy(to, &full, sizeof(full));
    }
}

static void environment_unpack(struct environment *e, bool is_short, const uint8_t *from)
{
    uint16_t words[3];

    *e = (struct environment){ 0 };
    if (is_short) {
        memcpy(words, from, sizeof(words));
        e->fcw = words[0];
        e->fsw = words[1];
        e->ftw = words[2];
    } else {
        memcpy(e, from, offsetof(struct environment, fip));
    }
}

/* FLDENV and FRSTOR first raise a pending exception. */
static bool x87_none_pending(struct cpu *c)
{
    uint16_t fsw;

    __asm__ volatile("fnstsw %0" : "=a"(fsw));
    if (!(fsw & FPU_FSW_ES))
        return true;
    return cpu_refuse(c, CPU_MF, 0);
}

static bool x87_fnstenv(struct cpu *c, uint64_t va, bool is_short)
{
    uint8_t bytes[sizeof(struct environment)];
    struct environment live;

    __asm__ volatile("fnstenv %0" : "=m"(live));
    environment_pack(&live, is_short, bytes);
    if (mmu_write(c, va, bytes, environment_size(is_short)))
        return true;
    __asm__ volatile("fldenv %0" : : "m"(live));
    return false;
}

static bool x87_fnsave(struct cpu *c, uint64_t va, bool is_short)
{
    unsigned size = environment_size(is_short);
    uint8_t bytes[sizeof(struct x87)];
    struct x87 live;

    __asm__ volatile("fnsave %0" : "=m"(live));
    environment_pack(&live.env, is_short, bytes);
    memcpy(bytes + size, live.st, sizeof(live.st));
    if (mmu_write(c, va, bytes, size + (unsigned)sizeof(live.st)))
        return true;
    __asm__ volatile("frstor %0" : : "m"(live));
    return false;
}

static bool x87_fldenv(struct cpu *c, uint64_t va, bool is_short)
{
    uint8_t bytes[sizeof(struct environment)];
    struct environment env;

    if (!x87_none_pending(c) || !mmu_read(c, va, bytes, environment_size(is_short)))
        return false;
    environment_unpack(&env, is_short, bytes);
    __asm__ volatile("fldenv %0" : : "m"(env));
    return true;
}

static bool x87_frstor(struct cpu *c, uint64_t va, bool is_short)
{
    unsigned size = environment_size(is_short);
    uint8_t bytes[sizeof(struct x87)];
    struct x87 state;

    if (!x87_none_pending(c) || !mmu_read(c, va, bytes, size + (unsigned)sizeof(state.st)))
        return false;
    environment_unpack(&state.env, is_short, bytes);
    memcpy(state.st, bytes + size, sizeof(state.st));
    __asm__ volatile("frstor %0" : : "m"(state));
    return true;
}

typedef bool x87_fn(struct cpu *c, uint64_t va, bool is_short);

/* op->imm is the x87_fn, op->aux the operand size. */
static void op_x87(struct cpu *c, const struct op *op)
{
    if (!((x87_fn *)(uintptr_t)op->imm)(c, op_address(c, op), op->aux == 2))
        return op_leave(c, op);
    OP_NEXT(c, op);
}

static x87_fn *x87_function(enum mnemonic mnemonic)
{
    switch (mnemonic) {
    case MN_FNSTENV:
        return x87_fnstenv;
    case MN_FLDENV:
        return x87_fldenv;
    case MN_FNSAVE:
        return x87_fnsave;
    case MN_FRSTOR:
        return x87_frstor;
    default:
        return NULL;
    }
}

bool build_x87(struct build *b)
{
    x87_fn *function = x87_function((enum mnemonic)b->row->mnemonic);
    struct op *op;

    if (!function)
        return false;
    op = build_op(b, op_x87);
    op->imm = (uintptr_t)function;
    op->aux = b->insn.osize;
    return true;
}
