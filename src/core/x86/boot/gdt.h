#ifndef CORE_X86_BOOT_GDT_H
#define CORE_X86_BOOT_GDT_H
/*
 * The flat segments that every boot protocol asks for: in the processor's registers and, with the
 * same content, as a descriptor table in guest memory.
 */
#include <stdbool.h>
#include <stdint.h>

#include "core/vm/mem.h"

struct vcpu_regs;

#define GDT_CODE 0x10u /* selectors: what Linux calls __BOOT_CS and __BOOT_DS */
#define GDT_DATA 0x18u
#define GDT_TSS  0x20u

/* Before the guest starts. Writes the table at LAYOUT_GDT and sets the segment, task and descriptor
 * table registers; code_access is X86_ACCESS_CODE32 or X86_ACCESS_CODE64. False: no RAM there. */
bool gdt_setup(const struct mem *m, uint16_t code_access, struct vcpu_regs *regs);

#endif
