/* Model-specific registers: what is kept, what is refused, what follows. */
#include "emu/x86/sys/msr.h"

#include <criterion/criterion.h>

#include "core/x86/bits.h"
#include "emu/x86/cpu/mode.h"
#include "emu/x86/decode/vendor.h"
#include "emu/x86/time/tsc.h"
#include "lib/x86/emu_rig.h"

enum {
    TSC = 0x10,
    TSC_ADJUST = 0x3b,
    SYSENTER_CS = 0x174,
    SYSENTER_ESP = 0x175,
    SYSENTER_EIP = 0x176,
    MISC_ENABLE = 0x1a0,
    PAT = 0x277,
    MTRR_DEF_TYPE = 0x2ff,
    X2APIC_ID = 0x802,
    EFER = (int)0xc0000080,
    STAR,
    LSTAR,
    CSTAR,
    FMASK,
    FS_BASE = (int)0xc0000100,
    GS_BASE,
    KERNEL_GS_BASE,
    TSC_AUX,
};

static struct emu_rig rig;
static struct cpu *c;

static void set_up(void)
{
    emu_rig_init(&rig, 1);
    emu_rig_long_mode(&rig);
    c = rig.cpu;
    c->vendor = vendor_of("GenuineIntel", 6);
}

static void tear_down(void)
{
    emu_rig_finish(&rig);
}

TestSuite(msr, .init = set_up, .fini = tear_down);

static uint64_t get(uint32_t msr)
{
    uint64_t value = 0;

    cr_assert(msr_read(c, msr, &value), "%#x", msr);
    return value;
}

static void keeps(uint32_t msr, uint64_t value)
{
    cr_assert(msr_write(c, msr, value), "%#x", msr);
    cr_assert_eq(get(msr), value, "%#x", msr);
}

static void expect_gp(bool done)
{
    cr_assert(!done);
    cr_assert_eq(c->leave, CPU_FAULT);
    cr_assert_eq(c->fault.vector, CPU_GP);
    cr_assert(c->fault.has_error);
    cr_assert_eq(c->fault.error, 0);
    c->leave = CPU_ON;
}

static void refuses(uint32_t msr, uint64_t value)
{
    uint64_t before = get(msr);

    expect_gp(msr_write(c, msr, value));
    cr_assert_eq(get(msr), before, "%#x", msr);
}

Test(msr, plain_registers_keep_anything)
{
    keeps(STAR, UINT64_MAX);
    keeps(FMASK, 0x12345);
    keeps(SYSENTER_CS, 0x10);
    keeps(MISC_ENABLE, 0x801);
}

Test(msr, addresses_must_be_canonical)
{
    static const uint32_t addresses[] = { LSTAR,   CSTAR,   SYSENTER_ESP,  SYSENTER_EIP,
                                          FS_BASE, GS_BASE, KERNEL_GS_BASE };

    for (unsigned i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        keeps(addresses[i], UINT64_C(0xffff800000000000));
        keeps(addresses[i], UINT64_C(0x00007fffffffffff));
        refuses(addresses[i], UINT64_C(0x0000800000000000));
    }
}

Test(msr, segment_bases_reach_the_addresses)
{
    keeps(FS_BASE, 0x1234);
    keeps(GS_BASE, 0x5678);
    cr_assert_eq(c->gpr[CPU_FS_BASE], 0x1234);
    cr_assert_eq(c->gpr[CPU_GS_BASE], 0x5678);
}

Test(msr, efer_has_its_bits)
{
    uint64_t before = get(EFER);

    refuses(EFER, before ^ X86_EFER_LME);
    refuses(EFER, before | 1u << 12);
    cr_assert(msr_write(c, EFER, before & ~(uint64_t)X86_EFER_LMA));
    cr_assert_eq(get(EFER), before, "LMA follows from paging alone");
    keeps(EFER, before & ~UINT64_C(1));
}

Test(msr, efer_lme_is_free_without_paging)
{
    c->efer = 0;
    c->cr0 &= ~X86_CR0_PG;
    keeps(EFER, X86_EFER_LME);
    keeps(EFER, 0);
}

Test(msr, pat_has_memory_types)
{
    keeps(PAT, UINT64_C(0x0706050401000406));
    refuses(PAT, 2);
    refuses(PAT, UINT64_C(3) << 56);
    refuses(PAT, UINT64_C(8) << 8);
}

Test(msr, time_stamp_counter_moves_with_its_offset)
{
    uint64_t far = UINT64_C(1) << 60;
    uint64_t offset = c->tsc_offset;

    cr_assert(msr_write(c, TSC, far));
    cr_assert_geq(get(TSC), far);
    cr_assert_lt(get(TSC) - far, far);
    cr_assert_eq(get(TSC_ADJUST), c->tsc_offset - offset);
}

Test(msr, tsc_adjust_moves_the_counter)
{
    uint64_t offset = c->tsc_offset;

    keeps(TSC_ADJUST, 1000);
    cr_assert_eq(c->tsc_offset, offset + 1000);
    keeps(TSC_ADJUST, 400);
    cr_assert_eq(c->tsc_offset, offset + 400);
    cr_assert(msr_write(c, TSC_ADJUST, 0));
    cr_assert_eq(c->tsc_offset, offset);
}

