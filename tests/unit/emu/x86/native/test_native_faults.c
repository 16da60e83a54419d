#include <criterion/criterion.h>
#include <string.h>

#include "emu/x86/cpu/fpu.h"
#include "emu/x86/decode/row.h"
#include "emu/x86/decode/vendor.h"
#include "lib/x86/processor.h"

#define FSW_TOP3 (3u << 11)
#define FSW_B_ES 0x8080u
#define FCW_IM   0x1u

#define FSTP_M64   STEP(&p, 0xdd, 0x1f)
#define MOVQ_STORE STEP(&p, 0x0f, 0x7f, 0x07)
#define VCVTPS2PH  STEP(&p, 0xc4, 0xe3, 0x79, 0x1d, 0x07, 0x04)

static struct processor p;

static void start(void)
{
    processor_init(&p, 64);
    p.cpu->gpr[X86_RDI] = PROCESSOR_HOLE;
}

static void finish(void)
{
    processor_finish(&p);
}

TestSuite(native_faults, .init = start, .fini = finish);

static struct fpu_image *fx(void)
{
    return (struct fpu_image *)p.cpu->fx;
}

static void x87_set(uint16_t fcw, uint16_t fsw, uint8_t ftw)
{
    fx()->fcw = fcw;
    fx()->fsw = fsw;
    fx()->ftw = ftw;
    for (unsigned i = 0; i < 8; i++) /* 1.0 times a power of two */
        memcpy(fx()->st[i], (uint8_t[10]){ 0, 0, 0, 0, 0, 0, 0, 0x80, (uint8_t)(0xf0 + i), 0x3f },
               10);
}

/* An empty register is an invalid operation. */
Test(native_faults, intels_x87_store_that_stores_nothing_needs_no_operand)
{
    p.cpu->vendor = vendor_of("GenuineIntel", 6);
    x87_set(FPU_FCW_RESET & ~FCW_IM, FSW_TOP3, 0);
    cr_assert_eq(FSTP_M64, PROCESSOR_OK);
    cr_assert_eq(fx()->fsw & (FSW_B_ES | 1), FSW_B_ES | 1);
    cr_assert_eq(fx()->fsw & 7u << 11, FSW_TOP3, "nothing is popped");
}

Test(native_faults, amds_x87_store_needs_its_operand)
{
    p.cpu->vendor = vendor_of("AuthenticAMD", 6);
    x87_set(FPU_FCW_RESET & ~FCW_IM, FSW_TOP3, 0);
    cr_assert_eq(FSTP_M64, CPU_PF);
    cr_assert_eq(fx()->fsw, FSW_TOP3);
}

Test(native_faults, an_x87_store_that_stores_faults_and_changes_nothing)
{
    for (unsigned amd = 0; amd < 2; amd++) {
        p.cpu->vendor = vendor_of(amd ? "AuthenticAMD" : "GenuineIntel", 6);
        x87_set(FPU_FCW_RESET & ~FCW_IM, FSW_TOP3, 0xff);
        cr_assert_eq(FSTP_M64, CPU_PF);
        cr_assert_eq(p.cpu->fault.address, PROCESSOR_HOLE);
        cr_assert_eq(fx()->fsw, FSW_TOP3);
        cr_assert_eq(fx()->ftw, 0xff);
    }
}

/* MM0 to MM7 stay what they were, whatever the stack calls them. */
Test(native_faults, intels_mmx_store_that_faults_has_cleared_the_top)
{
    p.cpu->vendor = vendor_of("GenuineIntel", 6);
    x87_set(FPU_FCW_RESET, FSW_TOP3, 0x12);
    cr_assert_eq(MOVQ_STORE, CPU_PF);
    cr_assert_eq(fx()->fsw, 0);
    cr_assert_eq(fx()->ftw, 0x12);
    cr_assert_eq(fx()->st[0][8], 0xf0 + 5, "register 0 was five below the top");
}

Test(native_faults, amds_mmx_store_that_faults_changes_nothing)
{
    p.cpu->vendor = vendor_of("AuthenticAMD", 6);
    x87_set(FPU_FCW_RESET, FSW_TOP3, 0x12);
    cr_assert_eq(MOVQ_STORE, CPU_PF);
    cr_assert_eq(fx()->fsw, FSW_TOP3);
}

Test(native_faults, intels_conversion_that_faults_has_told_mxcsr)
{
    const uint32_t third = 0x3eaaaaab;

    if (!cpu_offers(p.cpu, FEATURE_F16C)) {
        cr_assert_eq(VCVTPS2PH, CPU_UD);
        return;
    }
    for (unsigned amd = 0; amd < 2; amd++) {
        p.cpu->vendor = vendor_of(amd ? "AuthenticAMD" : "GenuineIntel", 6);
        fx()->mxcsr = FPU_MXCSR_RESET;
        memcpy(p.cpu->vec[0].ymm, &third, sizeof(third));
        cr_assert_eq(VCVTPS2PH, CPU_PF);
        cr_assert_eq(fx()->mxcsr, FPU_MXCSR_RESET | (amd ? 0 : 0x20));
    }
}

Test(native_faults, pause_is_exchange_by_rex_on_amd_alone)
{
    for (unsigned amd = 0; amd < 2; amd++) {
        p.cpu->vendor = vendor_of(amd ? "AuthenticAMD" : "GenuineIntel", 6);
        p.cpu->gpr[X86_RAX] = 1;
        p.cpu->gpr[8] = 2;
        /* A block is built only once, so each vendor gets bytes of its own. */
        cr_assert_eq(amd ? STEP(&p, 0xf3, 0x41, 0x90) : STEP(&p, 0xf3, 0x49, 0x90), PROCESSOR_OK);
        cr_assert_eq(p.cpu->gpr[X86_RAX], amd ? 2 : 1);
    }
}
