#ifndef EMU_X86_DECODE_ORDER_H
#define EMU_X86_DECODE_ORDER_H
/*
 * Memory ordering: the order in which other processors see the accesses of one.
 *
 * The guest's loads and stores are loads and stores of the host, so plain ones have the order that
 * SDM 3A, 9.2 demands, at no cost. What needs more, and what provides it:
 *
 *   LOCK, XCHG                 the host's own locked instruction; for a copied operand, exclusive.h
 *   LFENCE, MFENCE, SFENCE     the host's own fence, in a thunk
 *   non-temporal stores        the host's own, in a thunk
 *   serializing instructions   block_build.c puts order_all before each and ends the block behind
 *   (SDM 3A, 9.3)              it, because another processor may have changed the next instruction
 *   RDTSCP                     order_loads
 *   interrupts, exceptions     order_all before the handler is looked up (SDM 3A, 12.10)
 *   IN, OUT, MMIO, the APICs   order_all before the access (SDM 3A, 9.2.5)
 *   HLT and waiting            the processor leaves guest code (code_pages.h)
 *
 * CLFLUSH and its kin, MOVNTDQA, PAUSE, SYSCALL, SYSRET and SWAPGS need no more than the order of
 * plain accesses to ordinary memory.
 */
#include <stdbool.h>

struct table_row;

/* Whether the instruction is serializing. MFENCE is serializing on AMD's processors only, but here
 * for every vendor. */
bool order_serializes(const struct table_row *row);

/* All earlier loads and stores complete before any later instruction starts. */
static inline void order_all(void)
{
    __asm__ volatile("mfence\n\tlfence" : : : "memory");
}

/* All earlier loads complete before any later instruction starts. */
static inline void order_loads(void)
{
    __asm__ volatile("lfence" : : : "memory");
}

#endif
