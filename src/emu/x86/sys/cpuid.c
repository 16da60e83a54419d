/*
 * CPUID of the software processors, from one table of what is offered.
 *
 * A row names the bits of one register that may be shown. Vector, cryptographic and
 * bit-manipulation instructions run on the host's own units and are shown if the host has them;
 * what the interpreter does by itself is always shown. Everything without a row is hidden: AVX-512,
 * VAES and other forms that the interpreter does not decode, and what a microVM's guest has no use
 * for (SMX, VMX, SVM, MONITOR, performance counters, protection keys, CET). Machine check is shown,
 * though there are no banks, because kernels complain about a processor without it.
 */
#include "emu/x86/sys/cpuid.h"

#include <cpuid.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/x86/bits.h"
#include "emu/x86/apic/lapic.h"
#include "emu/x86/cpu/cpu.h"
#include "emu/x86/cpu/mode.h"
#include "emu/x86/decode/vendor.h"

#define BIT(n) (1u << (n))

enum reg {
    EAX,
    EBX,
    ECX,
    EDX,
};

struct row {
    uint32_t leaf;
    uint32_t subleaf;
    enum reg reg;
    uint32_t ours;   /* always shown */
    uint32_t hosts;  /* shown if the host shows them */
    uint32_t needed; /* bits of `hosts` without which the software CPU does not start */
};

static const struct row rows[] = {
    /* CX16 X2APIC MOVBE TSC-deadline hypervisor are ours; SSE3 PCLMULQDQ SSSE3 FMA SSE4.1 SSE4.2
     * POPCNT AES XSAVE AVX F16C RDRAND the host's */
    { 1, 0, ECX, BIT(13) | BIT(21) | BIT(22) | BIT(24) | BIT(31),
      BIT(0) | BIT(1) | BIT(9) | BIT(12) | BIT(19) | BIT(20) | BIT(23) | BIT(25) | BIT(26) |
          BIT(28) | BIT(29) | BIT(30),
      BIT(0) | BIT(9) | BIT(19) | BIT(20) | BIT(23) },
    /* DE PSE TSC MSR PAE MCE CX8 APIC SEP MTRR PGE MCA CMOV PAT PSE36 CLFLUSH are ours; FPU MMX
     * FXSR SSE SSE2 the host's */
    { 1, 0, EDX,
      BIT(2) | BIT(3) | BIT(4) | BIT(5) | BIT(6) | BIT(7) | BIT(8) | BIT(9) | BIT(11) | BIT(12) |
          BIT(13) | BIT(14) | BIT(15) | BIT(16) | BIT(17) | BIT(19),
      BIT(0) | BIT(23) | BIT(24) | BIT(25) | BIT(26),
      BIT(0) | BIT(23) | BIT(24) | BIT(25) | BIT(26) },
    /* ARAT */
    { 6, 0, EAX, BIT(2), 0, 0 },
    /* FSGSBASE TSC_ADJUST SMEP ERMS SMAP CLFLUSHOPT CLWB are ours; BMI1 AVX2 BMI2 RDSEED ADX SHA
     * the host's */
    { 7, 0, EBX, BIT(0) | BIT(1) | BIT(7) | BIT(9) | BIT(20) | BIT(23) | BIT(24),
      BIT(3) | BIT(5) | BIT(8) | BIT(18) | BIT(19) | BIT(29), 0 },
    { 7, 0, ECX, BIT(2) | BIT(22), 0, 0 },           /* UMIP RDPID */
    { 7, 0, EDX, BIT(4) | BIT(14), 0, 0 },           /* FSRM SERIALIZE */
    { 0xd, 1, EAX, 0, BIT(0) | BIT(1) | BIT(2), 0 }, /* XSAVEOPT XSAVEC XGETBV(1) */
    /* KVM's paravirtual features: NOP_IO_DELAY CLOCKSOURCE2 CLOCKSOURCE_STABLE */
    { 0x40000001, 0, EAX, BIT(1) | BIT(3) | BIT(24), 0, 0 },
    /* LAHF PREFETCHW are ours; LZCNT the host's */
    { 0x80000001, 0, ECX, BIT(0) | BIT(8), BIT(5), 0 },
    /* SYSCALL NX 1GB RDTSCP LM */
    { 0x80000001, 0, EDX, BIT(11) | BIT(20) | BIT(26) | BIT(27) | BIT(29), 0, 0 },
    { 0x80000007, 0, EDX, BIT(8), 0, 0 }, /* invariant TSC */
    { 0x80000008, 0, EAX, CPU_PHYSICAL_BITS | 48u << 8, 0, 0 },
};

