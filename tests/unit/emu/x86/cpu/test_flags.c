/* The arithmetic flags: the kept word, RFLAGS and the sixteen conditions. */
#include "emu/x86/cpu/flags.h"

#include <criterion/criterion.h>

#define CF 0x001u
#define PF 0x004u
#define AF 0x010u
#define ZF 0x040u
#define SF 0x080u
#define OF 0x800u

/* Every combination of the six flags, as RFLAGS has them. */
static uint64_t combination(unsigned n)
{
    static const uint64_t bits[] = { CF, PF, AF, ZF, SF, OF };
    uint64_t rflags = 0;

    for (unsigned i = 0; i < 6; i++)
        if (n >> i & 1u)
            rflags |= bits[i];
    return rflags;
}

Test(flags, survive_the_way_there_and_back)
{
    for (unsigned n = 0; n < 64; n++) {
        uint64_t rflags = combination(n);

        cr_assert_eq(flags_to_rflags(flags_from_rflags(rflags)), rflags);
    }
}

Test(flags, hold_nothing_but_arithmetic)
{
    cr_assert_eq(flags_from_rflags(~(uint64_t)RFLAGS_ARITH), 0);
    cr_assert_eq(flags_from_rflags(~UINT64_C(0)), FLAGS_ALL);
    cr_assert_eq(flags_to_rflags((flags_t)~0u), RFLAGS_ARITH);
}

Test(flags, have_one_bit_each)
{
    cr_assert_eq(flags_to_rflags(FLAGS_CF), CF);
    cr_assert_eq(flags_to_rflags(FLAGS_PF), PF);
    cr_assert_eq(flags_to_rflags(FLAGS_AF), AF);
    cr_assert_eq(flags_to_rflags(FLAGS_ZF), ZF);
    cr_assert_eq(flags_to_rflags(FLAGS_SF), SF);
    cr_assert_eq(flags_to_rflags(FLAGS_OF), OF);
}

/* SDM 1, table B-1, the even conditions. */
static bool condition(uint64_t f, unsigned pair)
{
    bool less = !(f & SF) != !(f & OF);

    switch (pair) {
    case 0:
        return f & OF;
    case 1:
        return f & CF;
    case 2:
        return f & ZF;
    case 3:
        return f & (CF | ZF);
    case 4:
        return f & SF;
    case 5:
        return f & PF;
    case 6:
        return less;
    default:
        return less || (f & ZF);
    }
}

Test(flags, meet_the_conditions_of_the_manual)
{
    for (unsigned n = 0; n < 64; n++) {
        uint64_t rflags = combination(n);
        flags_t f = flags_from_rflags(rflags);

        for (unsigned cc = 0; cc < 16; cc++)
            cr_assert_eq(flags_meet(f, cc), condition(rflags, cc / 2) != (cc & 1u),
                         "condition %u of flags %#llx", cc, (unsigned long long)rflags);
    }
}

/* The word is what LAHF and SETO leave in AX. */
Test(flags, are_as_the_host_stores_them)
{
    for (unsigned n = 0; n < 64; n++) {
        uint64_t rflags = combination(n);
        uint16_t ax;

        __asm__ volatile("push %1\n\tpopf\n\tlahf\n\tseto %%al"
                         : "=a"(ax)
                         : "r"(rflags)
                         : "cc", "memory");
        cr_assert_eq((flags_t)(ax & FLAGS_ALL), flags_from_rflags(rflags));
    }
}
