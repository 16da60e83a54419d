/* Comparing host and guest, and what a processor may choose. */
#include "emu/x86/compare.h"

#include <string.h>

#define RFLAGS_COMPARED 0x240cd5u /* the arithmetic ones, DF, AC, ID */

#define VECTOR_SS 12
#define VECTOR_GP 13
#define VECTOR_PF 14
#define PF_P      1u
#define KERNEL    (UINT64_C(1) << 63)

#define PUSHED 8u  /* bytes that one push stores, at most */
#define LEVELS 33u /* pushes of one ENTER, at most */

/* In the FXSAVE image: FOP, FIP and FDP; then MXCSR and the registers. */
enum { FX_POINTERS = 6, FX_MXCSR = 24, FX_MASK = 28, FX_ST = 32, FX_ST_SIZE = 10 };

static uint32_t flags_compared(const struct compare *c)
{
    return RFLAGS_COMPARED & ~table_flags_undefined(c->aim->t->row);
}

static bool flags_same(const struct compare *c)
{
    return ((c->host->rflags ^ c->guest->rflags) & flags_compared(c)) == 0;
}

static bool x87_same(const struct compare *c, unsigned i)
{
    unsigned at = FX_ST + 16 * i;

    return memcmp(c->host->fx + at, c->guest->fx + at, FX_ST_SIZE) == 0;
}

static bool fx_same(const struct compare *c)
{
    const uint8_t *h = c->host->fx, *g = c->guest->fx;
    bool same = memcmp(h, g, FX_POINTERS) == 0 &&
                memcmp(h + FX_MXCSR, g + FX_MXCSR, FX_MASK - FX_MXCSR) == 0;

    for (unsigned i = 0; i < 8; i++)
        same = same && x87_same(c, i);
    return same;
}

/* Linux does not tell a process what is mapped in the kernel's half: there the P bit of a page
 * fault is not compared. */
static bool error_same(const struct compare *c)
{
    uint32_t differ = c->host->error ^ c->guest->error;

    if (c->host->vector == VECTOR_PF && (c->host->address & KERNEL))
        differ &= ~PF_P;
    return differ == 0;
}

static bool is_masked_move(const struct table_row *row)
{
    return row->mnemonic == MN_VMASKMOVPS || row->mnemonic == MN_VMASKMOVPD ||
           row->mnemonic == MN_VPMASKMOVD || row->mnemonic == MN_VPMASKMOVQ;
}

/* Whether both faulted somewhere in a state that is stored or loaded, or in a vector under a mask:
 * a processor may choose for which of the bytes it faults. */
static bool is_anywhere_in_state(const struct compare *c)
{
    bool is_state = c->aim->t->row->class == CLASS_X87 || c->aim->t->row->class == CLASS_STATE ||
                    is_masked_move(c->aim->t->row);
    const struct aim_memory *m;

    if (!is_state || c->aim->count == 0)
        return false;
    m = &c->aim->memory[c->aim->count - 1];
    return m->size > 10 && c->guest->address - m->at < m->size &&
           c->host->address - m->at < m->size;
}

static bool is_operand_fault(int vector)
{
    return vector == VECTOR_SS || vector == VECTOR_GP || vector == VECTOR_PF;
}

/* If both operands of CMPS could fault, processors differ in which one does, even within a family.
 * If only one can, host and guest agree that it does. */
static bool is_either_of_two(const struct compare *c)
{
    return c->aim->t->row->mnemonic == MN_CMPS && is_operand_fault(c->host->vector) &&
           is_operand_fault(c->guest->vector);
}

static bool exception_same(const struct compare *c)
{
    if (is_either_of_two(c))
        return true;
    if (c->host->vector != c->guest->vector)
        return false;
    if (c->host->vector == CASE_COMPLETED)
        return true;
    if (c->host->vector == VECTOR_PF && is_anywhere_in_state(c))
        return true;
    return error_same(c) && (c->host->vector != VECTOR_PF || c->host->address == c->guest->address);
}

/* Where the pointers are in a stored x87 state: returns the offset; *len is 0 if there are none. */
static unsigned pointers_of(const struct test_case *t, unsigned *len)
{
    bool narrow = t->insn.osize == 2;

    switch (t->row->mnemonic) {
    case MN_FXSAVE:
        /* With MXCSR, which is compared with the registers, and MXCSR_MASK, which may differ. */
        *len = FX_ST - FX_POINTERS;
        return FX_POINTERS;
    case MN_FNSTENV:
    case MN_FNSAVE:
        *len = narrow ? 8 : 16;
        return narrow ? 6 : 12;
    default:
        *len = 0;
        return 0;
    }
}

static void memory_forget(const struct compare *c, uint64_t at, unsigned len)
{
    for (uint64_t i = at - CASE_DATA; len-- > 0; i++)
        if (i < CASE_WRITABLE)
            c->guest_data[i] = c->host_data[i];
}

static void pointers_forget(const struct compare *c)
{
    unsigned len, first = pointers_of(c->aim->t, &len);

    if (len)
        memory_forget(c, c->aim->memory[c->aim->count - 1].at + first, len);
}

/* When an instruction faults, Intel's processors may have stored a part of its result: of an
 * operand on two pages what lies on the first one, the return address of a CALL to where no code
 * can be, and what ENTER had pushed until then. */
