#ifndef EMU_X86_CPU_CODE_CACHE_H
#define EMU_X86_CPU_CODE_CACHE_H
/*
 * What a processor's cache of decoded code has to do when memory or its mapping changes: the table
 * through which the MMU and code_pages.c reach it.
 */
#include <stdint.h>

#include "core/vm/mem.h"

struct cpu;

/* That vCPU's thread. */
struct code_cache_ops {
    /* The bytes of [gpa, gpa + len) changed. */
    void (*drop)(struct cpu *c, gpa_t gpa, uint64_t len);
    void (*drop_all)(struct cpu *c);
    void (*stop)(struct cpu *c); /* the running block ends behind this instruction */

    /* Virtual addresses mean something else from now on. */
    void (*forget_addresses)(struct cpu *c);
};

#define CODE_DROPS_MAX 32u

/* What other processors want this one to drop; under emu.code_lock. */
struct code_drops {
    unsigned count; /* CODE_DROPS_MAX + 1: more than fit, drop everything */
    struct {
        gpa_t gpa;
        uint64_t len;
    } range[CODE_DROPS_MAX];
};

#endif
