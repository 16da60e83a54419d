/* CPUID shaping on two offers: an Intel server part with everything, and an AMD one. */
#include "core/x86/cpuid.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <criterion/criterion.h>

#include "core/base/err.h"

#define BIT(n) (1u << (n))

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* leaf, subleaf, has_subleaf, eax, ebx, ecx, edx. Features are all ones where only the edit
 * matters. */
static const struct cpuid_entry intel[] = {
    { 0x0, 0, 0, 0x20, 0x756e6547, 0x6c65746e, 0x49656e69 },
    { 0x1, 0, 0, 0x806f8, 0x07400800, 0xffffffff, 0xffffffff },
    { 0x2, 0, 0, 0x00feff01, 0xf0, 0, 0 },
    { 0x4, 0, 1, 0xfc004121, 0x02c0003f, 0x3f, 0 },
    { 0x4, 1, 1, 0xfc004122, 0x01c0003f, 0x3f, 0 },
    { 0x4, 2, 1, 0xfc004143, 0x03c0003f, 0x7ff, 0 },
    { 0x4, 3, 1, 0xfc1fc163, 0x0380003f, 0x1bfff, 4 },
    { 0x4, 4, 1, 0, 0, 0, 0 },
    { 0x5, 0, 0, 0x40, 0x40, 3, 0x2020 },
    { 0x6, 0, 0, 0xffffffff, 2, 9, 1 },
    { 0x7, 0, 1, 2, 0xffffffff, 0xffffffff, 0xffffffff },
    { 0x7, 1, 1, 0xffffffff, 0, 0, 0xffffffff },
    { 0x7, 2, 1, 0, 0, 0, 0x1f },
    { 0xa, 0, 0, 0x07300404, 0, 0, 0x603 },
    { 0xb, 0, 1, 1, 2, 0x100, 0x41 },
    { 0xb, 1, 1, 6, 64, 0x201, 0x41 },
    { 0xd, 0, 1, 0x602e7, 0x2b00, 0x2b00, 0 },
    { 0xd, 1, 1, 0x1f, 0x2b00, 0xffffffff, 0xffffffff },
    { 0xd, 2, 1, 0x100, 0x240, 0, 0 },
    { 0xd, 5, 1, 0x40, 0x440, 0, 0 },
    { 0xd, 6, 1, 0x200, 0x480, 0, 0 },
    { 0xd, 7, 1, 0x400, 0x680, 0, 0 },
    { 0xd, 9, 1, 0x8, 0xa80, 0, 0 },
    { 0xd, 17, 1, 0x40, 0xac0, 2, 0 },
    { 0xd, 18, 1, 0x2000, 0xb00, 6, 0 },
    { 0x12, 0, 1, 1, 0, 0, 0x241f },
    { 0x14, 0, 1, 1, 0xf, 7, 0 },
    { 0x1d, 0, 1, 1, 0, 0, 0 },
    { 0x1e, 0, 1, 0, 0x4010, 0, 0 },
    { 0x1f, 0, 1, 1, 2, 0x100, 0x41 },
    { 0x1f, 1, 1, 6, 64, 0x201, 0x41 },
    { 0x20, 0, 1, 0, 1, 0, 0 },
    { 0x40000000, 0, 0, 0x40000001, 0x4b4d564b, 0x564b4d56, 0x4d },
    { 0x40000001, 0, 0, 0x01007efb, 0, 0, 0 },
    { 0x80000000, 0, 0, 0x80000008, 0, 0, 0 },
    { 0x80000001, 0, 0, 0, 0, 0x121, 0x2c100800 },
    { 0x80000007, 0, 0, 0, 0, 0, 0xffffffff },
    { 0x80000008, 0, 0, 0x3934, 0x200, 0, 0 },
};

