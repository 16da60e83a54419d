#ifndef CORE_X86_TABLES_RESET_VECTOR_H
#define CORE_X86_TABLES_RESET_VECTOR_H
/*
 * What a guest finds at the reset vector, where a PC has its firmware: code that resets the machine
 * through the ACPI reset register.
 */
#include "core/vm/mem.h"

struct err;

/* Before the guest starts. Writes the code to LAYOUT_RESET_VECTOR. -ENOSPC if memory
 * ends below it. */
int reset_vector_write(const struct mem *m, struct err *e);

#endif
