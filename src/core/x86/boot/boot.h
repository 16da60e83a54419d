#ifndef CORE_X86_BOOT_BOOT_H
#define CORE_X86_BOOT_BOOT_H
/*
 * Puts a kernel, its initrd and its command line into guest memory and says where the first
 * processor starts.
 *
 * A kernel is an ELF vmlinux or a bzImage of protocol 2.12 or later. The payload of a bzImage is
 * decompressed on the host and is then an ELF file like any other. Linux, which its notes name,
 * boots by the 64-bit Linux protocol. Another ELF file boots by PVH (Xen's x86/HVM direct boot ABI)
 * if it has that note, and otherwise like Linux.
 *
 * This room is the boot protocols and what they put into memory. It leaves kernel files to
 * core/x86/image and takes over their setup header; it must not know a device or an accelerator.
 */
#include "core/vm/guest_arch.h"
#include "core/vm/mem.h"
#include "core/x86/image/boot_stats.h"

struct err;
struct vcpu_regs;

/* Loop thread, before the guest starts. Reads the files, writes guest memory and fills *bsp. On
 * failure the sentence names the file, and guest memory may have been written. */
int boot_load(const struct guest_boot *boot, struct mem *m, struct vcpu_regs *bsp,
              struct boot_stats *stats, struct err *e);

#endif
