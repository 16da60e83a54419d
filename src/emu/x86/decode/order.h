#ifndef EMU_X86_DECODE_ORDER_H
#define EMU_X86_DECODE_ORDER_H
/*
 * What orders the memory accesses of one processor as others see them.
 *
 * A guest's loads and stores are the host's own, so plain ones are ordered as the architecture says
 * (SDM 3A, 9.2) for nothing. What asks for more, and who sees to it here:
 *
 *   LOCK, XCHG                  the host's own locked instruction; on a copy, exclusive.h
 *   LFENCE, MFENCE, SFENCE      the host's own, as thunks; with them non-temporal stores, which are
 *                               the host's own too
 *   serializing instructions    build.c puts order_all before each and ends the block behind it:
 *   (SDM 3A, 9.3)               the next one may have been changed by another processor
 *   RDTSCP                      order_loads
 *   interrupts, exceptions      order_all before the handler is looked up (SDM 3A, 12.10)
 *   IN, OUT, MMIO, the APICs'   order_all before the access (SDM 3A, 9.2.5)
 *   HLT and waiting             the processor goes out of guest code (code_pages.h)
 *
 * CLFLUSH and theirs, MOVNTDQA, PAUSE, SYSCALL, SYSRET and SWAPGS ask for nothing that plain
 * accesses to ordinary memory do not have.
 */
#include <stdbool.h>

struct table_row;

/* Whether the instruction is serializing. MFENCE is on AMD's processors, and here. */
bool order_serializes(const struct table_row *row);

/* All loads and stores before come before all behind, and are done. */
static inline void order_all(void)
{
    __asm__ volatile("mfence\n\tlfence" : : : "memory");
}

/* All loads before are done. */
static inline void order_loads(void)
{
    __asm__ volatile("lfence" : : : "memory");
}

#endif
