#include <criterion/criterion.h>
#include <string.h>

#include "core/x86/bits.h"
#include "emu/x86/cpu/fpu.h"
#include "emu/x86/cpu/mode.h"
#include "emu/x86/decode/row.h"
#include "emu/x86/sys/cpuid.h"
#include "lib/x86/processor.h"

#define AREA_SIZE 832u

struct area {
    struct fpu_image legacy;
    uint64_t xstate_bv, xcomp_bv, reserved[6];
    uint8_t ymm_high[16][16];
    uint8_t beyond[192]; /* nobody writes here */
} __attribute__((aligned(64)));

static struct processor p;
static struct area *area; /* in the guest's memory */

static void start(void)
{
    processor_init(&p, 64);
    area = (struct area *)p.data;
    p.cpu->gpr[X86_RDI] = PROCESSOR_DATA;
}

static void finish(void)
{
    processor_finish(&p);
}

TestSuite(op_state, .init = start, .fini = finish);

#define FXSAVE   STEP(&p, 0x0f, 0xae, 0x07)
#define FXSAVE64 STEP(&p, 0x48, 0x0f, 0xae, 0x07)
#define FXRSTOR  STEP(&p, 0x0f, 0xae, 0x0f)
#define LDMXCSR  STEP(&p, 0x0f, 0xae, 0x17)
#define STMXCSR  STEP(&p, 0x0f, 0xae, 0x1f)
#define XSAVE    STEP(&p, 0x0f, 0xae, 0x27)
#define XSAVE64  STEP(&p, 0x48, 0x0f, 0xae, 0x27)
#define XRSTOR   STEP(&p, 0x0f, 0xae, 0x2f)
#define XSAVEOPT STEP(&p, 0x0f, 0xae, 0x37)
#define XSAVEC   STEP(&p, 0x0f, 0xc7, 0x27)

static struct fpu_image *fx(void)
{
    return (struct fpu_image *)p.cpu->fx;
}

/* Bytes that differ by seed and place. */
static void fill(void *at, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)at)[i] = (uint8_t)(i * 73 + seed * 29 + (i >> 8));
}

/* A state in which no component has its initial value. */
static void state_make(unsigned seed)
{
    struct fpu_image *f = fx();

    fill(p.cpu->vec, sizeof(p.cpu->vec), seed);
    memset(f, 0, sizeof(*f));
    f->fcw = (uint16_t)(0x27f | (seed & 3u) << 10);
    f->fsw = (uint16_t)((seed & 7u) << 11 | 0x4100);
    f->ftw = (uint8_t)(seed * 5 | 1);
    f->mxcsr_mask = FPU_MXCSR_MASK;
    f->mxcsr = 0x1f80 | (seed & 3u) << 13 | 0x21;
    for (unsigned i = 0; i < 8; i++)
        fill(f->st[i], 10, seed + i);
}

static void rfbm(uint64_t mask)
{
    p.cpu->gpr[X86_RAX] = (uint32_t)mask;
    p.cpu->gpr[X86_RDX] = mask >> 32;
}

Test(op_state, fxsave_and_back)
{
    struct area blank;
    struct cpu_vec vec[16];
    uint8_t image[512];

    fill(&blank, sizeof(blank), 9);
    *area = blank;
    state_make(1);
    memcpy(vec, p.cpu->vec, sizeof(vec));
    memcpy(image, p.cpu->fx, sizeof(image));
    cr_assert_eq(FXSAVE64, PROCESSOR_OK);
    for (unsigned n = 0; n < 16; n++)
        cr_assert_arr_eq(area->legacy.xmm[n], vec[n].ymm, 16);
    cr_assert_arr_eq(area, image, 24, "control words, and pointers that are 0");
    cr_assert_arr_eq(area->legacy.st, image + 32, 128);
    cr_assert_eq(area->legacy.mxcsr, ((struct fpu_image *)image)->mxcsr);
    cr_assert_eq(area->legacy.mxcsr_mask, 0xffff);
    cr_assert_arr_eq(area->legacy.unused, blank.legacy.unused, sizeof(blank.legacy.unused));
    cr_assert_eq(area->xstate_bv, blank.xstate_bv);

    state_make(2);
    for (unsigned n = 0; n < 16; n++)
        memcpy(vec[n].ymm + 16, p.cpu->vec[n].ymm + 16, 16);
    cr_assert_eq(FXRSTOR, PROCESSOR_OK);
    cr_assert_arr_eq(p.cpu->vec, vec, sizeof(vec), "upper halves are not FXRSTOR's");
    cr_assert_arr_eq(p.cpu->fx, image, 160);
}

