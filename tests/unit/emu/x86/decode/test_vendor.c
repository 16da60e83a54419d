/*
 * The vendors' table. Each row has a probe here, an experiment that a guest could make. Its result
 * must be what the row says of each line of processors. A row without a probe does not compile.
 */
#include "emu/x86/decode/vendor.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "core/base/err.h"
#include "core/x86/bits.h"
#include "core/x86/cpuid.h"
#include "emu/x86/cpu/debug.h"
#include "emu/x86/cpu/descriptor.h"
#include "emu/x86/cpu/mode.h"
#include "emu/x86/decode/row.h"
#include "emu/x86/sys/cpuid.h"
#include "emu/x86/sys/msr.h"
#include "lib/x86/emu_rig.h"

#define NOT_CANONICAL (UINT64_C(1) << 47)
#define DATA          0x6000u
#define HANDLER       0x9000u
#define LIMIT_FLAT    0xffffffffu
#define HOLE          0x300000u
#define HIGH          UINT64_C(0x1234567800000000)

#define FX_FCW   0
#define FX_FSW   2
#define FX_MXCSR 24
#define TOP3     (3u << 11)

static struct emu_rig r;
static struct cpu *c;

static bool step(const uint8_t *code, size_t len)
{
    emu_rig_write(&r, EMU_RIG_CODE, code, len);
    c->rip = EMU_RIG_CODE;
    return emu_rig_step(&r);
}

#define STEP(...) step((const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static void compatibility_mode(void)
{
    c->seg[X86_CS].access = X86_ACCESS_CODE32;
    cpu_mode_update(c);
}

static bool probe_near_66(void)
{
    cr_assert(STEP(0x66, 0xe9, 0x10, 0, 0, 0)); /* jmp */
    cr_assert(c->rip == EMU_RIG_CODE + 0x14 || c->rip == EMU_RIG_CODE + 0x16);
    return c->rip == EMU_RIG_CODE + 0x14;
}

static bool probe_far_64(void)
{
    static const uint8_t null[] = { 0x11, 0, 0, 0, 0, 0, 0x22, 0, 0, 0 };
    static const uint8_t code[] = { 0, 0x90, 0, 0, EMU_RIG_CODE64, 0, 0, 0, EMU_RIG_CODE64, 0 };
    bool wide;

    c->gpr[X86_RBX] = DATA;
    emu_rig_write(&r, DATA, null, sizeof(null));
    cr_assert(STEP(0x48, 0x0f, 0xb4, 0x03)); /* lfs (%rbx), %rax */
    wide = c->gpr[X86_RAX] == UINT64_C(0x0022000000000011);
    cr_assert(wide || c->gpr[X86_RAX] == 0x11);
    emu_rig_write(&r, DATA, code, sizeof(code));
    cr_assert(STEP(0x48, 0xff, 0x1b)); /* rex.w lcall *(%rbx) */
    cr_assert_eq(c->rip, wide ? UINT64_C(0x800009000) : 0x9000);
    cr_assert_eq(c->gpr[X86_RSP], EMU_RIG_STACK - 16, "two quadwords either way");
    return wide;
}

static bool probe_push_seg_word(void)
{
    const uint32_t before = 0xffffffff;
    uint32_t pushed;

    emu_rig_protected_mode(&r);
    emu_rig_write(&r, EMU_RIG_STACK - 4, &before, sizeof(before));
    cr_assert(STEP(0x1e)); /* push %ds */
    cr_assert_eq(c->gpr[X86_RSP], EMU_RIG_STACK - 4);
    memcpy(&pushed, emu_rig_at(&r, EMU_RIG_STACK - 4), sizeof(pushed));
    cr_assert_eq(pushed & 0xffff, EMU_RIG_DATA);
    return pushed >> 16;
}

static bool probe_prefetch_register(void)
{
    cr_assert(STEP(0x0f, 0x0d, 0x0b), "prefetchw (%%rbx) is there for all");
    return STEP(0x0f, 0x0d, 0xc8);
}

