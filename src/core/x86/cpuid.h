#ifndef CORE_X86_CPUID_H
#define CORE_X86_CPUID_H
/*
 * What a guest's CPUID says: the accelerator's offer, shaped for one processor of one machine.
 * Pure.
 *
 * Added: this processor's APIC id and the machine's topology (leaves 1, 4, 0xb, 0x1f, 0x80000001,
 * 0x80000008, 0x8000001d, 0x8000001e), the hypervisor bit, the TSC's frequency (0x15 and
 * 0x40000010). Taken away: what only makes sense to the host (performance counters, power
 * management, nested virtualisation, monitor/mwait, SGX, dynamically sized state such as AMX).
 */
#include <stdint.h>

struct err;

#define CPUID_ENTRIES_MAX 256

struct cpuid_entry {
    uint32_t leaf;
    uint32_t subleaf;
    uint32_t has_subleaf; /* 1: the leaf has an entry for each subleaf; 0: one for all of them */
    uint32_t eax, ebx, ecx, edx;
};

struct cpuid_table {
    unsigned count;
    struct cpuid_entry entries[CPUID_ENTRIES_MAX];
};

struct cpuid_machine {
    unsigned vcpu_count; /* 1 to VCPUS_MAX, all cores of one package */
    unsigned vcpu;       /* the processor's number, which is also its APIC id */
    uint32_t tsc_khz;    /* 0: not known */
};

/* Shapes the offer in place. -ENOSPC if the added leaves do not fit. */
int cpuid_shape(struct cpuid_table *t, const struct cpuid_machine *m, struct err *e);

/* The entry with which a processor answers this leaf and subleaf, or NULL. */
struct cpuid_entry *cpuid_find(struct cpuid_table *t, uint32_t leaf, uint32_t subleaf);

#endif
