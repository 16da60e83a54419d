/* Hypercalls: both instructions, in all modes and rings, and what each call answers. */
#include "emu/x86/sys/hypercall.h"

#include <criterion/criterion.h>
#include <string.h>
#include <time.h>

#include "core/x86/bits.h"
#include "emu/x86/cpu/descriptor.h"
#include "emu/x86/cpu/mode.h"
#include "emu/x86/time/tsc.h"
#include "lib/x86/emu_rig.h"

#define DATA 0x6000u

#define EPERM_      (-1)
#define EFAULT_     (-14)
#define EOPNOTSUPP_ (-95)
#define ENOSYS_     (-1000)

#define CLOCK_PAIRING 9u

static struct emu_rig r;
static struct cpu *c;

static void start(void)
{
    emu_rig_init(&r, 1);
    emu_rig_long_mode(&r);
    c = r.cpu;
}

static void finish(void)
{
    emu_rig_finish(&r);
}

TestSuite(hypercall, .init = start, .fini = finish);

/* Executes 0f 01 `last`: c1 is VMCALL, d9 is VMMCALL. */
static int64_t call_by(uint8_t last, uint64_t number, uint64_t a0, uint64_t a1)
{
    const uint8_t code[] = { 0x0f, 0x01, last };

    emu_rig_write(&r, EMU_RIG_CODE, code, sizeof(code));
    c->rip = EMU_RIG_CODE;
    c->gpr[X86_RAX] = number;
    c->gpr[X86_RBX] = a0;
    c->gpr[X86_RCX] = a1;
    cr_assert(emu_rig_step(&r), "no fault");
    cr_assert_eq(c->rip, EMU_RIG_CODE + 3);
    return (int64_t)c->gpr[X86_RAX];
}

static int64_t call(uint64_t number, uint64_t a0, uint64_t a1)
{
    int64_t answer = call_by(0xc1, number, a0, a1);

    cr_assert_eq(call_by(0xd9, number, a0, a1), answer, "VMMCALL is the same");
    return answer;
}

/* Call 1 always exists; call 9 is tested below. Calls of features that CPUID does not show, and
 * unknown ones, do not exist. */
Test(hypercall, numbers)
{
    cr_assert_eq(call(1, 0, 0), 0);
    for (uint64_t n = 0; n < 32; n++)
        if (n != 1 && n != CLOCK_PAIRING)
            cr_assert_eq(call(n, DATA, 0), ENOSYS_, "%d", (int)n);
    cr_assert_eq(call(UINT64_C(1) << 32 | 1, 0, 0), ENOSYS_);
    cr_assert_eq(call(UINT64_MAX, 0, 0), ENOSYS_);
}

Test(hypercall, other_rings_may_not)
{
    *emu_rig_entry(&r, 0, 2) |= X86_PTE_US;
    emu_rig_user(&r);
    cr_assert_eq(call(1, 0, 0), EPERM_);
    cr_assert_eq(call(CLOCK_PAIRING, DATA, 0), EPERM_);
    cr_assert_eq(emu_rig_read64(&r, DATA), 0);
}

Test(hypercall, outside_64_bit_mode_all_is_32_bits_wide)
{
    c->seg[X86_CS].access = X86_ACCESS_CODE32;
    cpu_mode_update(c);
    cr_assert_eq(call(UINT64_C(1) << 32 | 1, 0, 0), 0);
    cr_assert_eq(call(2, 0, 0), (uint32_t)ENOSYS_);
    cr_assert_eq(call(CLOCK_PAIRING, UINT64_C(1) << 32 | DATA, UINT64_C(1) << 32), 0);
    cr_assert_neq(emu_rig_read64(&r, DATA), 0);
}

Test(hypercall, clocks_are_paired)
{
    struct timespec before, after;
    uint64_t first, last, tsc;
    uint64_t left[9];

    emu_rig_write(&r, DATA + 64, "untouched", 9);
    memset(emu_rig_at(&r, DATA), 0xff, 64);
    (void)clock_gettime(CLOCK_REALTIME, &before);
    first = tsc_guest(c);
    cr_assert_eq(call_by(0xc1, CLOCK_PAIRING, DATA, 0), 0);
    last = tsc_guest(c);
    (void)clock_gettime(CLOCK_REALTIME, &after);
    memcpy(left, emu_rig_at(&r, DATA), sizeof(left));
    tsc = left[2];
    cr_assert(left[0] >= (uint64_t)before.tv_sec && left[0] <= (uint64_t)after.tv_sec);
    cr_assert_lt(left[1], 1000000000);
    cr_assert(tsc >= first && tsc <= last);
    for (unsigned i = 3; i < 8; i++)
        cr_assert_eq(left[i], 0, "flags and padding");
    cr_assert_eq(memcmp(&left[8], "untouche", 8), 0);
}

Test(hypercall, clocks_are_not_paired_elsewhere)
{
    cr_assert_eq(call(CLOCK_PAIRING, DATA, 1), EOPNOTSUPP_, "a clock other than the wall clock");
    cr_assert_eq(call(CLOCK_PAIRING, EMU_RIG_RAM - 63, 0), EFAULT_, "across the end of RAM");
    cr_assert_eq(call(CLOCK_PAIRING, UINT64_MAX - 8, 0), EFAULT_);
    cr_assert_eq(call(CLOCK_PAIRING, EMU_RIG_MMIO, 0), EFAULT_);
}