#define LEAF81_EDX_SYSCALL   BIT(11)
#define LEAF821_EAX_NULL_SEL BIT(6) /* a null selector clears the base */

#define AVX_OFFSET 576u
#define AVX_SIZE   256u

static bool host_leaf(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    return __get_cpuid_count(leaf, subleaf, &out[EAX], &out[EBX], &out[ECX], &out[EDX]);
}

static bool host_has(uint32_t leaf, enum reg reg, uint32_t bits)
{
    uint32_t out[4];

    return host_leaf(leaf, 0, out) && (out[reg] & bits) == bits;
}

uint64_t emu_cpuid_xcr0(void)
{
    return (X86_XCR0_X87 | X86_XCR0_SSE) | (host_has(1, ECX, BIT(27) | BIT(28)) ? X86_XCR0_AVX : 0);
}

static struct cpuid_entry *offer_entry(struct cpuid_table *t, uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_entry *last = t->count ? &t->entries[t->count - 1] : NULL;

    if (last && last->leaf == leaf && last->subleaf == subleaf)
        return last;
    t->entries[t->count] = (struct cpuid_entry){ .leaf = leaf,
                                                 .subleaf = subleaf,
                                                 .has_subleaf = leaf == 7 || leaf == 0xd };
    return &t->entries[t->count++];
}

/* Copies a leaf without feature bits from the host: the vendor, or a part of the brand string. */
static void offer_add_identity(struct cpuid_table *t, uint32_t leaf)
{
    struct cpuid_entry *entry = offer_entry(t, leaf, 0);
    uint32_t host[4] = { 0 };

    (void)host_leaf(leaf, 0, host);
    *entry = (struct cpuid_entry){
        .leaf = leaf, .eax = host[EAX], .ebx = host[EBX], .ecx = host[ECX], .edx = host[EDX]
    };
}

/* The XSAVE area (SDM 1, 13.2): legacy region and header, then the upper halves of YMM. */
static void offer_add_xsave(struct cpuid_table *t)
{
    uint32_t size = emu_cpuid_xcr0() & X86_XCR0_AVX ? AVX_OFFSET + AVX_SIZE : AVX_OFFSET;

    t->entries[t->count++] = (struct cpuid_entry){
        .leaf = 0xd, .has_subleaf = 1, .eax = (uint32_t)emu_cpuid_xcr0(), .ebx = size, .ecx = size
    };
    if (size > AVX_OFFSET)
        t->entries[t->count++] = (struct cpuid_entry){
            .leaf = 0xd, .subleaf = 2, .has_subleaf = 1, .eax = AVX_SIZE, .ebx = AVX_OFFSET
        };
}

static int offer_add_row(struct cpuid_table *t, const struct row *row, struct err *e)
{
    struct cpuid_entry *entry = offer_entry(t, row->leaf, row->subleaf);
    uint32_t *regs[] = { &entry->eax, &entry->ebx, &entry->ecx, &entry->edx };
    uint32_t host[4] = { 0 };

    (void)host_leaf(row->leaf, row->subleaf, host);
    if ((host[row->reg] & row->needed) != row->needed)
        return err_set(e, EOPNOTSUPP,
                       "the software CPU needs a host processor with SSE4.2 and POPCNT "
                       "(x86-64-v2); CPUID leaf %#x lacks bits %#x",
                       row->leaf, row->needed & ~host[row->reg]);
    *regs[row->reg] |= row->ours | (host[row->reg] & row->hosts);
    return 0;
}

/* Lets a test change the vendor. AMD's processors since family 17h get the leaf that says that a
 * null selector clears the base. */
