#include "emu/x86/sys/cpuid.h"

#include <cpuid.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/x86/bits.h"
#include "emu/x86/apic/lapic.h"
#include "emu/x86/cpu/cpu.h"
#include "emu/x86/cpu/mode.h"
#include "emu/x86/decode/vendor.h"

#define BIT(n) (1u << (n))

#define APIC_ENABLE BIT(11)

static struct cpu c;
static struct lapic lapic;

static void start(void)
{
    struct err e;

    cr_assert_eq(emu_cpuid_offer(&c.cpuid, &e), 0);
    c.vendor = vendor_shown(&c.cpuid);
    c.mode = MODE_64;
    c.xcr0 = 1;
    lapic.base_msr = APIC_ENABLE;
    c.lapic = &lapic;
}

TestSuite(emu_cpuid, .init = start);

/* Executes the instruction. Returns what the guest gets. */
static struct cpuid_entry asked(uint32_t leaf, uint32_t subleaf)
{
    c.gpr[X86_RAX] = UINT64_C(0x1111111100000000) | leaf;
    c.gpr[X86_RCX] = UINT64_C(0x2222222200000000) | subleaf;
    c.gpr[X86_RBX] = c.gpr[X86_RDX] = UINT64_MAX;
    emu_cpuid(&c);
    for (unsigned i = X86_RAX; i <= X86_RBX; i++)
        cr_assert_eq(c.gpr[i] >> 32, 0, "leaf %#x", leaf);
    return (struct cpuid_entry){ .eax = (uint32_t)c.gpr[X86_RAX],
                                 .ebx = (uint32_t)c.gpr[X86_RBX],
                                 .ecx = (uint32_t)c.gpr[X86_RCX],
                                 .edx = (uint32_t)c.gpr[X86_RDX] };
}

static struct cpuid_entry hosts(uint32_t leaf)
{
    struct cpuid_entry h = { 0 };

    (void)__get_cpuid_count(leaf, 0, &h.eax, &h.ebx, &h.ecx, &h.edx);
    return h;
}

Test(emu_cpuid, the_vendor_and_the_name_are_the_hosts)
{
    struct cpuid_entry ours, host = hosts(0);
    struct err e;

    cr_assert_eq(unsetenv(VENDOR_SWITCH), 0);
    cr_assert_eq(emu_cpuid_offer(&c.cpuid, &e), 0);
    ours = asked(0, 0);

    cr_assert_eq(ours.eax, 0x16);
    cr_assert(ours.ebx == host.ebx && ours.ecx == host.ecx && ours.edx == host.edx);
    for (uint32_t leaf = 0x80000002; leaf <= 0x80000004; leaf++) {
        ours = asked(leaf, 0);
        host = hosts(leaf);
        cr_assert(ours.eax == host.eax && ours.ebx == host.ebx && ours.ecx == host.ecx &&
                  ours.edx == host.edx);
    }
    cr_assert_eq(asked(1, 0).eax, CPU_SIGNATURE);
}

/* What the host's units execute is shown where the host has it, and nowhere else. */
Test(emu_cpuid, vector_features_are_the_hosts)
{
    const uint32_t hosts_1 = BIT(0) | BIT(1) | BIT(9) | BIT(12) | BIT(19) | BIT(20) | BIT(23) |
                             BIT(25) | BIT(28) | BIT(29);
    const uint32_t hosts_7 = BIT(3) | BIT(5) | BIT(8) | BIT(29); /* BMI1 AVX2 BMI2 SHA */

    cr_assert_eq(asked(1, 0).ecx & hosts_1, hosts(1).ecx & hosts_1);
    cr_assert_eq(asked(7, 0).ebx & hosts_7, hosts(7).ebx & hosts_7);
}

Test(emu_cpuid, what_the_interpreter_does_itself_is_always_there)
{
    const uint32_t ours = BIT(13) | BIT(21) | BIT(22) | BIT(24) | BIT(31);

    cr_assert_eq(asked(1, 0).ecx & ours, ours, "CX16 X2APIC MOVBE TSC-deadline hypervisor");
    cr_assert_eq(~asked(1, 0).edx & (BIT(7) | BIT(14)), 0, "machine check, with no bank");
    cr_assert(asked(7, 0).ebx & BIT(20), "SMAP");
    cr_assert(asked(7, 0).ecx & BIT(2), "UMIP");
    cr_assert(asked(0x80000001, 0).edx & BIT(29), "long mode");
    cr_assert(asked(0x80000007, 0).edx & BIT(8), "invariant TSC");
    cr_assert_eq(asked(0x80000008, 0).eax, CPU_PHYSICAL_BITS | 48u << 8);
}

Test(emu_cpuid, what_it_cannot_do_is_hidden)
{
    cr_assert_eq(asked(1, 0).ecx & (BIT(3) | BIT(5) | BIT(6)), 0, "MONITOR VMX SMX");
    cr_assert_eq(asked(7, 0).ebx & (BIT(16) | BIT(2)), 0, "AVX-512 SGX");
    cr_assert_eq(asked(7, 0).ecx & (BIT(3) | BIT(9)), 0, "PKU VAES");
    cr_assert_eq(asked(0x80000001, 0).ecx & (BIT(2) | BIT(6)), 0, "SVM SSE4A");
    cr_assert_eq(asked(0xa, 0).eax, 0, "performance counters");
}