/* The host's x87 has just executed an instruction at an address of this process. */
Test(op_state, images_hold_no_address_of_the_host)
{
    static const uint8_t zeros[18];

    cr_assert_eq(STEP(&p, 0xdb, 0xe3), PROCESSOR_OK); /* fninit */
    p.cpu->gpr[X86_RSI] = PROCESSOR_DATA + 0x800;
    cr_assert_eq(STEP(&p, 0xdd, 0x06), PROCESSOR_OK); /* fld qword [rsi] */
    cr_assert_arr_eq(p.cpu->fx + 6, zeros, 18);
    cr_assert_eq(FXSAVE64, PROCESSOR_OK);
    cr_assert_arr_eq((uint8_t *)area + 6, zeros, 18);
    cr_assert_eq(area->legacy.ftw, 0x80);
    rfbm(1);
    memset(area, 0xff, sizeof(*area));
    area->xstate_bv = 0;
    cr_assert_eq(XSAVE64, PROCESSOR_OK);
    cr_assert_arr_eq((uint8_t *)area + 6, zeros, 18);
}

Test(op_state, fxrstor_with_a_reserved_mxcsr_bit_changes_nothing)
{
    struct cpu_vec vec[16];
    uint8_t image[512];

    memset(area, 0, sizeof(*area));
    area->legacy.mxcsr = 0x10000;
    state_make(3);
    memcpy(vec, p.cpu->vec, sizeof(vec));
    memcpy(image, p.cpu->fx, sizeof(image));
    cr_assert_eq(FXRSTOR, CPU_GP);
    cr_assert_eq(p.cpu->fault.error, 0);
    cr_assert_eq(p.cpu->rip, PROCESSOR_CODE);
    cr_assert_arr_eq(p.cpu->vec, vec, sizeof(vec));
    cr_assert_arr_eq(p.cpu->fx, image, 160);
}

Test(op_state, fxsave_needs_16_byte_alignment_and_the_units_on)
{
    p.cpu->gpr[X86_RDI] += 8;
    cr_assert_eq(FXSAVE, CPU_GP);
    cr_assert_eq(FXRSTOR, CPU_GP);
    p.cpu->cr0 |= X86_CR0_TS;
    cr_assert_eq(FXSAVE, CPU_NM);
    cr_assert_eq(FXRSTOR, CPU_NM);
    p.cpu->cr0 |= X86_CR0_EM;
    cr_assert_eq(FXSAVE, CPU_UD);
    cr_assert_eq(FXRSTOR, CPU_UD);
}

Test(op_state, fxsave_faults_where_its_pages_end)
{
    p.cpu->gpr[X86_RDI] = PROCESSOR_HOLE - 256;
    cr_assert_eq(FXSAVE, CPU_PF);
    cr_assert_eq(p.cpu->fault.address, PROCESSOR_HOLE);
    cr_assert_eq(FXRSTOR, CPU_PF);
    cr_assert_eq(p.cpu->fault.address, PROCESSOR_HOLE);
}

Test(op_state, only_eight_registers_outside_64_bit_mode)
{
    struct processor narrow;
    uint8_t untouched[16];
    struct area *to;

    processor_init(&narrow, 32);
    to = (struct area *)narrow.data;
    memset(to, 0xcc, sizeof(*to));
    memset(untouched, 0xcc, sizeof(untouched));
    fill(narrow.cpu->vec, sizeof(narrow.cpu->vec), 1);
    narrow.cpu->gpr[X86_RDI] = PROCESSOR_DATA;
    cr_assert_eq(STEP(&narrow, 0x0f, 0xae, 0x07), PROCESSOR_OK);
    cr_assert_arr_eq(to->legacy.xmm[7], narrow.cpu->vec[7].ymm, 16);
    for (unsigned n = 8; n < 16; n++)
        cr_assert_arr_eq(to->legacy.xmm[n], untouched, 16);
    memset(to, 0, sizeof(*to));
    cr_assert_eq(STEP(&narrow, 0x0f, 0xae, 0x0f), PROCESSOR_OK);
    cr_assert_eq(narrow.cpu->vec[7].ymm[1], 0);
    cr_assert_neq(narrow.cpu->vec[8].ymm[1], 0);
    processor_finish(&narrow);
}