Test(msr, tsc_aux_has_32_bits)
{
    keeps(TSC_AUX, 0xffffffff);
    refuses(TSC_AUX, UINT64_C(1) << 32);
}

Test(msr, constants_do_not_change)
{
    static const struct {
        uint32_t msr;
        uint64_t value;
    } constants[] = {
        { 0xfe, 0 },  { MTRR_DEF_TYPE, 0xc06 }, { 0x8b, 0 },       { 0x179, 0 },
        { 0x17a, 0 }, { 0xc0010015, 1u << 24 }, { 0xc0011029, 2 }, { 0xc0010010, 0 },
    };

    c->vendor = vendor_of("AuthenticAMD", 0x19);
    for (unsigned i = 0; i < sizeof(constants) / sizeof(constants[0]); i++)
        cr_assert_eq(get(constants[i].msr), constants[i].value, "%#x", constants[i].msr);
    cr_assert(msr_write(c, 0x8b, 0));
    cr_assert(msr_write(c, 0xc0010020, 0x1000));
    refuses(0xfe, 1);
}

/* Four selectors and four counters. RDPMC reads the counters too. */
Test(msr, amds_counters_stand_still)
{
    uint64_t value = 1;

    for (uint32_t msr = 0xc0010000; msr < 0xc0010008; msr++) {
        expect_gp(msr_read(c, msr, &value));
        expect_gp(msr_write(c, msr, 0));
    }
    expect_gp(msr_counter_read(c, 0, &value));
    c->vendor = vendor_of("AuthenticAMD", 0x19);
    for (uint32_t msr = 0xc0010000; msr < 0xc0010008; msr++) {
        cr_assert(msr_write(c, msr, UINT64_MAX));
        cr_assert_eq(get(msr), 0);
    }
    for (uint32_t n = 0; n < 4; n++)
        cr_assert(msr_counter_read(c, n, &value) && value == 0);
    expect_gp(msr_counter_read(c, 4, &value));
    expect_gp(msr_read(c, 0xc0010008, &value));
    expect_gp(msr_read(c, 0xc0010200, &value));
}

static bool rdpmc(void)
{
    emu_rig_write(&rig, EMU_RIG_CODE, (uint8_t[]){ 0x0f, 0x33 }, 2);
    c->rip = EMU_RIG_CODE;
    c->gpr[X86_RAX] = c->gpr[X86_RDX] = UINT64_MAX;
    c->gpr[X86_RCX] = 3;
    return emu_rig_step(&rig) && c->gpr[X86_RAX] == 0 && c->gpr[X86_RDX] == 0;
}

Test(msr, counters_are_the_users_where_cr4_says_so)
{
    c->vendor = vendor_of("AuthenticAMD", 0x19);
    *emu_rig_entry(&rig, 0, 2) |= X86_PTE_US;
    cr_assert(rdpmc());
    emu_rig_user(&rig);
    expect_gp(rdpmc());
    cr_assert(control_write(c, 4, c->cr4 | 1u << 8));
    cr_assert(rdpmc());
    c->vendor = vendor_of("GenuineIntel", 6);
    expect_gp(rdpmc());
}

Test(msr, unknown_ones_are_gp)
{
    static const uint32_t unknown[] = { 0, 0x1234, 0x4b564d02, 0xc0000105, 0xc0010299, 0xffffffff };
    uint64_t value;

    for (unsigned i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        expect_gp(msr_read(c, unknown[i], &value));
        expect_gp(msr_write(c, unknown[i], 0));
    }
}

Test(msr, x2apic_registers_need_its_mode)
{
    uint64_t value;

    expect_gp(msr_read(c, X2APIC_ID, &value));
    cr_assert(msr_write(c, 0x1b, get(0x1b) | 0x400));
    cr_assert_eq(get(X2APIC_ID), 0);
    expect_gp(msr_write(c, X2APIC_ID, 1));
}

Test(msr, paravirtual_clock_fills_its_page)
{
    struct {
        uint32_t version, pad;
        uint64_t tsc_timestamp, system_time;
        uint32_t mul;
        int8_t shift;
        uint8_t flags;
    } time;

    keeps(0x4b564d01, 0x6001);
    cr_assert(mem_read(&rig.mem, 0x6000, &time, sizeof(time)));
    cr_assert_eq(time.version % 2, 0);
    cr_assert_neq(time.version, 0);
    cr_assert_neq(time.mul, 0);
    cr_assert_eq(time.flags & 1, 1, "stable between processors");
    keeps(0x4b564d01, 0);
}

Test(msr, paravirtual_clock_outside_ram_is_harmless)
{
    (void)msr_write(c, 0x4b564d01, UINT64_C(0x300000001));
    (void)msr_write(c, 0x4b564d00, UINT64_C(0x300000000));
    (void)msr_write(c, 0x4b564d01, EMU_RIG_RAM - 8 + 1);
}
