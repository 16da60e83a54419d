/*
 * The software CPU has what its CPUID shows. Every feature bit that it shows has a row here, which
 * tries the feature or names the test that does. A bit without a row fails, and so does an
 * instruction that runs although its bit is hidden.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "core/x86/bits.h"
#include "core/x86/cpuid.h"
#include "emu/x86/block.h"
#include "emu/x86/cpu/cpu.h"
#include "emu/x86/cpu/descriptor.h"
#include "emu/x86/cpu/mode.h"
#include "emu/x86/decode/vendor.h"
#include "emu/x86/sys/msr.h"
#include "emu/x86/sys/reset.h"
#include "lib/x86/emu_rig.h"

#define DATA 0x6000u

#define CODE_MAX 8

enum reg { EAX, EBX, ECX, EDX };

enum how {
    INSN, /* this instruction runs, and is #UD if the bit is hidden */
    RUNS, /* this instruction runs, bit or no bit */
    MSR,  /* this register can be read */
    CR4,  /* this bit can be set */
    CALL, /* this function returns true */
    TEST, /* another test tries it */
};

struct promise {
    uint32_t leaf;
    uint32_t subleaf;
    enum reg reg;
    unsigned bit;
    enum how how;
    uint8_t code[CODE_MAX]; /* the zeros behind it are not run */
    uint32_t number;        /* MSR, or bit of CR4; INSN, RUNS: RCX */
    bool (*call)(void);
    const char *test;
};

static struct emu_rig r;
static struct cpu *c;

static void start(void)
{
    emu_rig_init(&r, 2);
    emu_rig_long_mode(&r);
    c = r.cpu;
}

static void finish(void)
{
    emu_rig_finish(&r);
}

TestSuite(promises, .init = start, .fini = finish);

static bool step(const uint8_t *code, uint32_t rcx)
{
    emu_rig_write(&r, EMU_RIG_CODE, code, CODE_MAX);
    block_code_ops.drop_all(c);
    c->rip = EMU_RIG_CODE;
    c->gpr[X86_RBX] = c->gpr[X86_RSI] = c->gpr[X86_RDI] = DATA;
    c->gpr[X86_RCX] = rcx;
    return emu_rig_step(&r);
}

static bool msr_there(uint32_t msr)
{
    uint64_t value;

    return msr_read(c, msr, &value);
}

static bool x2apic_mode(void)
{
    uint64_t base;

    return msr_read(c, 0x1b, &base) && msr_write(c, 0x1b, base | 0xc00) && msr_there(0x802);
}

static bool hypervisor(void)
{
    static const uint8_t vmcall[CODE_MAX] = { 0x0f, 0x01, 0xc1 };
    static const uint8_t vmmcall[CODE_MAX] = { 0x0f, 0x01, 0xd9 };

    return cpuid_find(&c->cpuid, 0x40000000, 0) && cpuid_find(&c->cpuid, 0x40000001, 0) &&
           step(vmcall, 0) && step(vmmcall, 0);
}

static bool memory_types(void)
{
    return msr_there(0xfe) && msr_there(0x2ff);
}

static bool fs_and_gs_bases(void)
{
    static const uint8_t rdfsbase[CODE_MAX] = { 0xf3, 0x48, 0x0f, 0xae, 0xc0 };

    return control_write(c, 4, c->cr4 | 1u << 16) && step(rdfsbase, 0);
}

static bool smap(void)
{
    static const uint8_t clac[CODE_MAX] = { 0x0f, 0x01, 0xca };

    return control_write(c, 4, c->cr4 | 1u << 21) && step(clac, 0);
}

static bool kvmclock(void)
{
    return msr_there(0x4b564d00) && msr_there(0x4b564d01);
}

static bool kvmclock_is_stable(void)
{
    return msr_write(c, 0x4b564d01, DATA | 1) && (emu_rig_read64(&r, DATA + 24) >> 40 & 1u);
}

static bool system_calls(void)
{
    return msr_write(c, 0xc0000080, c->efer | 1) && msr_there(0xc0000081) && msr_there(0xc0000082);
}

static bool no_execute(void)
{
    return msr_write(c, 0xc0000080, c->efer | 1u << 11);
}

static bool long_mode(void)
{
    return (c->efer & X86_EFER_LMA) && (c->mode & MODE_64);
}

