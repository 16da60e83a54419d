#ifndef CORE_X86_BOOT_PVH_H
#define CORE_X86_BOOT_PVH_H
/*
 * The PVH boot protocol: Xen's x86/HVM direct boot ABI (xen/include/public/arch-x86/hvm/
 * start_info.h).
 */
#include <stdbool.h>

#include "core/vm/mem.h"

struct e820;
struct initrd;
struct kernel;
struct vcpu_regs;

/* Before the guest starts, when the kernel and the command line are in place. Writes the start
 * info, the module list and the memory map, and sets *regs, which the caller has zeroed. Returns
 * false if one of their places is not RAM. */
bool pvh_setup(const struct mem *m, const struct kernel *k, const struct initrd *initrd,
               const struct e820 *map, struct vcpu_regs *regs);

#endif
