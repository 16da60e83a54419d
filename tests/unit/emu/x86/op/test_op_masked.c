#include <criterion/criterion.h>
#include <string.h>

#include "emu/x86/cpu/fpu.h"
#include "emu/x86/decode/row.h"
#include "emu/x86/decode/vendor.h"
#include "lib/x86/processor.h"

static struct processor p;
static uint8_t model[4096]; /* the host's copy of the guest's data */

static void start(void)
{
    processor_init(&p, 64);
    for (unsigned i = 0; i < sizeof(model); i++)
        p.data[i] = (uint8_t)(i * 29 + (i >> 8));
    p.cpu->gpr[X86_RDI] = PROCESSOR_DATA;
}

static void finish(void)
{
    processor_finish(&p);
}

TestSuite(op_masked, .init = start, .fini = finish);

/* YMM0 is data, YMM1 the index and YMM2 the mask, with elements of these sizes. Bit n of `chosen`
 * selects element n. */
static void registers_make(unsigned index_size, unsigned element, unsigned chosen)
{
    struct cpu_vec *vec = p.cpu->vec;

    for (unsigned i = 0; i < 32; i++)
        vec[0].ymm[i] = (uint8_t)(0xa0 + i);
    memset(vec[1].ymm, 0, 32);
    for (unsigned i = 0; i < 32 / index_size; i++)
        vec[1].ymm[i * index_size] = (uint8_t)(i * 37 % 120);
    memset(vec[1].ymm, 0xff, index_size); /* -1 */
    for (unsigned i = 0; i < 32 / element; i++) {
        memset(vec[2].ymm + i * element, 0x7f, element); /* only the top bit counts */
        if (chosen & 1u << i)
            vec[2].ymm[i * element + element - 1] = 0x80;
    }
}

#define TEXT_(...) #__VA_ARGS__
#define TEXT(...)  TEXT_(__VA_ARGS__)

/* Executes the same bytes in the guest and on the host, with RDI at data + at, and compares. If the
 * host does not have the instruction, the guest must not have it either. */
#define AS_THE_HOST(feature, at, ...)                                                             \
    do {                                                                                          \
        struct cpu_vec vec[3];                                                                    \
                                                                                                  \
        if (!cpu_offers(p.cpu, feature)) {                                                        \
            cr_assert_eq(STEP(&p, __VA_ARGS__), CPU_UD);                                          \
            break;                                                                                \
        }                                                                                         \
        memcpy(vec, p.cpu->vec, sizeof(vec));                                                     \
        memcpy(model, p.data, sizeof(model));                                                     \
        __asm__ volatile(                                                                         \
            "vmovups (%[vec]),%%ymm0\n\tvmovups 32(%[vec]),%%ymm1\n\t"                            \
            "vmovups 64(%[vec]),%%ymm2\n\t"                                                       \
            ".byte " TEXT(__VA_ARGS__) "\n\t"                                                     \
                                       "vmovups %%ymm0,(%[vec])\n\tvmovups %%ymm1,32(%[vec])\n\t" \
                                       "vmovups %%ymm2,64(%[vec])\n\tvzeroupper"                  \
            :                                                                                     \
            : [vec] "r"(vec), "D"(model + (at))                                                   \
            : "memory", "xmm0", "xmm1", "xmm2");                                                  \
        p.cpu->gpr[X86_RDI] = PROCESSOR_DATA + (at);                                              \
        cr_assert_eq(STEP(&p, __VA_ARGS__), PROCESSOR_OK);                                        \
        cr_assert_arr_eq(p.cpu->vec, vec, sizeof(vec), "registers of " TEXT(__VA_ARGS__));        \
        cr_assert_arr_eq(p.data, model, sizeof(model), "memory of " TEXT(__VA_ARGS__));           \
    } while (0)

/* Third byte of VEX with the mask in YMM2: W and L. */
#define D128 0x69
#define D256 0x6d
#define Q128 0xe9
#define Q256 0xed

#define GATHER(width, opcode, index_size, element)                                 \
    for (unsigned chosen = 0; chosen < 256; chosen += 51) {                        \
        registers_make(index_size, element, chosen);                               \
        AS_THE_HOST(FEATURE_AVX2, 1000, 0xc4, 0xe2, width, opcode, 0x44, 0x8f, 8); \
    }

Test(op_masked, gathers_do_what_the_host_does)
{
    GATHER(D128, 0x90, 4, 4)
    GATHER(D256, 0x90, 4, 4)
    GATHER(Q128, 0x90, 4, 8)
    GATHER(Q256, 0x90, 4, 8)
    GATHER(D128, 0x91, 8, 4)
    GATHER(D256, 0x91, 8, 4)
    GATHER(Q128, 0x91, 8, 8)
    GATHER(Q256, 0x91, 8, 8)
    GATHER(D128, 0x92, 4, 4)
    GATHER(Q256, 0x92, 4, 8)
    GATHER(D256, 0x93, 8, 4)
    GATHER(Q128, 0x93, 8, 8)
}