static const struct cpuid_entry amd[] = {
    { 0x0, 0, 0, 0x10, 0x68747541, 0x444d4163, 0x69746e65 },
    { 0x1, 0, 0, 0xa00f11, 0x03400800, 0xffffffff, 0xffffffff },
    { 0x6, 0, 0, 4, 0, 1, 0 },
    { 0x7, 0, 1, 0, 0x219c97a9, 0x40069c, 0x10 },
    { 0xb, 0, 1, 1, 2, 0x100, 3 },
    { 0xb, 1, 1, 7, 128, 0x201, 3 },
    { 0xd, 0, 1, 0x207, 0x240, 0x988, 0 },
    { 0xd, 1, 1, 0xf, 0x240, 0x1800, 0 },
    { 0xd, 2, 1, 0x100, 0x240, 0, 0 },
    { 0xd, 9, 1, 0x8, 0x980, 0, 0 },
    { 0x10, 0, 1, 0, 2, 0, 0 },
    { 0x40000000, 0, 0, 0x40000001, 0x4b4d564b, 0x564b4d56, 0x4d },
    { 0x40000001, 0, 0, 0x01007efb, 0, 0, 0 },
    { 0x80000000, 0, 0, 0x80000023, 0x68747541, 0x444d4163, 0x69746e65 },
    { 0x80000001, 0, 0, 0xa00f11, 0x40000000, 0xffffffff, 0x2fd3fbff },
    { 0x80000002, 0, 0, 0x20444d41, 0x43595045, 0, 0 },
    { 0x80000005, 0, 0, 0xff40ff40, 0xff40ff40, 0x20080140, 0x20080140 },
    { 0x80000008, 0, 0, 0x3030, 0x0111b200, 0x707f, 0x10007 },
    { 0x8000000a, 0, 0, 1, 8, 0, 0x119b },
    { 0x8000001d, 0, 1, 0x4121, 0x1c0003f, 0x3f, 0 },
    { 0x8000001d, 2, 1, 0x4143, 0x1c0003f, 0x3ff, 0 },
    { 0x8000001d, 3, 1, 0x3c163, 0x3c0003f, 0x7fff, 1 },
    { 0x8000001d, 4, 1, 0, 0, 0, 0 },
    { 0x8000001e, 0, 0, 0, 0, 0, 0 },
    { 0x8000001f, 0, 0, 0x1780f, 0x173, 0x1fd, 1 },
    { 0x80000021, 0, 0, 0x4d, 0, 0, 0 },
    { 0x80000022, 0, 0, 7, 0, 0, 0 },
};

static struct cpuid_table table;

static void offer(const struct cpuid_entry *entries, size_t count)
{
    memset(&table, 0, sizeof(table));
    memcpy(table.entries, entries, count * sizeof(entries[0]));
    table.count = (unsigned)count;
}

static void shape(const struct cpuid_entry *entries, size_t count, struct cpuid_machine m)
{
    struct err e;

    offer(entries, count);
    cr_assert_eq(cpuid_shape(&table, &m, &e), 0);
}

#define SHAPE(offered, ...) shape(offered, COUNT(offered), (struct cpuid_machine){ __VA_ARGS__ })

/* What a processor answers: zeros where there is no entry. */
static struct cpuid_entry ask(uint32_t leaf, uint32_t subleaf)
{
    const struct cpuid_entry *c = cpuid_find(&table, leaf, subleaf);

    return c ? *c : (struct cpuid_entry){ 0 };
}

static unsigned order(unsigned n)
{
    unsigned bits = 0;

    while (BIT(bits) < n)
        bits++;
    return bits;
}

Test(cpuid, find_tells_subleaves_apart_only_where_they_count)
{
    offer(intel, COUNT(intel));
    cr_assert_eq(cpuid_find(&table, 4, 2)->eax, 0xfc004143);
    cr_assert_eq(cpuid_find(&table, 1, 77)->eax, 0x806f8);
    cr_assert_null(cpuid_find(&table, 4, 5));
    cr_assert_null(cpuid_find(&table, 3, 0));
}

Test(cpuid, leaf_1_shows_a_guest_and_hides_the_host)
{
    SHAPE(intel, .vcpu_count = 1);
    struct cpuid_entry c = ask(1, 0);
    cr_assert_eq(c.eax, 0x806f8);
    cr_assert_eq(c.ebx, 0x00010800, "APIC id 0, one processor, the offer's CLFLUSH size");
    cr_assert(c.ecx & BIT(31), "hypervisor");
    cr_assert(c.ecx & BIT(21), "x2APIC");
    cr_assert(c.ecx & BIT(24), "TSC deadline");
    cr_assert(c.ecx & BIT(13), "cmpxchg16b");
    const unsigned hidden[] = { 2, 3, 4, 5, 6, 7, 8, 11, 14, 15, 18 };
    for (size_t i = 0; i < COUNT(hidden); i++)
        cr_assert_not(c.ecx & BIT(hidden[i]), "ECX bit %u", hidden[i]);
    cr_assert_not(c.edx & (BIT(21) | BIT(22) | BIT(29) | BIT(31)));
    cr_assert_not(c.edx & BIT(28), "one processor is not multi-threading");
}

