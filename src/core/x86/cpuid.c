/*
 * CPUID policy: which leaves of the accelerator's offer a guest sees, and which are made for it.
 *
 * Two tables hold the whole policy. `kept` names every leaf that passes, with the function that
 * edits its entries. A leaf that it does not name is taken away, so that a new leaf of some future
 * host stays hidden until somebody decides otherwise. `made` then adds or rewrites what depends on
 * the machine as a whole.
 *
 * The topology is the same in every leaf that describes it: one package, vcpu_count cores of one
 * thread each, core n with APIC id n. Where a leaf counts addressable ids instead of processors,
 * the count is rounded up to a power of two.
 */
#include "core/x86/cpuid.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/base/err.h"
#include "core/vm/accel.h"

#define BIT(n) (1u << (n))

/* What one run of cpuid_shape works with: the machine, and what follows from it and the offer. */
struct shape {
    const struct cpuid_machine *machine;
    bool amd;          /* AMD or Hygon: leaves count processors where Intel's count ids */
    unsigned id_bits;  /* bits of an APIC id in use */
    unsigned id_count; /* 1 << id_bits */
};

struct cpuid_entry *cpuid_find(struct cpuid_table *t, uint32_t leaf, uint32_t subleaf)
{
    for (unsigned i = 0; i < t->count; i++) {
        struct cpuid_entry *c = &t->entries[i];
        if (c->leaf == leaf && (!c->has_subleaf || c->subleaf == subleaf))
            return c;
    }
    return NULL;
}

/* Leaf 1: identity and the oldest features (SDM 2A, CPUID). Host-only in ECX: DTES64 MONITOR DS-CPL
 * VMX SMX EIST TM2 SDBG xTPR PDCM DCA; in EDX: DS ACPI thermal-monitor PBE. */
#define LEAF1_ECX_HOST_ONLY                                                                       \
    (BIT(2) | BIT(3) | BIT(4) | BIT(5) | BIT(6) | BIT(7) | BIT(8) | BIT(11) | BIT(14) | BIT(15) | \
     BIT(18))
#define LEAF1_ECX_HYPERVISOR BIT(31)
#define LEAF1_EDX_HOST_ONLY  (BIT(21) | BIT(22) | BIT(29) | BIT(31))
#define LEAF1_EDX_HTT        BIT(28)

static bool shape_features(struct cpuid_entry *c, const struct shape *s)
{
    unsigned n = s->machine->vcpu_count;

    c->ebx &= 0xffff; /* brand index and CLFLUSH size stay */
    c->ebx |= (s->amd ? n : s->id_count) << 16 | s->machine->vcpu << 24;
    c->ecx = (c->ecx & ~LEAF1_ECX_HOST_ONLY) | LEAF1_ECX_HYPERVISOR;
    c->edx &= ~(LEAF1_EDX_HOST_ONLY | LEAF1_EDX_HTT);
    if (n > 1)
        c->edx |= LEAF1_EDX_HTT;
    return true;
}

/* In leaf 4 and in 0x8000001d, EAX bits 5-7 are the cache's level and bits 14-25 the number of
 * sharers less one. Each core has its own level 1 and 2; all share level 3. */
static uint32_t cache_sharers(uint32_t eax, unsigned all)
{
    unsigned level = eax >> 5 & 7;

    return (eax & 0x3fff) | (level >= 3 ? all - 1 : 0) << 14;
}

static bool shape_caches_intel(struct cpuid_entry *c, const struct shape *s)
{
    if (c->eax & 0x1f) /* not the list's end */
        c->eax = cache_sharers(c->eax, s->id_count) | (s->id_count - 1) << 26;
    return true;
}

static bool shape_caches_amd(struct cpuid_entry *c, const struct shape *s)
{
    if (c->eax & 0x1f)
        c->eax = cache_sharers(c->eax, s->machine->vcpu_count);
    return true;
}

#define LEAF6_EAX_ARAT BIT(2) /* the APIC timer never stops */

static bool shape_power(struct cpuid_entry *c, const struct shape *s)
{
    (void)s;
    c->eax &= LEAF6_EAX_ARAT;
    c->ebx = c->ecx = c->edx = 0;
    return true;
}

/* Leaf 7. Only the host can use SGX, resource monitoring and allocation, processor trace, user-mode
 * waiting, PASIDs, branch records and PCONFIG. AMX goes because its state is sized at run time. */
#define LEAF7_0_EBX_HOST_ONLY (BIT(2) | BIT(12) | BIT(15) | BIT(25)) /* SGX RDT-M RDT-A PT */
#define LEAF7_0_ECX_HOST_ONLY (BIT(5) | BIT(29) | BIT(30))           /* WAITPKG ENQCMD SGX_LC */
#define LEAF7_0_EDX_HOST_ONLY (BIT(18) | BIT(19))                    /* PCONFIG ARCH_LBR */
#define LEAF7_0_EDX_AMX       (BIT(22) | BIT(24) | BIT(25))          /* BF16 TILE INT8 */
#define LEAF7_1_EAX_AMX       BIT(21)                                /* FP16 */
#define LEAF7_1_EDX_AMX       BIT(8)                                 /* COMPLEX */

