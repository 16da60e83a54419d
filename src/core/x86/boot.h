#ifndef CORE_X86_BOOT_H
#define CORE_X86_BOOT_H
/*
 * Puts a kernel, its initrd and its command line into guest memory and says where the first
 * processor starts.
 *
 * Kernels: ELF vmlinux, by PVH where it has the note (Xen's x86/HVM direct boot ABI) and by the
 * 64-bit Linux protocol otherwise; bzImage of protocol 2.12 or later, whose payload is decompressed
 * here and is then an ELF like any other.
 */
#include <stdint.h>

#include "core/mem.h"

struct err;
struct vcpu_regs;

struct boot_config {
    const char *kernel_path;
    const char *initrd_path; /* or NULL */
    const char *cmdline;     /* at most LAYOUT_CMDLINE_MAX - 1 bytes */
};

enum boot_protocol {
    BOOT_PVH,
    BOOT_LINUX64,
};

/* What loading did, for the log and the bench. */
struct boot_stats {
    enum boot_protocol protocol;
    const char *format;   /* "vmlinux", "bzImage (lz4)", ... static */
    uint64_t mapped;      /* bytes of the kernel file mapped into guest memory */
    uint64_t copied;      /* bytes of it copied */
    uint64_t inflated;    /* bytes that decompression wrote */
    uint64_t moved;       /* of those, bytes that had to be moved to their segment's place */
    gpa_t kernel_end;     /* end of the highest segment */
    gpa_t initrd;         /* 0 without */
    uint64_t initrd_size; /* bytes */
};

/* Loop thread, before the guest starts. Reads the files, writes guest memory, fills *bsp. On
 * failure the sentence names the file; guest memory may have been written. */
int boot_load(const struct boot_config *config, struct mem *m, struct vcpu_regs *bsp,
              struct boot_stats *stats, struct err *e);

#endif