Test(emu_cpuid, it_calls_itself_kvm)
{
    struct cpuid_entry e = asked(0x40000000, 0);
    char name[13] = "";

    memcpy(name, &e.ebx, 4);
    memcpy(name + 4, &e.ecx, 4);
    memcpy(name + 8, &e.edx, 4);
    cr_assert_str_eq(name, "KVMKVMKVM");
    cr_assert_eq(e.eax, 0x40000001);
    cr_assert(asked(0x40000001, 0).eax & BIT(3), "kvmclock, by its newer registers");
}

Test(emu_cpuid, osxsave_is_what_cr4_says)
{
    cr_assert_eq(asked(1, 0).ecx & BIT(27), 0);
    c.cr4 = X86_CR4_OSXSAVE;
    cr_assert(asked(1, 0).ecx & BIT(27));
}

Test(emu_cpuid, the_xsave_area_has_the_size_of_what_is_enabled)
{
    uint64_t can = emu_cpuid_xcr0();
    struct cpuid_entry e = asked(0xd, 0);

    cr_assert_eq(can & 3, 3);
    cr_assert_eq(e.eax, can);
    cr_assert_eq(e.ebx, 576);
    cr_assert_eq(e.ecx, can & 4 ? 832 : 576);
    c.xcr0 = can;
    cr_assert_eq(asked(0xd, 0).ebx, e.ecx);
    cr_assert_eq(asked(0xd, 1).ebx, e.ecx);
    cr_assert_eq(asked(0xd, 2).eax, can & 4 ? 256 : 0);
    cr_assert_eq(asked(0xd, 2).ebx, can & 4 ? 576 : 0);
}

Test(emu_cpuid, the_switch_says_who_it_is)
{
    struct err e;

    cr_assert_eq(setenv(VENDOR_SWITCH, "amd:0x19", 1), 0);
    start();
    cr_assert_eq(asked(0, 0).ecx, 0x444d4163, "cAMD");
    cr_assert_eq(asked(1, 0).eax, 0x00a00ff0);
    cr_assert_eq(asked(0x80000000, 0).eax, 0x80000021);
    cr_assert_eq(asked(0x80000021, 0).eax, BIT(6));
    cr_assert_eq(setenv(VENDOR_SWITCH, "intel", 1), 0);
    start();
    cr_assert_eq(asked(0, 0).ecx, 0x6c65746e, "ntel");
    cr_assert_eq(asked(1, 0).eax, CPU_SIGNATURE);
    cr_assert_eq(asked(0x80000000, 0).eax, 0x80000008);
    cr_assert_eq(setenv(VENDOR_SWITCH, "cyrix", 1), 0);
    cr_assert_eq(emu_cpuid_offer(&c.cpuid, &e), -EINVAL);
}

Test(emu_cpuid, leaves_that_do_not_exist_are_zero_or_the_highest)
{
    static const uint32_t none[] = { 0x1000, 0x20000000, 0x40000100, 0x80000022, UINT32_MAX };

    const struct cpuid_machine machine = { .vcpu_count = 1, .tsc_khz = 2000000 };
    struct cpuid_entry highest = { 0 };
    struct err e;

    cr_assert_eq(cpuid_shape(&c.cpuid, &machine, &e), 0);
    if (c.vendor->cpuid_last)
        highest = asked(asked(0, 0).eax, 0);
    cr_assert_eq(highest.eax != 0, c.vendor->cpuid_last);
    for (unsigned i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        struct cpuid_entry got = asked(none[i], 0);

        cr_assert(memcmp(&got, &highest, sizeof(got)) == 0, "leaf %#x", none[i]);
    }
    cr_assert_eq(asked(7, 5).ebx, 0, "nor a subleaf");
}

/* A processor whose local APIC is disabled shows none. */
Test(emu_cpuid, the_apic_is_there_while_it_is_enabled)
{
    cr_assert(asked(1, 0).edx & BIT(9));
    lapic.base_msr = 0;
    cr_assert_not(asked(1, 0).edx & BIT(9));
}

/* With x2APIC comes leaf 0xb (SDM 3A, 11.12.8): levels, and in each subleaf the processor's id. */
Test(emu_cpuid, topology_names_each_processor)
{
    struct cpuid_machine shape = { .vcpu_count = 6, .vcpu = 5, .tsc_khz = 2000000 };
    struct cpuid_entry level;
    struct err e;

    c.accel.id = 5;
    cr_assert_eq(cpuid_shape(&c.cpuid, &shape, &e), 0);
    level = asked(0xb, 0);
    cr_assert(level.eax == 0 && level.ebx == 1 && level.ecx == 0x100 && level.edx == 5);
    level = asked(0xb, 1);
    cr_assert(level.eax == 3 && level.ebx == 6 && level.ecx == 0x201 && level.edx == 5);
    for (uint32_t subleaf = 2; subleaf < 5; subleaf++) {
        level = asked(0xb, subleaf);
        cr_assert(level.eax == 0 && level.ebx == 0 && level.ecx == subleaf && level.edx == 5);
    }
}

Test(emu_cpuid, syscall_is_shown_in_the_modes_that_have_it)
{
    cr_assert(asked(0x80000001, 0).edx & BIT(11));
    c.mode = 0;
    cr_assert_eq(!!(asked(0x80000001, 0).edx & BIT(11)), c.vendor->syscall_32);
}
