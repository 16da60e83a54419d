#ifndef CORE_X86_IMAGE_BOOT_STATS_H
#define CORE_X86_IMAGE_BOOT_STATS_H
/*
 * What loading a guest did. The loaders count it, for the log and the benchmarks.
 */
#include <stdint.h>

#include "core/vm/mem.h"

enum boot_protocol {
    BOOT_PVH,
    BOOT_LINUX64,
};

struct boot_stats {
    enum boot_protocol protocol;
    const char *format;   /* a constant: "vmlinux", "bzImage (lz4)", ... */
    uint64_t mapped;      /* bytes of the kernel file mapped into guest memory */
    uint64_t copied;      /* bytes of it copied */
    uint64_t inflated;    /* bytes that decompression wrote */
    uint64_t moved;       /* of those, bytes that then had to move to their segment's place */
    gpa_t kernel_end;     /* end of the highest segment */
    gpa_t initrd;         /* 0: there is none */
    uint64_t initrd_size; /* bytes */
};

#endif