#define I(l, s, r, b, ...)                                                                \
    {                                                                                     \
        .leaf = l, .subleaf = s, .reg = r, .bit = b, .how = INSN, .code = { __VA_ARGS__ } \
    }
#define R(l, s, r, b, ...)                                                                \
    {                                                                                     \
        .leaf = l, .subleaf = s, .reg = r, .bit = b, .how = RUNS, .code = { __VA_ARGS__ } \
    }
#define M(l, s, r, b, n)                                                     \
    {                                                                        \
        .leaf = l, .subleaf = s, .reg = r, .bit = b, .how = MSR, .number = n \
    }
#define C4(l, s, r, b, n)                                                    \
    {                                                                        \
        .leaf = l, .subleaf = s, .reg = r, .bit = b, .how = CR4, .number = n \
    }
#define F(l, s, r, b, f)                                                    \
    {                                                                       \
        .leaf = l, .subleaf = s, .reg = r, .bit = b, .how = CALL, .call = f \
    }
#define T(l, s, r, b, t)                                                    \
    {                                                                       \
        .leaf = l, .subleaf = s, .reg = r, .bit = b, .how = TEST, .test = t \
    }

/* clang-format off */
static const struct promise promises[] = {
    I(1, 0, ECX, 0, 0xf2, 0x0f, 0x7c, 0xc1),              /* SSE3: haddps */
    I(1, 0, ECX, 1, 0x66, 0x0f, 0x3a, 0x44, 0xc1),        /* pclmulqdq */
    I(1, 0, ECX, 9, 0x66, 0x0f, 0x38, 0x01, 0xc1),        /* SSSE3: phaddw */
    I(1, 0, ECX, 12, 0xc4, 0xe2, 0x79, 0x98, 0xc1),       /* FMA: vfmadd132ps */
    I(1, 0, ECX, 13, 0x48, 0x0f, 0xc7, 0x0b),             /* cmpxchg16b */
    I(1, 0, ECX, 19, 0x66, 0x0f, 0x38, 0x10, 0xc1),       /* SSE4.1: pblendvb */
    I(1, 0, ECX, 20, 0x66, 0x0f, 0x38, 0x37, 0xc1),       /* SSE4.2: pcmpgtq */
    F(1, 0, ECX, 21, x2apic_mode),
    I(1, 0, ECX, 22, 0x0f, 0x38, 0xf0, 0x03),             /* movbe */
    I(1, 0, ECX, 23, 0xf3, 0x0f, 0xb8, 0xc1),             /* popcnt */
    M(1, 0, ECX, 24, 0x6e0),                              /* TSC deadline */
    I(1, 0, ECX, 25, 0x66, 0x0f, 0x38, 0xdc, 0xc1),       /* aesenc */
    I(1, 0, ECX, 26, 0x0f, 0x01, 0xd0),                   /* XSAVE: xgetbv */
    I(1, 0, ECX, 28, 0xc5, 0xf8, 0x58, 0xc1),             /* AVX: vaddps */
    I(1, 0, ECX, 29, 0xc4, 0xe2, 0x79, 0x13, 0xc1),       /* F16C: vcvtph2ps */
    I(1, 0, ECX, 30, 0x0f, 0xc7, 0xf0),                   /* rdrand */
    F(1, 0, ECX, 31, hypervisor),
    I(1, 0, EDX, 0, 0xd9, 0xd0),                          /* FPU: fnop */
    C4(1, 0, EDX, 2, 3),                                  /* DE */
    C4(1, 0, EDX, 3, 4),                                  /* PSE */
    I(1, 0, EDX, 4, 0x0f, 0x31),                          /* rdtsc */
    { .leaf = 1, .reg = EDX, .bit = 5, .how = INSN, .code = { 0x0f, 0x32 }, .number = 0x10 },
    C4(1, 0, EDX, 6, 5),                                  /* PAE */
    C4(1, 0, EDX, 7, 6),                                  /* MCE */
    I(1, 0, EDX, 8, 0x0f, 0xc7, 0x0b),                    /* cmpxchg8b */
    M(1, 0, EDX, 9, 0x1b),                                /* APIC */
    M(1, 0, EDX, 11, 0x174),                              /* SEP; the instructions: test_syscall */
    F(1, 0, EDX, 12, memory_types),
    C4(1, 0, EDX, 13, 7),                                 /* PGE */
    M(1, 0, EDX, 14, 0x179),                              /* MCA: no banks */
    I(1, 0, EDX, 15, 0x0f, 0x44, 0xc1),                   /* cmove */
    M(1, 0, EDX, 16, 0x277),                              /* PAT */
    T(1, 0, EDX, 17, "walk_legacy: PSE-36"),
    I(1, 0, EDX, 19, 0x0f, 0xae, 0x3b),                   /* clflush */
    I(1, 0, EDX, 23, 0x0f, 0xef, 0xc1),                   /* MMX: pxor */
    I(1, 0, EDX, 24, 0x0f, 0xae, 0x03),                   /* fxsave */
    I(1, 0, EDX, 25, 0x0f, 0x58, 0xc1),                   /* SSE: addps */
    I(1, 0, EDX, 26, 0x66, 0x0f, 0x58, 0xc1),             /* SSE2: addpd */
    T(1, 0, EDX, 28, "core cpuid: topology"),
    T(6, 0, EAX, 2, "lapic_timer: it is the host's, and never stops"),
    F(7, 0, EBX, 0, fs_and_gs_bases),
    M(7, 0, EBX, 1, 0x3b),                                /* TSC_ADJUST */
    I(7, 0, EBX, 3, 0xc4, 0xe2, 0x78, 0xf3, 0xc9),        /* BMI1: blsr */
    I(7, 0, EBX, 5, 0xc4, 0xe2, 0x7d, 0x58, 0xc1),        /* AVX2: vpbroadcastd */
    C4(7, 0, EBX, 7, 20),                                 /* SMEP */
    I(7, 0, EBX, 8, 0xc4, 0xe2, 0x79, 0xf7, 0xc1),        /* BMI2: shlx */
    R(7, 0, EBX, 9, 0xf3, 0xa4),                          /* ERMS: rep movsb */
    I(7, 0, EBX, 18, 0x0f, 0xc7, 0xf8),                   /* rdseed */
    I(7, 0, EBX, 19, 0xf3, 0x0f, 0x38, 0xf6, 0xc1),       /* ADX: adox */
    F(7, 0, EBX, 20, smap),
    I(7, 0, EBX, 23, 0x66, 0x0f, 0xae, 0x3b),             /* clflushopt */
    I(7, 0, EBX, 24, 0x66, 0x0f, 0xae, 0x33),             /* clwb */
    I(7, 0, EBX, 29, 0x0f, 0x38, 0xc8, 0xc1),             /* SHA: sha1nexte */
    C4(7, 0, ECX, 2, 11),                                 /* UMIP */
    I(7, 0, ECX, 22, 0xf3, 0x0f, 0xc7, 0xf8),             /* rdpid */
    R(7, 0, EDX, 4, 0xf3, 0xa4),                          /* FSRM */
    I(7, 0, EDX, 14, 0x0f, 0x01, 0xe8),                   /* serialize */
    I(0xd, 1, EAX, 0, 0x0f, 0xae, 0x33),                  /* xsaveopt */
    I(0xd, 1, EAX, 1, 0x0f, 0xc7, 0x23),                  /* xsavec */
    { .leaf = 0xd, .subleaf = 1, .how = RUNS, .bit = 2, .code = { 0x0f, 0x01, 0xd0 }, .number = 1 },
    T(0x40000001, 0, EAX, 1, "none: it asks for nothing"), /* NOP_IO_DELAY */
    F(0x40000001, 0, EAX, 3, kvmclock),
    F(0x40000001, 0, EAX, 24, kvmclock_is_stable),
    R(0x80000001, 0, ECX, 0, 0x9f),                       /* lahf */
    T(0x80000001, 0, ECX, 1, "core cpuid: topology"),     /* CMP_LEGACY */
    R(0x80000001, 0, ECX, 5, 0xf3, 0x0f, 0xbd, 0xc1),     /* lzcnt; otherwise it is bsr */
    R(0x80000001, 0, ECX, 8, 0x0f, 0x0d, 0x0b),           /* prefetchw */
    F(0x80000001, 0, EDX, 11, system_calls),
    F(0x80000001, 0, EDX, 20, no_execute),
    T(0x80000001, 0, EDX, 26, "walk: pages of 1 GiB"),
    I(0x80000001, 0, EDX, 27, 0x0f, 0x01, 0xf9),          /* rdtscp */
    F(0x80000001, 0, EDX, 29, long_mode),
    T(0x80000007, 0, EDX, 8, "clock: the guest's counter is the host's and a constant"),
    T(0x80000021, 0, EAX, 6, "vendor: null_base"),
};
/* clang-format on */