static bool probe_pause_rex_b(void)
{
    c->gpr[X86_RAX] = 1;
    c->gpr[X86_R8] = 2;
    cr_assert(STEP(0xf3, 0x41, 0x90));
    return c->gpr[X86_RAX] == 1;
}

static uint16_t fx16(unsigned at)
{
    return (uint16_t)(c->fx[at] | c->fx[at + 1] << 8);
}

static void fx16_set(unsigned at, unsigned value)
{
    c->fx[at] = (uint8_t)value;
    c->fx[at + 1] = (uint8_t)(value >> 8);
}

static void expect_page_fault(bool done)
{
    cr_assert_not(done);
    cr_assert_eq(c->fault.vector, CPU_PF);
}

static bool probe_faulted_top(void)
{
    fx16_set(FX_FSW, TOP3);
    c->gpr[X86_RDI] = HOLE;
    expect_page_fault(STEP(0x0f, 0x7f, 0x07)); /* movq %mm0, (%rdi) */
    cr_assert(fx16(FX_FSW) == 0 || fx16(FX_FSW) == TOP3);
    return fx16(FX_FSW) == 0;
}

/* Only hosts with F16C have such a conversion. */
static bool probe_faulted_mxcsr(void)
{
    const uint32_t third = 0x3eaaaaab;

    if (!cpu_offers(c, FEATURE_F16C))
        return c->vendor->faulted_mxcsr;
    memcpy(c->vec[0].ymm, &third, sizeof(third));
    c->gpr[X86_RDI] = HOLE;
    expect_page_fault(STEP(0xc4, 0xe3, 0x79, 0x1d, 0x07, 0x04)); /* vcvtps2ph */
    return fx16(FX_MXCSR) & 0x20;
}

static bool probe_faulted_mask(void)
{
    static const uint32_t chosen[4] = { 0x80000000 };

    if (!cpu_offers(c, FEATURE_AVX2))
        return c->vendor->faulted_mask;
    memset(c->vec[1].ymm, 0, sizeof(c->vec[1].ymm));
    memcpy(c->vec[2].ymm, chosen, sizeof(chosen));
    c->gpr[X86_RBX] = HOLE;
    /* vpgatherdd %xmm2, (%rbx,%xmm1), %xmm0 */
    expect_page_fault(STEP(0xc4, 0xe2, 0x69, 0x90, 0x04, 0x0b));
    cr_assert_eq(c->vec[2].ymm[3], c->vec[2].ymm[0] ? 0xff : 0x80);
    return c->vec[2].ymm[0];
}

static bool probe_narrow_repeat(void)
{
    c->gpr[X86_RDI] = HIGH | HOLE;
    c->gpr[X86_RCX] = HIGH | 5;
    expect_page_fault(STEP(0x67, 0xf3, 0xaa)); /* rep stosb %al, (%edi) */
    cr_assert_eq(c->gpr[X86_RDI] == HOLE, c->gpr[X86_RCX] == 5);
    return c->gpr[X86_RCX] == 5;
}

/* A store of an empty register is an invalid operation. */
static bool probe_x87_unstored(void)
{
    fx16_set(FX_FCW, fx16(FX_FCW) & ~1u);
    c->gpr[X86_RDI] = HOLE;
    return STEP(0xdd, 0x1f); /* fstpl (%rdi) */
}

static bool probe_syscall_32(void)
{
    bool there;

    c->cstar = HANDLER;
    c->star = (uint64_t)EMU_RIG_CODE64 << 32;
    compatibility_mode();
    there = STEP(0x0f, 0x05);
    cr_assert(there ? c->rip == HANDLER : c->fault.vector == CPU_UD);
    compatibility_mode();
    cr_assert_eq(STEP(0x0f, 0x07), there);
    return there;
}

