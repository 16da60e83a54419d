/* Which instructions a processor has, as a block is built of them. */
#include "emu/x86/block_build.h"

#include <criterion/criterion.h>

#include "emu/x86/decode/table.h"
#include "lib/x86/processor.h"

static struct processor p;

static void start(void)
{
    processor_init(&p, 64);
}

static void finish(void)
{
    processor_finish(&p);
}

TestSuite(block_build, .init = start, .fini = finish);

static void offer(enum table_feature feature, bool offered)
{
    if (offered)
        p.cpu->offered |= UINT64_C(1) << feature;
    else
        p.cpu->offered &= ~(UINT64_C(1) << feature);
}

#define VPADDD_XMM STEP(&p, 0xc5, 0xe9, 0xfe, 0xcb)
#define VPADDD_YMM STEP(&p, 0xc5, 0xed, 0xfe, 0xcb)
#define VADDPS_YMM STEP(&p, 0xc5, 0xec, 0x58, 0xcb)

/* The 256-bit forms of integer instructions came with AVX2, the others of these with AVX. A
 * processor without AVX2 would make SIGILL of them. */
Test(block_build, forms_of_256_bits_need_their_own_feature)
{
    int with = __builtin_cpu_supports("avx2") ? PROCESSOR_OK : CPU_UD;
    int without = __builtin_cpu_supports("avx") ? PROCESSOR_OK : CPU_UD;

    cr_assert_eq(VPADDD_YMM, with);
    offer(FEATURE_AVX2, false);
    cr_assert_eq(VPADDD_YMM, CPU_UD);
    cr_assert_eq(VPADDD_XMM, without);
    cr_assert_eq(VADDPS_YMM, without);
}
