#include <criterion/criterion.h>
#include <string.h>

#include "emu/x86/decode/table.h"
#include "emu/x86/decode/vendor.h"
#include "emu/x86/sys/reset.h"
#include "lib/x86/emu_rig.h"

static struct emu_rig r;

static void start(void)
{
    emu_rig_init(&r, 2);
}

static void finish(void)
{
    emu_rig_finish(&r);
}

TestSuite(reset, .init = start, .fini = finish);

Test(reset, begins_below_four_gigabytes_in_real_mode)
{
    const struct cpu *c = r.cpu;

    cr_assert_eq(c->seg[X86_CS].base + c->rip, 0xfffffff0);
    cr_assert_eq(c->seg[X86_CS].selector, 0xf000);
    cr_assert_eq(c->cr0, 0x60000010);
    cr_assert_eq(c->gpr[X86_RDX], cpuid_find(&r.cpu->cpuid, 1, 0)->eax, "the signature");
    cr_assert_eq(cpu_rflags(c), 2);
    cr_assert_eq(c->dr[6], 0xffff0ff0);
    cr_assert_eq(c->dr[7], 0x400);
    cr_assert_eq(c->xcr0, 1);
    cr_assert_eq(c->idt.limit, 0xffff);
    cr_assert_not(c->waiting_for_sipi);
    cr_assert(r.emu->cpus[1]->waiting_for_sipi);
}

/* What INIT leaves as it was (SDM 3A, table 9-1). */
Test(reset, init_keeps_vector_registers_and_msrs)
{
    struct cpu *c = r.cpu;

    c->cr0 = 0x80000011;
    c->cr4 = c->efer = 0x20;
    c->xcr0 = 7;
    c->pat = 1;
    c->lstar = 2;
    c->vec[3].ymm[0] = 4;
    c->fx[0] = 5;
    c->gpr[X86_RAX] = 6;
    cpu_reset(c, true);
    cr_assert_eq(c->cr0, 0x10, "CD and NW as they were");
    cr_assert(c->cr4 == 0 && c->efer == 0 && c->gpr[X86_RAX] == 0);
    cr_assert(c->xcr0 == 7 && c->pat == 1 && c->lstar == 2 && c->vec[3].ymm[0] == 4);
    cr_assert_eq(c->fx[0], 5);
    cpu_reset(c, false);
    cr_assert(c->xcr0 == 1 && c->lstar == 0 && c->vec[3].ymm[0] == 0 && c->fx[0] == 0x40);
}

static void call_it(const char *name)
{
    struct cpuid_entry *e = cpuid_find(&r.cpu->cpuid, 0, 0);

    memcpy(&e->ebx, name, 4);
    memcpy(&e->edx, name + 4, 4);
    memcpy(&e->ecx, name + 8, 4);
    cpu_features_update(r.cpu);
}

Test(reset, the_vendor_in_cpuid_decides_the_behaviour)
{
    call_it("AuthenticAMD");
    cr_assert(r.cpu->vendor->near_66);
    call_it("GenuineIntel");
    cr_assert_not(r.cpu->vendor->near_66);
    call_it("HygonGenuine");
    cr_assert(r.cpu->vendor->near_66);
    r.cpu->cpuid.count = 0;
    cpu_features_update(r.cpu);
    cr_assert_not(r.cpu->vendor->near_66, "without a vendor it is as Intel's");
}

Test(reset, features_are_those_that_cpuid_shows)
{
    cr_assert(cpu_offers(r.cpu, 0), "what needs no feature");
    cr_assert(cpu_offers(r.cpu, FEATURE_POPCNT));
    cpuid_find(&r.cpu->cpuid, 1, 0)->ecx &= ~(1u << 23);
    cpu_features_update(r.cpu);
    cr_assert_not(cpu_offers(r.cpu, FEATURE_POPCNT));
    r.cpu->cpuid.count = 0;
    cpu_features_update(r.cpu);
    cr_assert_eq(r.cpu->offered, 1);
}
