#ifndef CORE_X86_BOOT_INITRD_H
#define CORE_X86_BOOT_INITRD_H
/*
 * The initial RAM disk: found a place and read into guest memory.
 */
#include <stdbool.h>

#include "core/vm/mem.h"

struct err;
struct kernel;

struct initrd {
    gpa_t gpa; /* 0 without one */
    uint64_t size;
};

/* Pure. The highest page-aligned place for `size` bytes in [floor, ceiling). false: none. */
bool initrd_place(gpa_t floor, gpa_t ceiling, uint64_t size, gpa_t *gpa);

/* Before the guest starts. Reads the file to above the kernel and below 4 GiB. On failure the
 * sentence names the file; guest memory may have been written. */
int initrd_load(const char *path, const struct mem *m, const struct kernel *k, struct initrd *out,
                struct err *e);

#endif
