#ifndef CORE_X86_BOOT_INITRD_H
#define CORE_X86_BOOT_INITRD_H
/*
 * Finds a place for the initial RAM disk and reads it into guest memory.
 */
#include <stdbool.h>

#include "core/vm/mem.h"

struct err;
struct kernel;

struct initrd {
    gpa_t gpa; /* 0: there is none */
    uint64_t size;
};

/* Pure. The highest page-aligned place for `size` bytes in [floor, ceiling). False: none. */
bool initrd_place(gpa_t floor, gpa_t ceiling, uint64_t size, gpa_t *gpa);

/* Before the guest starts. Reads the file into memory above the kernel and below the MMIO gap. On
 * failure the sentence names the file, and guest memory may have been written. */
int initrd_load(const char *path, const struct mem *m, const struct kernel *k, struct initrd *out,
                struct err *e);

#endif