#define VPGATHERDD    STEP(&p, 0xc4, 0xe2, D256, 0x90, 0x04, 0x8f)
#define VPGATHERDD128 STEP(&p, 0xc4, 0xe2, D128, 0x90, 0x04, 0x8f)

static uint32_t lane(unsigned reg, unsigned i)
{
    uint32_t value;

    memcpy(&value, p.cpu->vec[reg].ymm + i * 4, sizeof(value));
    return value;
}

static void lane_set(unsigned reg, unsigned i, uint32_t value)
{
    memcpy(p.cpu->vec[reg].ymm + i * 4, &value, sizeof(value));
}

/* All eight dwords from data, but the element `in_hole` from the hole. */
static void aim(unsigned in_hole)
{
    for (unsigned i = 0; i < 8; i++) {
        lane_set(0, i, 0xdead);
        lane_set(1, i, i == in_hole ? (PROCESSOR_HOLE - PROCESSOR_DATA) / 4 : i);
        lane_set(2, i, 0x80000000);
    }
}

Test(op_masked, a_gather_keeps_what_it_had_before_the_fault)
{
    p.cpu->vendor = vendor_of("AuthenticAMD", 6);
    aim(3);
    cr_assert_eq(VPGATHERDD, CPU_PF);
    cr_assert_eq(p.cpu->fault.address, PROCESSOR_HOLE);
    cr_assert_eq(p.cpu->rip, PROCESSOR_CODE);
    for (unsigned i = 0; i < 8; i++) {
        cr_assert_eq(lane(0, i) == 0xdead, i >= 3);
        cr_assert_eq(lane(2, i), i >= 3 ? 0x80000000 : 0);
    }
    lane_set(1, 3, 5); /* as if the page had come */
    lane_set(1, 0, (PROCESSOR_HOLE - PROCESSOR_DATA) / 4);
    cr_assert_eq(VPGATHERDD, PROCESSOR_OK, "what is done is not read again");
    cr_assert_arr_eq(p.cpu->vec[0].ymm + 12, p.data + 20, 4);
    for (unsigned i = 0; i < 8; i++)
        cr_assert_eq(lane(2, i), 0);
}

Test(op_masked, intels_gather_has_its_whole_mask_before_the_fault)
{
    p.cpu->vendor = vendor_of("GenuineIntel", 6);
    aim(1);
    lane_set(2, 2, 0x7fffffff);
    cr_assert_eq(VPGATHERDD128, CPU_PF);
    for (unsigned i = 0; i < 8; i++) {
        cr_assert_eq(lane(2, i), i == 1 || i == 3 ? 0xffffffff : 0, "lane %u", i);
        if (i > 0)
            cr_assert_eq(lane(0, i), i < 4 ? 0xdead : 0);
    }
    cr_assert_arr_eq(p.cpu->vec[0].ymm, p.data, 4);
    aim(0);
    cr_assert_eq(VPGATHERDD128, CPU_PF);
    cr_assert_eq(lane(2, 0), 0xffffffff);
    cr_assert_eq(lane(0, 7), 0xdead, "nothing is loaded, nothing cleared behind it");
}

Test(op_masked, a_masked_off_element_cannot_fault)
{
    aim(6);
    lane_set(2, 6, 0x7fffffff);
    cr_assert_eq(VPGATHERDD, PROCESSOR_OK);
    cr_assert_eq(lane(0, 6), 0xdead);
    cr_assert_eq(lane(2, 6), 0);
}

Test(op_masked, gather_addresses_of_32_bits_wrap)
{
    aim(8);
    p.cpu->gpr[X86_RDI] = UINT64_C(0x500000000) + PROCESSOR_DATA;
    lane_set(1, 0, (uint32_t)-1);
    p.data[sizeof(model)] = 0;
    cr_assert_eq(STEP(&p, 0x67, 0xc4, 0xe2, D256, 0x90, 0x44, 0x8f, 4), PROCESSOR_OK);
    cr_assert_arr_eq(p.cpu->vec[0].ymm, p.data, 4);
    cr_assert_arr_eq(p.cpu->vec[0].ymm + 4, p.data + 8, 28);
}

Test(op_masked, gathers_respect_limits_outside_64_bit_mode)
{
    struct processor narrow;

    processor_init(&narrow, 32);
    narrow.cpu->seg[X86_DS].limit = PROCESSOR_DATA + 3;
    narrow.cpu->gpr[X86_RDI] = PROCESSOR_DATA;
    memset(narrow.cpu->vec[2].ymm, 0x80, 32);
    narrow.cpu->vec[1].ymm[4] = 1;
    cr_assert_eq(STEP(&narrow, 0xc4, 0xe2, D256, 0x90, 0x04, 0x8f), CPU_GP);
    cr_assert_eq(narrow.cpu->vec[2].ymm[3], 0, "the first was within");
    cr_assert_neq(narrow.cpu->vec[2].ymm[7], 0);
    processor_finish(&narrow);
}