/* The host as a model: it takes a processor's state into its registers, executes one instruction on
 * an area, and gives the state back. */
struct state {
    struct cpu_vec vec[16];
    struct fpu_image fx;
};

#define YMM_IN(n)  "vmovups " #n "*32(%[state]),%%ymm" #n "\n\t"
#define YMM_OUT(n) "vmovups %%ymm" #n "," #n "*32(%[state])\n\t"
#define EACH(m) \
    m(0) m(1) m(2) m(3) m(4) m(5) m(6) m(7) m(8) m(9) m(10) m(11) m(12) m(13) m(14) m(15)

#define HOST(name, insn)                                                                        \
    static void host_##name(struct state *s, void *at, uint32_t mask)                           \
    {                                                                                           \
        const uint32_t mxcsr = FPU_MXCSR_RESET;                                                 \
                                                                                                \
        __asm__ volatile(                                                                       \
            "fxrstor64 %[fx]\n\t" EACH(YMM_IN) insn                                             \
            " (%[at])\n\t" EACH(YMM_OUT) "vzeroupper\n\t"                                       \
                                         "fxsave64 %[fx]\n\tfninit\n\tldmxcsr %[mxcsr]"         \
            : [fx] "+m"(s->fx)                                                                  \
            : [state] "r"(s->vec), [at] "r"(at), "a"(mask), "d"(0), [mxcsr] "m"(mxcsr)          \
            : "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", \
              "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");                    \
    }

/* clang-format off */
HOST(xsave, "xsave64")
HOST(xsaveopt, "xsaveopt64")
HOST(xsavec, "xsavec64")
HOST(xrstor, "xrstor64")
/* clang-format on */

static struct state state_of_guest(void)
{
    struct state s;

    memcpy(s.vec, p.cpu->vec, sizeof(s.vec));
    memcpy(&s.fx, p.cpu->fx, sizeof(s.fx));
    return s;
}

static bool host_can(unsigned feature)
{
    return cpu_offers(p.cpu, feature) && (emu_cpuid_xcr0() & 4);
}

/* Processors differ in the pointers, which the guest never sees, and in what they write to reserved
 * bytes. */
static void areas_agree(const struct area *ours, const struct area *hosts, const char *what,
                        unsigned mask)
{
    struct area model = *hosts;

    memcpy((uint8_t *)&model + 6, (const uint8_t *)ours + 6, 18);
    model.legacy.mxcsr_mask = ours->legacy.mxcsr_mask;
    for (size_t i = 0; i < sizeof(model); i++)
        cr_assert_eq(((const uint8_t *)ours)[i], ((const uint8_t *)&model)[i],
                     "%s, mask %u: byte %zu is %#x, not %#x", what, mask, i,
                     ((const uint8_t *)ours)[i], ((const uint8_t *)&model)[i]);
}

static void saves_as_the_host(void (*host)(struct state *, void *, uint32_t), uint8_t opcode,
                              uint8_t modrm, const char *what)
{
    for (unsigned mask = 0; mask < 8; mask++) {
        struct area model;
        struct state s;

        fill(&model, sizeof(model), 40 + mask);
        model.xstate_bv = ~mask & 7u;
        model.xcomp_bv = 0;
        *area = model;
        state_make(mask);
        s = state_of_guest();
        host(&s, &model, mask);
        rfbm(mask | UINT64_C(0xffffffff00000000));
        cr_assert_eq(STEP(&p, 0x48, 0x0f, opcode, modrm), PROCESSOR_OK);
        areas_agree(area, &model, what, mask);
    }
}

