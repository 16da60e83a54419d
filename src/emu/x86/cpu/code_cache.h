#ifndef EMU_X86_CPU_CODE_CACHE_H
#define EMU_X86_CPU_CODE_CACHE_H
/*
 * The table through which the MMU, code_pages.c and mmio.c reach a processor's cache of decoded
 * code: what the cache has to do when memory or its mapping changes.
 */
#include <stdint.h>

#include "core/vm/mem.h"

struct cpu;

/* That vCPU's thread. */
struct code_cache_ops {
    /* Drops what was decoded from [gpa, gpa + len): those bytes changed. */
    void (*drop)(struct cpu *c, gpa_t gpa, uint64_t len);
    void (*drop_all)(struct cpu *c);

    /* From inside an instruction: makes the running block end after that instruction. */
    void (*stop)(struct cpu *c);

    /* Forgets which block is at which virtual address: the mapping changed. */
    void (*forget_addresses)(struct cpu *c);
};

#define CODE_DROPS_MAX 32u

/* What other threads want this processor to drop. */
struct code_drops {
    unsigned count; /* CODE_DROPS_MAX + 1: more than fit, so drop everything */
    struct {
        gpa_t gpa;
        uint64_t len;
    } range[CODE_DROPS_MAX];
};

#endif