#define PROMISES (sizeof(promises) / sizeof(promises[0]))

static uint32_t *shown(const struct promise *p)
{
    struct cpuid_entry *e = cpuid_find(&c->cpuid, p->leaf, p->subleaf);
    uint32_t *regs[] = { e ? &e->eax : NULL, e ? &e->ebx : NULL, e ? &e->ecx : NULL,
                         e ? &e->edx : NULL };

    return regs[p->reg];
}

static bool is_kept(const struct promise *p)
{
    switch (p->how) {
    case INSN:
    case RUNS:
        return step(p->code, p->number);
    case MSR:
        return msr_there(p->number);
    case CR4:
        return control_write(c, 4, c->cr4 | UINT64_C(1) << p->number);
    case CALL:
        return p->call();
    default:
        return p->test;
    }
}

Test(promises, are_kept)
{
    for (unsigned i = 0; i < PROMISES; i++) {
        const struct promise *p = &promises[i];
        const uint32_t *reg = shown(p);

        if (reg && *reg >> p->bit & 1u)
            cr_assert(is_kept(p), "leaf %#x.%u register %u bit %u", p->leaf, p->subleaf, p->reg,
                      p->bit);
    }
}

Test(promises, what_is_hidden_is_undefined)
{
    for (unsigned i = 0; i < PROMISES; i++) {
        const struct promise *p = &promises[i];
        uint32_t *reg = shown(p);

        if (p->how != INSN)
            continue;
        cr_assert(reg);
        *reg &= ~(1u << p->bit);
        cpu_features_update(c);
        cr_assert_not(step(p->code, p->number), "leaf %#x.%u register %u bit %u", p->leaf,
                      p->subleaf, p->reg, p->bit);
        cr_assert_eq(c->fault.vector, CPU_UD);
    }
}