static bool shape_extended_features(struct cpuid_entry *c, const struct shape *s)
{
    (void)s;
    if (c->subleaf == 0) {
        c->ebx &= ~LEAF7_0_EBX_HOST_ONLY;
        c->ecx &= ~LEAF7_0_ECX_HOST_ONLY;
        c->edx &= ~(LEAF7_0_EDX_HOST_ONLY | LEAF7_0_EDX_AMX);
    } else if (c->subleaf == 1) {
        c->eax &= ~LEAF7_1_EAX_AMX;
        c->edx &= ~LEAF7_1_EDX_AMX;
    }
    return true;
}

/* Leaf 0xd: XSAVE. From n = 2 on, subleaf n describes state component n. */
#define XSTATE_TILECFG  17u
#define XSTATE_TILEDATA 18u
#define LEAFD_1_EAX_XFD BIT(4)

/* The bits of IA32_XSS that pass: shadow stacks, and none of the host's states. */
#define LEAFD_1_ECX_GUESTS (BIT(11) | BIT(12))

static bool shape_xsave(struct cpuid_entry *c, const struct shape *s)
{
    (void)s;
    if (c->subleaf == 0) {
        c->eax &= ~(BIT(XSTATE_TILECFG) | BIT(XSTATE_TILEDATA));
    } else if (c->subleaf == 1) {
        c->eax &= ~LEAFD_1_EAX_XFD;
        c->ecx &= LEAFD_1_ECX_GUESTS;
        c->edx = 0;
    }
    return c->subleaf != XSTATE_TILECFG && c->subleaf != XSTATE_TILEDATA;
}

/* Leaf 0x80000001 (APM 3, appendix E). Host-only: SVM IBS SKINIT WDT LWP NodeId PerfCtr{Core,NB}
 * PTSC PerfCtrLLC MONITORX. */
#define LEAF81_ECX_CMP_LEGACY BIT(1) /* leaf 1 counts cores, not threads */
#define LEAF81_ECX_TOPOEXT    BIT(22)
#define LEAF81_ECX_HOST_ONLY                                                                  \
    (BIT(2) | BIT(10) | BIT(12) | BIT(13) | BIT(15) | BIT(19) | BIT(23) | BIT(24) | BIT(27) | \
     BIT(28) | BIT(29))

static bool shape_features_amd(struct cpuid_entry *c, const struct shape *s)
{
    c->ecx &= ~(LEAF81_ECX_HOST_ONLY | LEAF81_ECX_CMP_LEGACY);
    if (s->amd && s->machine->vcpu_count > 1)
        c->ecx |= LEAF81_ECX_CMP_LEGACY;
    return true;
}

#define LEAF87_EDX_INVARIANT_TSC BIT(8)

static bool shape_power_amd(struct cpuid_entry *c, const struct shape *s)
{
    (void)s;
    c->eax = c->ebx = c->ecx = 0;
    c->edx &= LEAF87_EDX_INVARIANT_TSC;
    return true;
}

/* Address sizes; on AMD also the number of cores and the width of their id. */
static bool shape_sizes(struct cpuid_entry *c, const struct shape *s)
{
    c->ecx = s->amd ? (s->machine->vcpu_count - 1) | s->id_bits << 12 : 0;
    c->edx = 0;
    return true;
}

/* Every leaf that passes. NULL passes it unchanged; where the function returns false, the entry is
 * dropped. */
static const struct {
    uint32_t leaf;
    bool (*shape)(struct cpuid_entry *c, const struct shape *s);
} kept[] = {
    { 0x0, NULL },                      /* vendor; the highest leaf is made below */
    { 0x1, shape_features },            /* APIC id, topology, hypervisor bit; nothing host-only */
    { 0x2, NULL },                      /* cache descriptors */
    { 0x4, shape_caches_intel },        /* caches: which vCPUs share them */
    { 0x6, shape_power },               /* power management is the host's, save ARAT */
    { 0x7, shape_extended_features },   /* nothing host-only, no AMX */
    { 0xb, NULL },                      /* topology; made below */
    { 0xd, shape_xsave },               /* no AMX state, no supervisor state of the host's */
    { 0x1f, NULL },                     /* topology; made below */
    { 0x24, NULL },                     /* AVX10 version, which leaf 7 refers to */
    { 0x40000000, NULL },               /* hypervisor signature: kvmclock is found through it */
    { 0x40000001, NULL },               /* paravirtual features */
    { 0x80000000, NULL },               /* the highest leaf is made below */
    { 0x80000001, shape_features_amd }, /* no virtualisation, counters, sampling */
    { 0x80000002, NULL },               /* brand string */
    { 0x80000003, NULL },               /* its middle */
    { 0x80000004, NULL },               /* its end */
    { 0x80000005, NULL },               /* AMD level 1 caches and TLBs */
    { 0x80000006, NULL },               /* level 2 and 3 */
    { 0x80000007, shape_power_amd },    /* power management is the host's, save the invariant TSC */
    { 0x80000008, shape_sizes },        /* address sizes, speculation controls, core count */
    { 0x80000019, NULL },               /* TLBs of 1 GiB pages */
    { 0x8000001a, NULL },               /* performance hints */
    { 0x8000001d, shape_caches_amd },   /* caches: which vCPUs share them */
    { 0x80000021, NULL },               /* speculation and segmentation features */
};