static int offer_add_vendor(struct cpuid_table *t, struct err *e)
{
    const char *as = getenv(VENDOR_SWITCH);
    int ret = as ? vendor_pretend(t, as, e) : 0;
    const struct vendor *vendor = vendor_shown(t);

    if (ret == 0 && vendor->amd_registers && vendor->null_base) {
        cpuid_find(t, 0x80000000, 0)->eax = 0x80000021;
        t->entries[t->count++] =
            (struct cpuid_entry){ .leaf = 0x80000021, .eax = LEAF821_EAX_NULL_SEL };
    }
    return ret;
}

int emu_cpuid_offer(struct cpuid_table *t, struct err *e)
{
    static const uint32_t brand[] = { 0x80000002, 0x80000003, 0x80000004 };

    t->count = 0;
    offer_add_identity(t, 0);
    t->entries[0].eax = 0x16;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int ret = offer_add_row(t, &rows[i], e);

        if (ret)
            return ret;
    }
    cpuid_find(t, 1, 0)->eax = CPU_SIGNATURE;
    cpuid_find(t, 1, 0)->ebx = 8u << 8; /* CLFLUSH line: 64 bytes */
    t->entries[t->count++] = (struct cpuid_entry){ .leaf = 0xb, .has_subleaf = 1 };
    offer_add_xsave(t);
    t->entries[t->count++] = (struct cpuid_entry){
        .leaf = 0x40000000,
        .eax = 0x40000001,
        .ebx = 0x4b4d564b,
        .ecx = 0x564b4d56,
        .edx = 0x4d /* KVMKVMKVM */
    };
    t->entries[t->count++] = (struct cpuid_entry){ .leaf = 0x80000000, .eax = 0x80000008 };
    for (unsigned i = 0; i < sizeof(brand) / sizeof(brand[0]); i++)
        offer_add_identity(t, brand[i]);
    return offer_add_vendor(t, e);
}

/* Whether the leaf is within its range: the basic, the extended, or a hypervisor's 256 leaves. */
static bool leaf_in_range(struct cpuid_table *t, uint32_t leaf)
{
    bool hypervisors = leaf >> 28 == 4;
    const struct cpuid_entry *first =
        cpuid_find(t, leaf & (hypervisors ? 0xffffff00u : 0xc0000000u), 0);

    return first && leaf <= first->eax;
}

/* The leaf that answers: the leaf itself or, if it does not exist, on Intel's processors the
 * highest basic leaf. */
static uint32_t leaf_answering(struct cpu *c, uint32_t leaf)
{
    const struct cpuid_entry *basic = cpuid_find(&c->cpuid, 0, 0);

    if (!c->vendor->cpuid_last || !basic || leaf_in_range(&c->cpuid, leaf))
        return leaf;
    return basic->eax;
}

void emu_cpuid(struct cpu *c)
{
    uint32_t leaf = leaf_answering(c, (uint32_t)c->gpr[X86_RAX]);
    uint32_t subleaf = (uint32_t)c->gpr[X86_RCX];
    const struct cpuid_entry *found = cpuid_find(&c->cpuid, leaf, subleaf);
    struct cpuid_entry out = { 0 };

    if (found)
        out = *found;
    if (leaf == 0x80000001 && !(c->mode & MODE_64) && !c->vendor->syscall_32)
        out.edx &= ~LEAF81_EDX_SYSCALL;
    if (leaf == 1 && (c->cr4 & X86_CR4_OSXSAVE))
        out.ecx |= BIT(27);
    if (leaf == 1 && !lapic_is_on(c->lapic))
        out.edx &= ~BIT(9);
    if (leaf == 0xb && !found) { /* beyond the last level */
        out.ecx = subleaf & 0xffu;
        out.edx = c->accel.id;
    }
    /* Subleaf 0 tells the standard size, 1 the compacted. They are equal, since AVX is last. */
    if (leaf == 0xd && subleaf <= 1)
        out.ebx = c->xcr0 & X86_XCR0_AVX ? AVX_OFFSET + AVX_SIZE : AVX_OFFSET;
    c->gpr[X86_RAX] = out.eax;
    c->gpr[X86_RBX] = out.ebx;
    c->gpr[X86_RCX] = out.ecx;
    c->gpr[X86_RDX] = out.edx;
}