/* Registers of CPUID whose bits are features. */
static const struct {
    uint32_t leaf, subleaf;
    enum reg reg;
} features[] = {
    { 1, 0, ECX },          { 1, 0, EDX },          { 6, 0, EAX },          { 7, 0, EBX },
    { 7, 0, ECX },          { 7, 0, EDX },          { 7, 1, EAX },          { 7, 1, EDX },
    { 0xd, 1, EAX },        { 0x40000001, 0, EAX }, { 0x40000001, 0, EDX }, { 0x80000001, 0, ECX },
    { 0x80000001, 0, EDX }, { 0x80000007, 0, EDX }, { 0x80000008, 0, EBX }, { 0x80000021, 0, EAX },
};

static bool has_row(uint32_t leaf, uint32_t subleaf, enum reg reg, unsigned bit)
{
    for (unsigned i = 0; i < PROMISES; i++)
        if (promises[i].leaf == leaf && promises[i].subleaf == subleaf && promises[i].reg == reg &&
            promises[i].bit == bit)
            return true;
    return false;
}

Test(promises, are_all_here)
{
    for (unsigned i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
        const struct promise p = { .leaf = features[i].leaf,
                                   .subleaf = features[i].subleaf,
                                   .reg = features[i].reg };
        const uint32_t *reg = shown(&p);

        for (unsigned bit = 0; reg && bit < 32; bit++)
            cr_assert(!(*reg >> bit & 1u) || has_row(p.leaf, p.subleaf, p.reg, bit),
                      "leaf %#x.%u register %u bit %u", p.leaf, p.subleaf, p.reg, bit);
    }
}

/* The leaves checked above are all that show features. */
Test(promises, no_other_leaf_makes_any)
{
    static const uint32_t others[] = { 0,          0x4,        0xb,        0xd,
                                       0x15,       0x40000000, 0x40000010, 0x80000000,
                                       0x80000002, 0x80000003, 0x80000004 };

    for (unsigned i = 0; i < c->cpuid.count; i++) {
        const struct cpuid_entry *e = &c->cpuid.entries[i];
        bool known = false;

        for (unsigned n = 0; n < sizeof(features) / sizeof(features[0]); n++)
            known = known || features[n].leaf == e->leaf;
        for (unsigned n = 0; n < sizeof(others) / sizeof(others[0]); n++)
            known = known || others[n] == e->leaf;
        cr_assert(known, "leaf %#x", e->leaf);
    }
}