Test(op_state, xsave_does_what_the_host_does)
{
    if (host_can(FEATURE_XSAVE))
        saves_as_the_host(host_xsave, 0xae, 0x27, "xsave");
    if (host_can(FEATURE_XSAVEOPT))
        saves_as_the_host(host_xsaveopt, 0xae, 0x37, "xsaveopt");
    if (host_can(FEATURE_XSAVEC))
        saves_as_the_host(host_xsavec, 0xc7, 0x27, "xsavec");
}

/* An area with a valid MXCSR and x87 state, to be restored. */
static void area_make(struct area *a, uint64_t xstate_bv, uint64_t xcomp_bv, unsigned seed)
{
    fill(a, sizeof(*a), seed);
    state_make(seed);
    memcpy(&a->legacy, p.cpu->fx, 160);
    a->xstate_bv = xstate_bv;
    a->xcomp_bv = xcomp_bv;
    memset(a->reserved, 0, sizeof(a->reserved));
}

static void restores_as_the_host(unsigned mask, uint64_t xstate_bv, uint64_t xcomp_bv)
{
    struct area model;
    struct state s;

    area_make(&model, xstate_bv, xcomp_bv, 5 + mask);
    *area = model;
    state_make(2);
    s = state_of_guest();
    host_xrstor(&s, &model, mask);
    rfbm(mask);
    cr_assert_eq(XRSTOR, PROCESSOR_OK);
    cr_assert_arr_eq(p.cpu->vec, s.vec, sizeof(s.vec), "mask %u, %lx, %lx", mask,
                     (unsigned long)xstate_bv, (unsigned long)xcomp_bv);
    cr_assert_arr_eq(p.cpu->fx, &s.fx, 6, "mask %u, %lx, %lx", mask, (unsigned long)xstate_bv,
                     (unsigned long)xcomp_bv);
    cr_assert_eq(fx()->mxcsr, s.fx.mxcsr, "mask %u, %lx, %lx: %x, not %x", mask,
                 (unsigned long)xstate_bv, (unsigned long)xcomp_bv, fx()->mxcsr, s.fx.mxcsr);
    cr_assert_arr_eq(fx()->st, s.fx.st, sizeof(s.fx.st));
}

Test(op_state, xrstor_does_what_the_host_does)
{
    if (!host_can(FEATURE_XSAVE))
        return;
    for (unsigned mask = 0; mask < 8; mask++)
        for (unsigned bv = 0; bv < 8; bv++) {
            restores_as_the_host(mask, bv, 0);
            if (host_can(FEATURE_XSAVEC))
                restores_as_the_host(mask, bv, UINT64_C(1) << 63 | 7);
        }
}

/* What FNINIT and zeroed registers leave is every component's initial value. */
static void state_init(void)
{
    struct fpu_image initial = { .fcw = FPU_FCW_RESET, .mxcsr = FPU_MXCSR_RESET };

    memset(p.cpu->vec, 0, sizeof(p.cpu->vec));
    memcpy(p.cpu->fx, &initial, sizeof(initial));
}

Test(op_state, initial_components_are_not_written_but_by_xsave)
{
    struct area blank;

    fill(&blank, sizeof(blank), 6);
    state_init();
    rfbm(7);
    *area = blank;
    area->xstate_bv = 7;
    cr_assert_eq(XSAVEOPT, PROCESSOR_OK);
    cr_assert_eq(area->xstate_bv, 0);
    cr_assert_eq(area->xcomp_bv, blank.xcomp_bv);
    cr_assert_arr_eq(area, &blank, 24);
    cr_assert_arr_eq(area->legacy.st, blank.legacy.st, 128);
    cr_assert_arr_eq(area->legacy.xmm, blank.legacy.xmm, 256);

    *area = blank;
    cr_assert_eq(XSAVEC, PROCESSOR_OK);
    cr_assert_eq(area->xstate_bv, 0);
    cr_assert_eq(area->xcomp_bv, UINT64_C(1) << 63 | 7);
    cr_assert_arr_eq(area, &blank, 512, "not even MXCSR");
    cr_assert_arr_eq(area->ymm_high, blank.ymm_high, 256);

    cr_assert_eq(XSAVE, PROCESSOR_OK);
    cr_assert_eq(area->xstate_bv, 0);
    cr_assert_eq(area->legacy.fcw, FPU_FCW_RESET);
    cr_assert_eq(area->ymm_high[3][5], 0);
}