static void cpuid_drop_leaf(struct cpuid_table *t, uint32_t leaf)
{
    unsigned n = 0;

    for (unsigned i = 0; i < t->count; i++)
        if (t->entries[i].leaf != leaf)
            t->entries[n++] = t->entries[i];
    t->count = n;
}

static int cpuid_add_entry(struct cpuid_table *t, struct cpuid_entry entry, struct err *e)
{
    if (t->count == CPUID_ENTRIES_MAX)
        return err_set(e, ENOSPC, "CPUID leaf %#x does not fit: the accelerator offers %u entries",
                       entry.leaf, t->count);
    t->entries[t->count++] = entry;
    return 0;
}

static uint32_t cpuid_highest_leaf(const struct cpuid_table *t, uint32_t first)
{
    uint32_t highest = first;

    for (unsigned i = 0; i < t->count; i++) {
        uint32_t leaf = t->entries[i].leaf;
        if ((leaf & 0xf0000000) == first && leaf > highest)
            highest = leaf;
    }
    return highest;
}

static int make_highest(struct cpuid_table *t, uint32_t leaf, const struct shape *s, struct err *e)
{
    struct cpuid_entry *c = cpuid_find(t, leaf, 0);

    (void)s;
    (void)e;
    if (c)
        c->eax = cpuid_highest_leaf(t, leaf);
    return 0;
}

/* ECX of XSAVE's subleaf 0: the size of all components that are left, in the standard format. */
static int make_xsave_size(struct cpuid_table *t, uint32_t leaf, const struct shape *s,
                           struct err *e)
{
    struct cpuid_entry *first = cpuid_find(t, leaf, 0);

    (void)s;
    (void)e;
    if (!first)
        return 0;
    first->ecx = 576; /* legacy area and header */
    for (unsigned i = 0; i < t->count; i++) {
        const struct cpuid_entry *c = &t->entries[i];
        bool user =
            c->leaf == leaf && c->subleaf >= 2 && c->subleaf < 32 && first->eax & BIT(c->subleaf);
        if (user && c->ebx + c->eax > first->ecx)
            first->ecx = c->ebx + c->eax;
    }
    return 0;
}

/* Leaves 0xb and 0x1f (SDM 2A, CPUID): a level of one thread, a level of all cores, the end. */
static int make_topology(struct cpuid_table *t, uint32_t leaf, const struct shape *s, struct err *e)
{
    enum { THREADS = 1, CORES = 2 };
    const struct {
        unsigned id_bits, processors, type;
    } levels[] = { { 0, 1, THREADS }, { s->id_bits, s->machine->vcpu_count, CORES }, { 0, 0, 0 } };

    if (!cpuid_find(t, leaf, 0))
        return 0;
    cpuid_drop_leaf(t, leaf);
    for (uint32_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        int ret = cpuid_add_entry(t,
                                  (struct cpuid_entry){ .leaf = leaf,
                                                        .subleaf = i,
                                                        .has_subleaf = 1,
                                                        .eax = levels[i].id_bits,
                                                        .ebx = levels[i].processors,
                                                        .ecx = levels[i].type << 8 | i,
                                                        .edx = s->machine->vcpu },
                                  e);
        if (ret)
            return ret;
    }
    return 0;
}

/* Leaf 0x8000001e (APM 3, E.4.17), present with TOPOEXT: core n, one thread, node 0. */
static int make_topology_amd(struct cpuid_table *t, uint32_t leaf, const struct shape *s,
                             struct err *e)
{
    const struct cpuid_entry *features = cpuid_find(t, 0x80000001, 0);

    if (!s->amd || !features || !(features->ecx & LEAF81_ECX_TOPOEXT))
        return 0;
    return cpuid_add_entry(
        t, (struct cpuid_entry){ .leaf = leaf, .eax = s->machine->vcpu, .ebx = s->machine->vcpu },
        e);
}

