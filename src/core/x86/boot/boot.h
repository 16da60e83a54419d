#ifndef CORE_X86_BOOT_BOOT_H
#define CORE_X86_BOOT_BOOT_H
/*
 * Puts a kernel, its initrd and its command line into guest memory and says where the first
 * processor starts.
 *
 * Kernels: ELF vmlinux, by PVH where it has the note (Xen's x86/HVM direct boot ABI) and by the
 * 64-bit Linux protocol otherwise; bzImage of protocol 2.12 or later, whose payload is decompressed
 * here and is then an ELF like any other.
 */
#include "core/vm/guest_arch.h"
#include "core/vm/mem.h"
#include "core/x86/image/boot_stats.h"

struct err;
struct vcpu_regs;

/* Loop thread, before the guest starts. Reads the files, writes guest memory, fills *bsp. On
 * failure the sentence names the file; guest memory may have been written. */
int boot_load(const struct guest_boot *config, struct mem *m, struct vcpu_regs *bsp,
              struct boot_stats *stats, struct err *e);

#endif