Test(cpuid, unnamed_leaves_are_taken_away)
{
    const uint32_t gone[] = { 0x5, 0xa, 0x12, 0x14, 0x1d, 0x1e, 0x20 };
    SHAPE(intel, .vcpu_count = 2);
    for (size_t i = 0; i < COUNT(gone); i++)
        cr_assert_null(cpuid_find(&table, gone[i], 0), "leaf %#x", gone[i]);

    const uint32_t gone_amd[] = { 0x10, 0x8000000a, 0x8000001f, 0x80000022 };
    SHAPE(amd, .vcpu_count = 2);
    for (size_t i = 0; i < COUNT(gone_amd); i++)
        cr_assert_null(cpuid_find(&table, gone_amd[i], 0), "leaf %#x", gone_amd[i]);
}

Test(cpuid, highest_leaves_name_what_is_there)
{
    SHAPE(intel, .vcpu_count = 1, .tsc_khz = 2000000);
    cr_assert_eq(ask(0, 0).eax, 0x1f);
    cr_assert_eq(ask(0, 0).ebx, 0x756e6547, "the vendor stays");
    cr_assert_eq(ask(0x40000000, 0).eax, 0x40000010);
    cr_assert_eq(ask(0x40000000, 0).ebx, 0x4b4d564b);
    cr_assert_eq(ask(0x80000000, 0).eax, 0x80000008);
    SHAPE(amd, .vcpu_count = 1);
    cr_assert_eq(ask(0, 0).eax, 0xd);
    cr_assert_eq(ask(0x40000000, 0).eax, 0x40000001);
    cr_assert_eq(ask(0x80000000, 0).eax, 0x80000021);
}

Test(cpuid, power_management_is_the_hosts)
{
    SHAPE(intel, .vcpu_count = 1);
    struct cpuid_entry c = ask(6, 0);
    cr_assert_eq(c.eax, BIT(2), "the APIC timer keeps running, nothing else");
    cr_assert_eq(c.ebx | c.ecx | c.edx, 0);
    cr_assert_eq(ask(0x80000007, 0).edx, BIT(8), "invariant TSC, nothing else");
}

Test(cpuid, extended_features_lose_host_and_dynamic_state)
{
    SHAPE(intel, .vcpu_count = 1);
    struct cpuid_entry c = ask(7, 0);
    cr_assert_eq(c.eax, 2);
    cr_assert_eq(c.ebx, ~(BIT(2) | BIT(12) | BIT(15) | BIT(25)));
    cr_assert_eq(c.ecx, ~(BIT(5) | BIT(29) | BIT(30)));
    cr_assert_eq(c.edx, ~(BIT(18) | BIT(19) | BIT(22) | BIT(24) | BIT(25)));
    cr_assert_eq(ask(7, 1).eax, ~BIT(21));
    cr_assert_eq(ask(7, 1).edx, ~BIT(8));
    cr_assert_eq(ask(7, 2).edx, 0x1f, "speculation controls pass");
}

Test(cpuid, xsave_is_sized_without_amx)
{
    SHAPE(intel, .vcpu_count = 1);
    cr_assert_eq(ask(0xd, 0).eax, 0x2e7);
    cr_assert_eq(ask(0xd, 0).ecx, 0xa88, "the end of PKRU, the last component left");
    cr_assert_eq(ask(0xd, 1).eax, 0xf, "no XFD");
    cr_assert_eq(ask(0xd, 1).ecx, 0x1800, "of the supervisor states only shadow stacks");
    cr_assert_null(cpuid_find(&table, 0xd, 17));
    cr_assert_null(cpuid_find(&table, 0xd, 18));
    SHAPE(amd, .vcpu_count = 1);
    cr_assert_eq(ask(0xd, 0).ecx, 0x988, "unchanged where nothing went");
}

Test(cpuid, xsave_without_extended_state_is_legacy_area_and_header)
{
    const struct cpuid_entry old[] = { { 0xd, 0, 1, 3, 576, 576, 0 } };
    SHAPE(old, .vcpu_count = 1);
    cr_assert_eq(ask(0xd, 0).ecx, 576);
}