/* The local APIC's timer counts at 1 GHz on KVM; leaf 0x15 calls that clock the crystal. */
#define CRYSTAL_KHZ 1000000u

struct ratio {
    uint64_t num;
    uint64_t den;
};

/* A fraction close to num/den with a numerator up to `most`: the last convergent of its continued
 * fraction that fits, or a semiconvergent after that where it is sure to be nearer. */
static struct ratio ratio_limit(uint64_t num, uint64_t den, uint64_t most)
{
    struct ratio before = { 0, 1 }, last = { 1, 0 };

    while (den) {
        uint64_t whole = num / den, rest = num % den;
        uint64_t fits = last.num ? (most - before.num) / last.num : whole;
        uint64_t term = whole < fits ? whole : fits;

        if (term < whole && 2 * term <= whole)
            break;
        struct ratio next = { term * last.num + before.num, term * last.den + before.den };
        before = last;
        last = next;
        if (term < whole)
            break;
        num = den;
        den = rest;
    }
    return last;
}

/* Intel's leaf 0x15: the TSC's frequency is ECX * EBX / EAX. Linux multiplies the crystal's kHz by
 * EBX in 32 bits, which bounds EBX. The ratio is mostly within a millionth of the frequency; close
 * to a simple ratio it can be 120 millionths off (1,999,768 kHz becomes 2 GHz). */
static int make_tsc_ratio(struct cpuid_table *t, uint32_t leaf, const struct shape *s,
                          struct err *e)
{
    if (s->amd || s->machine->tsc_khz == 0)
        return 0;
    struct ratio r = ratio_limit(s->machine->tsc_khz, CRYSTAL_KHZ, UINT32_MAX / CRYSTAL_KHZ);
    return cpuid_add_entry(t,
                           (struct cpuid_entry){ .leaf = leaf,
                                                 .eax = (uint32_t)r.den,
                                                 .ebx = (uint32_t)r.num,
                                                 .ecx = CRYSTAL_KHZ * 1000 },
                           e);
}

/* The hypervisors' common timing leaf: kHz of the TSC and of the local APIC's timer. */
static int make_timing(struct cpuid_table *t, uint32_t leaf, const struct shape *s, struct err *e)
{
    if (!cpuid_find(t, 0x40000000, 0) || s->machine->tsc_khz == 0)
        return 0;
    return cpuid_add_entry(
        t, (struct cpuid_entry){ .leaf = leaf, .eax = s->machine->tsc_khz, .ebx = CRYSTAL_KHZ }, e);
}

/* Made in this order, after `kept` has been applied. */
static const struct {
    uint32_t leaf;
    int (*make)(struct cpuid_table *t, uint32_t leaf, const struct shape *s, struct err *e);
} made[] = {
    { 0xb, make_topology },            /* where offered */
    { 0xd, make_xsave_size },          /* without AMX, which is the largest part */
    { 0x15, make_tsc_ratio },          /* no calibration against the PIT at boot */
    { 0x1f, make_topology },           /* where offered */
    { 0x40000010, make_timing },       /* the TSC's kHz, for guests that ask a hypervisor */
    { 0x8000001e, make_topology_amd }, /* where TOPOEXT is offered */
    { 0x0, make_highest },             /* last, when all leaves are there */
    { 0x40000000, make_highest },
    { 0x80000000, make_highest },
};

static void cpuid_keep_entries(struct cpuid_table *t, const struct shape *s)
{
    unsigned n = 0;

    for (unsigned i = 0; i < t->count; i++) {
        struct cpuid_entry c = t->entries[i];
        for (size_t k = 0; k < sizeof(kept) / sizeof(kept[0]); k++)
            if (kept[k].leaf == c.leaf && (!kept[k].shape || kept[k].shape(&c, s)))
                t->entries[n++] = c;
    }
    t->count = n;
}

static bool cpuid_vendor_is_amd(struct cpuid_table *t)
{
    const struct cpuid_entry *c = cpuid_find(t, 0x0, 0);

    return c && (c->ebx == 0x68747541 /* "Auth" */ || c->ebx == 0x6f677948 /* "Hygo" */);
}

int cpuid_shape(struct cpuid_table *t, const struct cpuid_machine *m, struct err *e)
{
    struct shape s = { .machine = m, .amd = cpuid_vendor_is_amd(t) };

    assert(m->vcpu_count >= 1 && m->vcpu_count <= VCPUS_MAX && m->vcpu < m->vcpu_count);
    while (1u << s.id_bits < m->vcpu_count)
        s.id_bits++;
    s.id_count = 1u << s.id_bits;

    cpuid_keep_entries(t, &s);
    for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
        int ret = made[i].make(t, made[i].leaf, &s, e);
        if (ret)
            return ret;
    }
    return 0;
}