static void stored_part_forget(const struct compare *c)
{
    if (c->host->vector == CASE_COMPLETED || !__builtin_cpu_is("intel"))
        return;
    for (unsigned i = 0; i < c->aim->count; i++)
        memory_forget(c, c->aim->memory[i].at, c->aim->memory[i].size);
    if (c->aim->t->row->mnemonic == MN_CALL)
        memory_forget(c, c->host->gpr[X86_RSP] - PUSHED, PUSHED);
    if (c->aim->t->row->mnemonic == MN_ENTER)
        memory_forget(c, c->host->gpr[X86_RSP] - LEVELS * PUSHED, LEVELS * PUSHED);
}

bool compare_same(const struct compare *c)
{
    pointers_forget(c);
    stored_part_forget(c);
    return memcmp(c->host->gpr, c->guest->gpr, sizeof(c->host->gpr)) == 0 &&
           c->host->rip == c->guest->rip && flags_same(c) && exception_same(c) && fx_same(c) &&
           memcmp(c->host->vec, c->guest->vec, sizeof(c->host->vec)) == 0 &&
           memcmp(c->host_data, c->guest_data, CASE_WRITABLE) == 0;
}

static void print_bytes(FILE *to, const char *what, const uint8_t *bytes, unsigned len)
{
    (void)fprintf(to, " %s", what);
    for (unsigned i = 0; i < len; i++)
        (void)fprintf(to, "%02x", bytes[i]);
}

static void print_three(FILE *to, const char *name, unsigned n, const void *before,
                        const void *host, const void *guest, unsigned len)
{
    (void)fprintf(to, "  %s%u", name, n);
    print_bytes(to, "before ", before, len);
    print_bytes(to, "host ", host, len);
    print_bytes(to, "guest ", guest, len);
    (void)fputc('\n', to);
}

static void print_registers(const struct compare *c, FILE *to)
{
    const struct case_state *b = &c->aim->t->before;

    for (unsigned i = 0; i < X86_GPRS; i++)
        if (c->host->gpr[i] != c->guest->gpr[i])
            (void)fprintf(to, "  gpr%u before %#llx host %#llx guest %#llx\n", i,
                          (unsigned long long)b->gpr[i], (unsigned long long)c->host->gpr[i],
                          (unsigned long long)c->guest->gpr[i]);
    for (unsigned i = 0; i < 16; i++)
        if (memcmp(c->host->vec[i], c->guest->vec[i], 32) != 0)
            print_three(to, "ymm", i, b->vec[i], c->host->vec[i], c->guest->vec[i], 32);
    if (!fx_same(c)) {
        print_three(to, "x87 control ", 0, b->fx, c->host->fx, c->guest->fx, FX_MASK);
        for (unsigned i = 0; i < 8; i++)
            if (!x87_same(c, i))
                print_three(to, "st", i, b->fx + FX_ST + 16 * i, c->host->fx + FX_ST + 16 * i,
                            c->guest->fx + FX_ST + 16 * i, FX_ST_SIZE);
    }
}

static void print_outcome(const struct compare *c, FILE *to)
{
    if (c->host->rip != c->guest->rip)
        (void)fprintf(to, "  rip host %#llx guest %#llx\n", (unsigned long long)c->host->rip,
                      (unsigned long long)c->guest->rip);
    if (!flags_same(c))
        (void)fprintf(to, "  flags before %#llx host %#llx guest %#llx\n",
                      (unsigned long long)c->aim->t->before.rflags,
                      (unsigned long long)(c->host->rflags & flags_compared(c)),
                      (unsigned long long)(c->guest->rflags & flags_compared(c)));
    if (!exception_same(c))
        (void)fprintf(to, "  exception host %d(%#x) at %#llx guest %d(%#x) at %#llx\n",
                      c->host->vector, c->host->error, (unsigned long long)c->host->address,
                      c->guest->vector, c->guest->error, (unsigned long long)c->guest->address);
}

void compare_print(const struct compare *c, FILE *to)
{
    const struct test_case *t = c->aim->t;

    (void)fprintf(to, "%s", table_name((enum mnemonic)t->row->mnemonic));
    print_bytes(to, "", t->code, t->insn.len);
    (void)fprintf(to, " at %#llx", (unsigned long long)t->before.rip);
    for (unsigned i = 0; i < c->aim->count; i++)
        (void)fprintf(to, ", %u bytes at %#llx", c->aim->memory[i].size,
                      (unsigned long long)c->aim->memory[i].at);
    (void)fputc('\n', to);
    print_outcome(c, to);
    print_registers(c, to);
    for (unsigned i = 0; i < CASE_WRITABLE; i++)
        if (c->host_data[i] != c->guest_data[i]) {
            (void)fprintf(to, "  memory from %#x", CASE_DATA + i);
            print_bytes(to, "host ", c->host_data + i,
                        CASE_WRITABLE - i < 32 ? CASE_WRITABLE - i : 32);
            print_bytes(to, "guest ", c->guest_data + i,
                        CASE_WRITABLE - i < 32 ? CASE_WRITABLE - i : 32);
            (void)fputc('\n', to);
            break;
        }
}