Test(op_state, each_component_is_in_use_by_itself)
{
    rfbm(7);
    state_init();
    p.cpu->vec[9].ymm[30] = 1;
    cr_assert_eq(XSAVEC, PROCESSOR_OK);
    cr_assert_eq(area->xstate_bv, 4);
    state_init();
    p.cpu->vec[15].ymm[15] = 1;
    cr_assert_eq(XSAVEC, PROCESSOR_OK);
    cr_assert_eq(area->xstate_bv, 2);
    state_init();
    fx()->mxcsr |= 0x8000;
    cr_assert_eq(XSAVEC, PROCESSOR_OK);
    cr_assert_eq(area->xstate_bv, 2);
    cr_assert_eq(area->legacy.mxcsr, FPU_MXCSR_RESET | 0x8000);
    state_init();
    fx()->fcw = 0x27f;
    cr_assert_eq(XSAVEC, PROCESSOR_OK);
    cr_assert_eq(area->xstate_bv, 1);
}

Test(op_state, only_enabled_components_are_saved)
{
    p.cpu->xcr0 = 3;
    state_make(1);
    rfbm(7);
    memset(area, 0xcc, sizeof(*area));
    cr_assert_eq(XSAVEC, PROCESSOR_OK);
    cr_assert_eq(area->xstate_bv, 3);
    cr_assert_eq(area->xcomp_bv, UINT64_C(1) << 63 | 3);
    cr_assert_eq(area->ymm_high[0][0], 0xcc);
}

static int restore(uint64_t xstate_bv, uint64_t xcomp_bv, unsigned reserved)
{
    area_make(area, xstate_bv, xcomp_bv, 3);
    if (reserved < 6)
        area->reserved[reserved] = 1;
    rfbm(7);
    return XRSTOR;
}

#define NONE      6u /* no reserved word set */
#define COMPACTED (UINT64_C(1) << 63)

Test(op_state, xrstor_judges_the_header)
{
    p.cpu->xcr0 = 3;
    cr_assert_eq(restore(3, 0, NONE), PROCESSOR_OK);
    cr_assert_eq(restore(4, 0, NONE), CPU_GP, "a component that is not enabled");
    cr_assert_eq(restore(3, 3, NONE), CPU_GP, "XCOMP_BV without the compacted form");
    cr_assert_eq(restore(3, 0, 0), CPU_GP);
    cr_assert_eq(restore(3, 0, 1), PROCESSOR_OK, "the standard form looks at 24 bytes");

    cr_assert_eq(restore(3, COMPACTED | 3, NONE), PROCESSOR_OK);
    cr_assert_eq(restore(1, COMPACTED | 3, NONE), PROCESSOR_OK);
    cr_assert_eq(restore(3, COMPACTED | 1, NONE), CPU_GP, "not in the area");
    cr_assert_eq(restore(COMPACTED, COMPACTED | 3, NONE), CPU_GP);
    cr_assert_eq(restore(3, COMPACTED | 7, NONE), CPU_GP, "not enabled");
    for (unsigned i = 0; i < 6; i++)
        cr_assert_eq(restore(3, COMPACTED | 3, i), CPU_GP);

    p.cpu->offered &= ~(UINT64_C(1) << FEATURE_XSAVEC);
    cr_assert_eq(restore(3, COMPACTED | 3, NONE), CPU_GP);
}

