#ifndef CORE_X86_MPTABLE_H
#define CORE_X86_MPTABLE_H
/*
 * The MultiProcessor Specification 1.4 tables, for guests that run with acpi=off.
 */
#include "core/mem.h"

struct err;

/* Before the guest starts. Writes floating pointer and table at LAYOUT_MPTABLE; vcpu_count is 1 to
 * 32, processor n has APIC id n, the I/O APIC takes ISA interrupts 0 to 15 and GSIs up to 23 one to
 * one. */
int mptable_write(const struct mem *m, unsigned vcpu_count, struct err *e);

#endif