/* What Linux and lscpu work out, from each leaf they may use, for every machine and processor. */
static void check_extended_topology(uint32_t leaf, unsigned n, unsigned id)
{
    struct cpuid_entry threads = ask(leaf, 0), cores = ask(leaf, 1), end = ask(leaf, 2);

    cr_assert_eq(threads.ecx, 0x100);
    cr_assert_eq(threads.ebx, 1);
    cr_assert_eq(id >> threads.eax, id, "one thread a core");
    cr_assert_eq(cores.ecx, 0x201);
    cr_assert_eq(cores.ebx, n);
    cr_assert_eq(id >> cores.eax, 0, "one package");
    cr_assert_eq(cores.eax, order(n));
    cr_assert_eq(end.ebx, 0);
    cr_assert_eq(end.ecx, 2);
    cr_assert(threads.edx == id && cores.edx == id && end.edx == id);
}

static unsigned sharers(struct cpuid_entry c)
{
    return (c.eax >> 14 & 0xfff) + 1;
}

Test(cpuid, intel_topology_of_every_machine)
{
    for (unsigned n = 1; n <= 32; n++) {
        for (unsigned id = 0; id < n; id++) {
            SHAPE(intel, .vcpu_count = n, .vcpu = id);
            unsigned ids = ask(1, 0).ebx >> 16 & 0xff, cores = (ask(4, 0).eax >> 26) + 1;
            cr_assert_eq(ask(1, 0).ebx >> 24, id);
            cr_assert_eq(ids, cores, "one thread a core by the old leaves too");
            cr_assert_eq(ids, BIT(order(n)));
            cr_assert_eq(!!(ask(1, 0).edx & BIT(28)), n > 1);
            cr_assert_eq(sharers(ask(4, 0)), 1);
            cr_assert_eq(sharers(ask(4, 2)), 1);
            cr_assert_eq(sharers(ask(4, 3)), BIT(order(n)), "all share level 3");
            cr_assert_eq(ask(4, 4).eax, 0, "the list ends");
            cr_assert_eq(ask(4, 3).ecx, 0x1bfff, "sizes pass");
            check_extended_topology(0xb, n, id);
            check_extended_topology(0x1f, n, id);
            cr_assert_eq(ask(0x80000008, 0).ecx, 0, "reserved on Intel");
            cr_assert_null(cpuid_find(&table, 0x8000001e, 0));
        }
    }
}

Test(cpuid, amd_topology_of_every_machine)
{
    for (unsigned n = 1; n <= 32; n++) {
        for (unsigned id = 0; id < n; id++) {
            SHAPE(amd, .vcpu_count = n, .vcpu = id);
            cr_assert_eq(ask(1, 0).ebx >> 24, id);
            cr_assert_eq(ask(1, 0).ebx >> 16 & 0xff, n);
            cr_assert_eq(!!(ask(0x80000001, 0).ecx & BIT(1)), n > 1, "cores, not threads");
            cr_assert_eq((ask(0x80000008, 0).ecx & 0xff) + 1, n);
            cr_assert_eq(ask(0x80000008, 0).ecx >> 12 & 0xf, order(n));
            cr_assert_eq(ask(0x80000008, 0).edx, 0);
            check_extended_topology(0xb, n, id);
            cr_assert_null(cpuid_find(&table, 0x1f, 0), "not offered, not added");
            cr_assert_eq(sharers(ask(0x8000001d, 0)), 1);
            cr_assert_eq(sharers(ask(0x8000001d, 3)), n);
            cr_assert_eq(ask(0x8000001d, 4).eax, 0);
            cr_assert_eq(ask(0x8000001e, 0).eax, id);
            cr_assert_eq(ask(0x8000001e, 0).ebx, id, "core id; one thread each");
            cr_assert_eq(ask(0x8000001e, 0).ecx, 0, "one node");
        }
    }
}

