#ifndef CORE_X86_TABLES_MPTABLE_H
#define CORE_X86_TABLES_MPTABLE_H
/*
 * The MultiProcessor Specification 1.4 tables, for guests that run with acpi=off.
 */
#include "core/vm/mem.h"

struct err;

/* Before the guest starts. Writes the floating pointer and the table at LAYOUT_MPTABLE. vcpu_count
 * is 1 to VCPUS_MAX; processor n has APIC id n. The I/O APIC has id vcpu_count and takes ISA
 * interrupts 0 to 15 and GSIs up to 23 one to one. -ENOSPC if memory ends below the table's end. */
int mptable_write(const struct mem *m, unsigned vcpu_count, struct err *e);

#endif