Test(op_state, xrstor_that_faults_changes_nothing)
{
    struct state before;

    area_make(area, 7, 0, 3);
    area->legacy.mxcsr = 0x80000000;
    state_make(1);
    before = state_of_guest();
    rfbm(7);
    cr_assert_eq(XRSTOR, CPU_GP);
    cr_assert_arr_eq(p.cpu->vec, before.vec, sizeof(before.vec));
    cr_assert_arr_eq(p.cpu->fx, &before.fx, 160);

    p.cpu->gpr[X86_RDI] = PROCESSOR_HOLE - 576;
    memset(p.data + (PROCESSOR_HOLE - PROCESSOR_DATA) - 576, 0, 576);
    p.data[PROCESSOR_HOLE - PROCESSOR_DATA - 64] = 7;
    cr_assert_eq(XRSTOR, CPU_PF, "the last component is in the hole");
    cr_assert_eq(p.cpu->fault.address, PROCESSOR_HOLE);
    cr_assert_arr_eq(p.cpu->vec, before.vec, sizeof(before.vec));
    cr_assert_arr_eq(p.cpu->fx, &before.fx, 160);
    cr_assert_eq(XSAVE, CPU_PF);
    p.cpu->gpr[X86_RDI] = PROCESSOR_HOLE;
    cr_assert_eq(XSAVE, CPU_PF);
    cr_assert_eq(XSAVEC, CPU_PF);
    cr_assert_eq(XRSTOR, CPU_PF);
}

static void all_xsaves_raise(int vector)
{
    cr_assert_eq(XSAVE, vector);
    cr_assert_eq(XSAVEOPT, vector);
    cr_assert_eq(XSAVEC, vector);
    cr_assert_eq(XRSTOR, vector);
}

Test(op_state, xsave_needs_64_byte_alignment_the_unit_and_the_system)
{
    p.cpu->gpr[X86_RDI] += 16;
    all_xsaves_raise(CPU_GP);
    p.cpu->cr0 |= X86_CR0_TS;
    all_xsaves_raise(CPU_NM);
    p.cpu->cr4 &= ~X86_CR4_OSXSAVE;
    all_xsaves_raise(CPU_UD);
}

/* Executes the XSAVE family on an area that just ends at the limit, and on one 64 bytes further. */
static void area_ends_at_the_limit(struct processor *narrow, unsigned mask, uint32_t size)
{
    static const uint8_t code[][3] = {
        { 0x0f, 0xae, 0x27 }, { 0x0f, 0xae, 0x37 }, { 0x0f, 0xc7, 0x27 }, { 0x0f, 0xae, 0x2f }
    };

    narrow->cpu->gpr[X86_RAX] = mask;
    narrow->cpu->seg[X86_DS].limit = 0x3ff + size;
    for (unsigned i = 0; i < sizeof(code) / sizeof(code[0]); i++) {
        narrow->cpu->gpr[X86_RDI] = 0x400;
        cr_assert_eq(processor_step(narrow, code[i], 3), PROCESSOR_OK, "mask %u, %u", mask, i);
        narrow->cpu->gpr[X86_RDI] += 64;
        cr_assert_eq(processor_step(narrow, code[i], 3), CPU_GP, "mask %u, %u", mask, i);
        cr_assert_eq(narrow->cpu->fault.error, 0);
    }
}

Test(op_state, an_xsave_area_is_as_large_as_its_components)
{
    struct processor narrow;

    processor_init(&narrow, 32);
    narrow.cpu->seg[X86_DS].base = PROCESSOR_DATA;
    area_ends_at_the_limit(&narrow, 3, 576);
    area_ends_at_the_limit(&narrow, 7, AREA_SIZE);
    narrow.cpu->xcr0 = 3;
    area_ends_at_the_limit(&narrow, 7, 576);
    processor_finish(&narrow);
}

Test(op_state, ldmxcsr_and_stmxcsr)
{
    uint32_t value = 0x9fc0;

    memcpy(p.data, &value, 4);
    cr_assert_eq(LDMXCSR, PROCESSOR_OK);
    cr_assert_eq(fx()->mxcsr, value);
    memset(p.data, 0, 4);
    cr_assert_eq(STMXCSR, PROCESSOR_OK);
    cr_assert_arr_eq(p.data, &value, 4);
    p.data[2] = 1;
    cr_assert_eq(LDMXCSR, CPU_GP);
    cr_assert_eq(p.cpu->fault.error, 0);
    cr_assert_eq(fx()->mxcsr, value);
    p.cpu->gpr[X86_RDI] = PROCESSOR_HOLE;
    cr_assert_eq(LDMXCSR, CPU_PF);
}