static bool probe_sysret_rip(void)
{
    c->gpr[X86_RCX] = NOT_CANONICAL;
    if (!STEP(0x48, 0x0f, 0x07)) {
        cr_assert_eq(c->fault.vector, CPU_GP);
        return c->cpl == 0;
    }
    cr_assert_eq(c->cpl, 3);
    cr_assert_not(emu_rig_step(&r));
    cr_assert_eq(c->fault.vector, CPU_GP);
    return false;
}

static bool probe_sysret_ss(void)
{
    c->seg[X86_SS].limit = 5;
    cr_assert(STEP(0x48, 0x0f, 0x07));
    return c->seg[X86_SS].limit == LIMIT_FLAT;
}

static bool probe_sysenter_long(void)
{
    bool there;

    c->sysenter_cs = EMU_RIG_CODE64;
    there = STEP(0x0f, 0x34);
    cr_assert(there || c->fault.vector == CPU_UD);
    compatibility_mode();
    cr_assert_eq(STEP(0x0f, 0x34), there);
    c->cpl = 0;
    cr_assert_eq(STEP(0x0f, 0x35), there);
    return there;
}

static bool probe_sysenter_64(void)
{
    uint64_t value;

    for (uint32_t msr = 0x175; msr <= 0x176; msr++) {
        if (!msr_write(c, msr, NOT_CANONICAL | 5))
            return true;
        cr_assert(msr_read(c, msr, &value));
        cr_assert_eq(value, 5);
    }
    return false;
}

static bool probe_null_base(void)
{
    c->seg[X86_FS].base = c->seg[X86_GS].base = 0x1234;
    c->gpr[X86_RAX] = 0;
    cr_assert(STEP(0x8e, 0xe0)); /* mov %eax, %fs */
    cr_assert(STEP(0x8e, 0xe8));
    cr_assert_eq(c->seg[X86_FS].base, c->gpr[CPU_FS_BASE]);
    cr_assert_eq(c->seg[X86_FS].base, c->seg[X86_GS].base);
    return c->seg[X86_FS].base == 0;
}

static bool probe_pml4e_8(void)
{
    *emu_rig_entry(&r, DATA, 4) |= X86_PTE_G;
    emu_rig_update(&r);
    c->gpr[X86_RBX] = DATA;
    if (STEP(0x8a, 0x03)) /* mov (%rbx), %al */
        return false;
    cr_assert_eq(c->fault.vector, CPU_PF);
    cr_assert(c->fault.error & 8, "reserved");
    return true;
}

static bool probe_mov_ss_code(void)
{
    static const uint8_t handler[] = { 0xe6, EMU_RIG_END };
    static const uint8_t code[] = { 0x8e, 0xd0, 0x90, 0x90 }; /* mov %eax, %ss; nop; nop */

    emu_rig_write(&r, HANDLER, handler, sizeof(handler));
    emu_rig_gate(&r, CPU_DB, HANDLER, 0, 0xe);
    c->gpr[X86_RAX] = EMU_RIG_DATA;
    cr_assert(debug_write(c, 0, EMU_RIG_CODE + 2) && debug_write(c, 1, EMU_RIG_CODE + 3));
    cr_assert(debug_write(c, 7, 5));
    cr_assert_eq(emu_rig_run(&r, code, sizeof(code)), VCPU_KICKED);
    cr_assert(c->dr[6] & 3, "one of the two is met");
    return c->dr[6] & 2;
}

static struct cpuid_entry cpuid_of(uint32_t leaf)
{
    c->gpr[X86_RAX] = leaf;
    c->gpr[X86_RCX] = 0;
    emu_cpuid(c);
    return (struct cpuid_entry){ .eax = (uint32_t)c->gpr[X86_RAX],
                                 .ebx = (uint32_t)c->gpr[X86_RBX],
                                 .ecx = (uint32_t)c->gpr[X86_RCX],
                                 .edx = (uint32_t)c->gpr[X86_RDX] };
}

