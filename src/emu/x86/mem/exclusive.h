#ifndef EMU_X86_MEM_EXCLUSIVE_H
#define EMU_X86_MEM_EXCLUSIVE_H
/*
 * Gives one processor the machine's memory to itself: no other processor accesses it meanwhile.
 * This is for accesses that must be atomic, as if they locked the bus, but that the host cannot or
 * must not make in one piece.
 */

struct cpu;

/* That vCPU's thread, inside an instruction that has changed nothing yet. exclusive_begin waits for
 * its turn, then until every other processor is between two instructions, asleep, accessing a
 * device on a bus, or itself waiting in exclusive_begin. They go no further until exclusive_end.
 * When exclusive_begin returns, what the caller knew of mappings and code pages may be out of
 * date. */
void exclusive_begin(struct cpu *c);
void exclusive_end(struct cpu *c);

#endif
