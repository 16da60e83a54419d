#ifndef CORE_X86_BOOT_LINUX64_H
#define CORE_X86_BOOT_LINUX64_H
/*
 * The 64-bit Linux boot protocol (Linux, Documentation/arch/x86/boot.rst, "64-bit boot protocol").
 */
#include <stdbool.h>

#include "core/vm/mem.h"

struct e820;
struct initrd;
struct kernel;
struct vcpu_regs;

/* Before the guest starts, when the kernel and the command line are in place. Writes the zero page
 * and the page tables, and sets *regs, which the caller has zeroed. Returns false if one of their
 * places is not RAM. */
bool linux64_setup(const struct mem *m, const struct kernel *k, const struct initrd *initrd,
                   const struct e820 *map, struct vcpu_regs *regs);

#endif