#define MASKMOV(width, opcode, element)                                           \
    for (unsigned chosen = 0; chosen < 256; chosen += 17) {                       \
        registers_make(4, element, chosen);                                       \
        AS_THE_HOST(FEATURE_AVX2, 100 + chosen, 0xc4, 0xe2, width, opcode, 0x07); \
    }

/* VMASKMOVPS is 2c, 2e; VMASKMOVPD 2d, 2f; VPMASKMOVD 8c, 8e, and with W VPMASKMOVQ. */
Test(op_masked, vmaskmov_does_what_the_host_does)
{
    MASKMOV(D128, 0x2c, 4);
    MASKMOV(D256, 0x2c, 4);
    MASKMOV(D128, 0x2e, 4);
    MASKMOV(D256, 0x2e, 4);
    MASKMOV(D128, 0x2d, 8);
    MASKMOV(D256, 0x2d, 8);
    MASKMOV(D256, 0x2f, 8);
    MASKMOV(D128, 0x8c, 4);
    MASKMOV(D256, 0x8e, 4);
    MASKMOV(Q256, 0x8c, 8);
    MASKMOV(Q128, 0x8e, 8);
}

#define LOAD_PS  STEP(&p, 0xc4, 0xe2, D256, 0x2c, 0x07)
#define STORE_PS STEP(&p, 0xc4, 0xe2, D256, 0x2e, 0x07)

Test(op_masked, vmaskmov_may_stand_before_a_hole)
{
    p.cpu->gpr[X86_RDI] = PROCESSOR_HOLE - 16;
    registers_make(4, 4, 0x0f);
    cr_assert_eq(STORE_PS, PROCESSOR_OK);
    cr_assert_arr_eq(p.data + (PROCESSOR_HOLE - PROCESSOR_DATA) - 16, p.cpu->vec[0].ymm, 16);
    cr_assert_eq(LOAD_PS, PROCESSOR_OK);
    cr_assert_eq(p.cpu->vec[0].ymm[16], 0);
    registers_make(4, 4, 0x1f);
    cr_assert_eq(STORE_PS, CPU_PF);
    cr_assert_eq(p.cpu->fault.address, PROCESSOR_HOLE);
    cr_assert_eq(LOAD_PS, CPU_PF);
    cr_assert_eq(p.cpu->vec[0].ymm[0], 0xa0, "a load that faults changes nothing");
}

Test(op_masked, maskmovdqu_does_what_the_host_does)
{
    for (unsigned chosen = 0; chosen < 256; chosen += 17) {
        registers_make(4, 1, chosen * 0x101);
        AS_THE_HOST(FEATURE_AVX, 3, 0x66, 0x0f, 0xf7, 0xc2);
        AS_THE_HOST(FEATURE_AVX, 4080, 0xc5, 0xf9, 0xf7, 0xc2);
    }
    registers_make(4, 1, 0);
    p.cpu->gpr[X86_RDI] = PROCESSOR_HOLE;
    cr_assert_eq(STEP(&p, 0x66, 0x0f, 0xf7, 0xc2), PROCESSOR_OK);
    registers_make(4, 1, 4);
    cr_assert_eq(STEP(&p, 0x66, 0x0f, 0xf7, 0xc2), CPU_PF);
    cr_assert_eq(p.cpu->fault.address, PROCESSOR_HOLE + 2);
}

#define MASKMOVQ STEP(&p, 0x0f, 0xf7, 0xc2) /* mm0 under mm2 */

static struct fpu_image *fx(void)
{
    return (struct fpu_image *)p.cpu->fx;
}

/* With the stack's top at 6, MMX registers 0 and 2 are ST2 and ST4. */
Test(op_masked, maskmovq_sees_physical_registers)
{
    static const uint8_t mask[8] = { 0x80, 0, 0x7f, 0xff, 0, 0x80, 0, 0x80 };

    fx()->fsw = 6u << 11;
    memcpy(fx()->st[2], "abcdefgh", 8);
    memcpy(fx()->st[4], mask, 8);
    memset(p.data, '.', 8);
    cr_assert_eq(MASKMOVQ, PROCESSOR_OK);
    cr_assert_arr_eq(p.data, "a..d.f.h", 8);
    cr_assert_eq(fx()->fsw, 0, "the top is 0");
    cr_assert_eq(fx()->ftw, 0xff, "all tags are valid");
    cr_assert_arr_eq(fx()->st[0], "abcdefgh", 8);
}

Test(op_masked, maskmovq_that_faults_leaves_the_stack)
{
    fx()->fsw = 6u << 11;
    memset(fx()->st[4], 0x80, 8);
    p.cpu->gpr[X86_RDI] = PROCESSOR_HOLE;
    cr_assert_eq(MASKMOVQ, CPU_PF);
    cr_assert_eq(fx()->fsw, 6u << 11);
    fx()->fcw = 0x037e;
    fx()->fsw = 0x8081;
    cr_assert_eq(MASKMOVQ, CPU_MF, "a pending exception comes first");
}