Test(cpuid, amd_features_lose_what_is_the_hosts)
{
    SHAPE(amd, .vcpu_count = 2);
    uint32_t ecx = ask(0x80000001, 0).ecx;
    const unsigned hidden[] = { 2, 10, 12, 13, 15, 19, 23, 24, 27, 28, 29 };
    for (size_t i = 0; i < COUNT(hidden); i++)
        cr_assert_not(ecx & BIT(hidden[i]), "ECX bit %u", hidden[i]);
    cr_assert(ecx & BIT(22), "TOPOEXT, which leaf 0x8000001e answers");
    cr_assert_eq(ask(0x80000001, 0).edx, 0x2fd3fbff);
}

Test(cpuid, amd_without_topoext_has_no_leaf_for_it)
{
    offer(amd, COUNT(amd));
    cpuid_find(&table, 0x80000001, 0)->ecx = 0;
    const struct cpuid_machine m = { .vcpu_count = 4, .vcpu = 2 };
    cr_assert_eq(cpuid_shape(&table, &m, NULL), 0);
    cr_assert_null(cpuid_find(&table, 0x8000001e, 0));
    cr_assert_eq(ask(0x80000001, 0).ecx, BIT(1));
}

Test(cpuid, signature_and_kvmclock_pass)
{
    SHAPE(amd, .vcpu_count = 1, .tsc_khz = 2445406);
    cr_assert_eq(ask(0x40000001, 0).eax, 0x01007efb);
    cr_assert_eq(ask(0x40000010, 0).eax, 2445406);
    cr_assert_eq(ask(0x40000010, 0).ebx, 1000000);
    cr_assert_null(cpuid_find(&table, 0x15, 0), "not an AMD leaf");
    cr_assert_eq(ask(0, 0).eax, 0xd);
}

Test(cpuid, timing_leaf_needs_a_hypervisors_leaves)
{
    const struct cpuid_entry bare[] = { { 0x0, 0, 0, 1, 0x756e6547, 0x6c65746e, 0x49656e69 } };
    SHAPE(bare, .vcpu_count = 1, .tsc_khz = 3000000);
    cr_assert_null(cpuid_find(&table, 0x40000010, 0));
    cr_assert_eq(ask(0, 0).eax, 0x15);
}

/* Linux's arithmetic, 32 bits wide. */
static uint32_t linux_tsc_khz(struct cpuid_entry c)
{
    return c.ecx / 1000 * c.ebx / c.eax;
}

Test(cpuid, intel_tsc_ratio_is_near_and_does_not_overflow)
{
    const uint32_t khz[] = {
        600000,  800001,  999999,  1000000, 1900000, 2100000, 2199998, 2294609,
        2445406, 2593906, 2994374, 2999999, 3000000, 3000001, 3500002, 4700123
    };

    for (size_t i = 0; i < COUNT(khz); i++) {
        SHAPE(intel, .vcpu_count = 1, .tsc_khz = khz[i]);
        struct cpuid_entry c = ask(0x15, 0);
        cr_assert_eq(c.ecx, 1000000000, "the local APIC's clock");
        cr_assert_leq((uint64_t)c.ecx / 1000 * c.ebx, UINT32_MAX);
        int64_t off = (int64_t)linux_tsc_khz(c) - khz[i];
        cr_assert(off >= -3 && off <= 3, "%u kHz: %u/%u is off by %ld", khz[i], c.ebx, c.eax, off);
    }
}

Test(cpuid, no_frequency_no_leaves)
{
    SHAPE(intel, .vcpu_count = 1);
    cr_assert_null(cpuid_find(&table, 0x15, 0));
    cr_assert_null(cpuid_find(&table, 0x40000010, 0));
}

Test(cpuid, a_full_table_says_so)
{
    struct cpuid_table full = { .count = CPUID_ENTRIES_MAX };
    struct err e = { "" };

    for (unsigned i = 0; i < CPUID_ENTRIES_MAX; i++)
        full.entries[i] = (struct cpuid_entry){ 0x2, i, 1, 0, 0, 0, 0 };
    const struct cpuid_machine m = { .vcpu_count = 1, .tsc_khz = 1000000 };
    cr_assert_eq(cpuid_shape(&full, &m, &e), -ENOSPC);
    cr_assert(strstr(e.text, "0x15"), "%s", e.text);
}

Test(cpuid, an_empty_offer_stays_legal)
{
    table.count = 0;
    const struct cpuid_machine m = { .vcpu_count = 32, .vcpu = 31 };
    cr_assert_eq(cpuid_shape(&table, &m, NULL), 0);
    cr_assert_eq(table.count, 0);
}