static bool probe_cpuid_last(void)
{
    struct cpuid_entry highest, beyond;

    cpuid_find(&c->cpuid, 0, 0)->eax = 1;
    highest = cpuid_of(1);
    beyond = cpuid_of(0x20000000);
    cr_assert(beyond.eax == 0 || memcmp(&highest, &beyond, sizeof(highest)) == 0);
    return beyond.eax;
}

static bool probe_amd_registers(void)
{
    static const uint32_t theirs[] = { 0xc0010010, 0xc0010015, 0xc0011029 };
    uint64_t value;
    bool there = msr_read(c, theirs[0], &value);

    for (unsigned i = 1; i < sizeof(theirs) / sizeof(theirs[0]); i++)
        cr_assert_eq(msr_read(c, theirs[i], &value), there);
    cr_assert_eq(msr_read(c, 0x1a0, &value), !there, "IA32_MISC_ENABLE");
    return there;
}

static const struct {
    const char *name;
    bool (*probe)(void);
    size_t at;
} rows[] = {
#define WAY(name, ...) { #name, probe_##name, offsetof(struct vendor, name) },
#include "emu/x86/decode/tables/vendor.def"
#undef WAY
};

static void probe_all(const char *name, unsigned family)
{
    const struct vendor *vendor = vendor_of(name, family);

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        emu_rig_init(&r, 1);
        emu_rig_long_mode(&r);
        c = r.cpu;
        c->vendor = vendor;
        cr_assert_eq(rows[i].probe(), ((const bool *)vendor)[rows[i].at], "%s of %s %#x",
                     rows[i].name, name, family);
        emu_rig_finish(&r);
    }
}

Test(vendor, intels_ways_are_kept)
{
    probe_all("GenuineIntel", 6);
}

Test(vendor, amds_old_ways_are_kept)
{
    probe_all("AuthenticAMD", 0x10);
}

Test(vendor, amds_ways_are_kept)
{
    probe_all("AuthenticAMD", 0x19);
}

Test(vendor, names_and_families)
{
    cr_assert_eq(vendor_of("GenuineIntel", 0x19), vendor_of("GenuineIntel", 6));
    cr_assert_eq(vendor_of("HygonGenuine", 0x18), vendor_of("AuthenticAMD", 0x17));
    cr_assert_neq(vendor_of("AuthenticAMD", 0x16), vendor_of("AuthenticAMD", 0x17));
    cr_assert_eq(vendor_of("CentaurHauls", 7), vendor_of("GenuineIntel", 6), "as Intel's");
}

static const struct vendor *pretending(const char *text, uint32_t *signature)
{
    struct cpuid_table t = { .count = 2,
                             .entries = { { .leaf = 0 }, { .leaf = 1, .eax = 0x000006f0 } } };
    struct err e;

    if (vendor_pretend(&t, text, &e))
        return NULL;
    *signature = t.entries[1].eax;
    return vendor_shown(&t);
}

Test(vendor, the_switch_changes_what_is_shown)
{
    uint32_t signature;

    cr_assert_eq(pretending("intel", &signature), vendor_of("GenuineIntel", 6));
    cr_assert_eq(signature, 0x000006f0);
    cr_assert_eq(pretending("amd:0x19", &signature), vendor_of("AuthenticAMD", 0x19));
    cr_assert_eq(signature, 0x00a00ff0);
    cr_assert_eq(pretending("amd:15", &signature), vendor_of("AuthenticAMD", 15));
    cr_assert_eq(signature, 0x00000ff0);
    cr_assert_eq(pretending("hygon:0x18", &signature), vendor_of("HygonGenuine", 0x18));
}

Test(vendor, the_switch_refuses_what_it_does_not_know)
{
    static const char *const bad[] = { "",      "cyrix",  "amd19",     "amd:",
                                       "amd:x", "amd:1x", "amd:0x10f", "intel:-1" };
    uint32_t signature;

    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert_null(pretending(bad[i], &signature), "'%s'", bad[i]);
}
