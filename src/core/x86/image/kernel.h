#ifndef CORE_X86_IMAGE_KERNEL_H
#define CORE_X86_IMAGE_KERNEL_H
/*
 * Loads a kernel file, whatever its format, into guest memory.
 *
 * This room is kernel files: their formats, decompression, and the way into guest memory. It knows
 * files, guest memory and the machine's layout; it must not know registers, the tables that boot
 * protocols want, devices or accelerators.
 */
#include <asm/bootparam.h>

#include "core/vm/mem.h"
#include "core/x86/image/boot_stats.h"

struct err;

struct kernel {
    enum boot_protocol protocol;
    gpa_t entry;                /* for that protocol */
    gpa_t end;                  /* of the highest segment */
    gpa_t initrd_last;          /* the highest address that a byte of the initrd may have */
    struct setup_header header; /* the bzImage's own; zeros for an ELF file */
};

/* Before the guest starts, into memory that nobody has written yet. Fills *k, and the fields of
 * *stats that are about the kernel. On failure the sentence names the file, and guest memory may
 * have been written. */
int kernel_load(const char *path, struct mem *m, struct kernel *k, struct boot_stats *stats,
                struct err *e);

#endif
