#ifndef EMU_X86_MEM_EXCLUSIVE_H
#define EMU_X86_MEM_EXCLUSIVE_H
/*
 * One processor has the machine's memory to itself: how an access that hardware would lock the bus
 * for, and the host cannot or may not make in one piece, is atomic against all that the others do.
 */

struct cpu;

/* That vCPU's thread, inside an instruction that has done nothing yet: waits for its turn, then
 * until every other processor is between two instructions, asleep or on the bus. They stay there
 * until the end. What was known of mappings and of code pages has to be asked again. */
void exclusive_begin(struct cpu *c);
void exclusive_end(struct cpu *c);

#endif
